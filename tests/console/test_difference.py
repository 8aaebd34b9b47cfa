"""The difference between two versions: in words, and nothing that the digest covers is left out."""

from __future__ import annotations

from typing import Any

import pytest

from console.difference import differences, play_differences
from tests.examples import play, proposal


def test_two_equal_versions_differ_in_nothing() -> None:
    assert differences(proposal(), proposal(), "en") == []


def test_each_changed_text_is_told_with_its_place() -> None:
    before = play()
    sequence = before.sequences[0]
    step = next(one for one in sequence.steps if one.kind == "send")
    copy = step.copies["en"].model_copy(update={"subject": "We miss you"})
    changed = step.model_copy(update={"copies": {**step.copies, "en": copy}})
    steps = tuple(changed if one is step else one for one in sequence.steps)
    after = before.model_copy(
        update={"sequences": (sequence.model_copy(update={"steps": steps}), *before.sequences[1:])}
    )
    [told] = [one for one in play_differences(before, after, "en") if one.part.endswith("en · subject")]
    assert (told.before, told.after) == (step.copies["en"].subject, "We miss you")


@pytest.mark.parametrize(
    ("changes", "part"),
    [({"holdout_share": 0.4}, "held out"), ({"owner": "omar"}, "owner"), ({"review_days": 3}, "review_days"),
     ({"templates": {}}, "templates"), ({"days_between": 14}, "days between letters")],
)  # fmt: skip
def test_whatever_changes_the_digest_is_shown(changes: dict[str, Any], part: str) -> None:
    # Beside a change that has words of its own.
    found = play_differences(play(), play().model_copy(update={"owner": "paul", **changes}), "en")
    assert any(one.part.startswith(part) for one in found)
