"""Answers: whichever inbox sends them, one decision comes out, or an error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.answer import Answer, flatten, unflatten

WORDS = st.text(st.characters(categories=["L", "N", "Zs"]), min_size=1, max_size=30).filter(lambda text: text.strip())
KEY = st.from_regex(r"[a-z][a-z0-9_-]{0,10}", fullmatch=True)
COPIES = st.dictionaries(
    KEY,
    st.dictionaries(
        st.sampled_from(["en", "fr"]),
        st.fixed_dictionaries({"subject": WORDS, "body": st.lists(WORDS, min_size=1, max_size=3)}),
        min_size=1,
    ),
    min_size=1,
    max_size=3,
)

PLAIN = st.none() | st.booleans() | st.integers() | st.text()
JSON = st.recursive(PLAIN, lambda part: st.lists(part) | st.dictionaries(st.text(), part))


@pytest.mark.parametrize(
    ("given_answer", "verdict"),
    [
        ({"type": "accept", "args": None}, "approve"),
        ({"type": "approve"}, "approve"),
        ({"type": "response", "args": "Why now?"}, "ask"),
        ({"type": "respond", "message": "Why now?"}, "ask"),
        ({"type": "ignore", "args": None}, "reject"),
        ({"type": "reject", "message": "Not in spring"}, "reject"),
        ({"type": "reject"}, "reject"),
        ({"type": "edit", "args": {"action": "x", "args": {"holdout_share": "0.2"}}}, "edit"),
        ({"type": "edit", "edited_action": {"name": "x", "args": {"holdout_share": 0.2}}}, "edit"),
    ],
    ids=str,
)
@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one], lambda one: {"decisions": [one]}])
def test_both_shapes_and_our_own_mean_the_same(given_answer: dict[str, Any], verdict: str, wrap: Any) -> None:
    answer = Answer.model_validate(wrap(given_answer))
    assert answer.verdict == verdict
    assert answer.reason or verdict in ("approve", "edit")
    assert bool(answer.changes) == (verdict == "edit")


def test_the_reason_of_a_rejection_is_kept() -> None:
    assert (
        Answer.model_validate({"decisions": [{"type": "reject", "message": "Not in spring"}]}).reason == "Not in spring"
    )


@given(COPIES)
def test_what_an_inbox_shows_flat_comes_back_as_it_was(copies: dict[str, Any]) -> None:
    changes = {"copies": copies, "holdout_share": 0.2}
    assert unflatten(flatten(changes)) == changes


@given(JSON)
def test_nothing_but_a_decision_is_a_decision(value: Any) -> None:
    try:
        answer = Answer.model_validate(value)
    except ValidationError:
        return
    assert answer.verdict in ("approve", "edit", "reject", "ask")


@pytest.mark.parametrize("name", ["copies/one", "copies/one/en", "copies/one/en/subject/more"])
def test_a_name_that_is_no_slot_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Answer.model_validate([{"type": "edit", "args": {"action": "x", "args": {name: "text"}}}])
