"""Copy of a play with tiers must be true for whoever gets any of its offers, and for whoever gets none."""

from __future__ import annotations

import pytest

from memory.finding import Verdict
from policies.guardian import review_proposal
from tests import examples
from tests.policies.tables import tiers
from tests.policies.worlds import base_pack, one_mail, proposal


def against(text: str) -> set[str]:
    """The rules that refuse this text in a mail of two tiers."""
    world = tiers(1500)
    world["play_changes"] |= {"sequences": one_mail(copies={"en": examples.copy("en", body=(text,))})}
    found = review_proposal(proposal(**world), base_pack()).findings
    return {one.rule for one in found if one.verdict is Verdict.REFUSE}


@pytest.mark.parametrize(
    "text",
    [
        "We kept your cart.",
        "We kept your cart.{% if offer.label %} A discount for you: {{ offer.label }}.{% endif %}",
        # Nobody without an offer gets this one.
        "A discount for you: {{ offer.label }}.",
    ],
)
def test_a_text_may_promise_what_its_reader_gets(text: str) -> None:
    assert against(text) == set()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("A discount for you.", "promises"),
        ("A discount for you.{% if offer.label %} {{ offer.label }}.{% endif %}", "promises"),
        # The words of one tier are untrue for the readers of the other.
        ("Enjoy 10 % off your next basket. {{ offer.label }}.", "copy_facts"),
    ],
)
def test_a_text_may_promise_nothing_that_some_reader_does_not_get(text: str, rule: str) -> None:
    assert rule in against(text)
