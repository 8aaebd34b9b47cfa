from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from memory.play import Limits
from memory.proposal import LADDER, Approvals, Audience
from memory.trigger import SegmentTrigger
from policies.approval import approval_missing, approvals_needed
from tests.policies.worlds import OFFER, base_pack, own_pack, proposal


def audience(reachable: int) -> Audience:
    return Audience(selected=reachable, reachable=reachable, holdout=0, treated=reachable)


WIDE = {"size_band": (1, 300_000)}


def test_a_small_play_that_ran_before_needs_one_person() -> None:
    needed = approvals_needed(proposal(), base_pack())
    assert needed.people == 1
    assert not needed.second_person
    assert needed.reasons


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"audience": audience(9_999), "play_changes": WIDE}, {"audience": audience(10_000), "play_changes": WIDE}),
        ({"cost_cents": 99_999}, {"cost_cents": 100_000}),
        (
            {"times_run": 0, "audience": audience(2_499), "play_changes": WIDE},
            {"times_run": 0, "audience": audience(2_500), "play_changes": WIDE},
        ),
        ({"harmed_before": False}, {"harmed_before": True}),
        ({"consent_coverage": 0.1}, {"consent_coverage": 0.05}),
        ({}, {"audience": None}),
        ({}, {"cost_cents": None}),
        ({}, {"harmed_before": None}),
        (
            {"times_run": 1, "audience": audience(2_500), "play_changes": WIDE},
            {"times_run": None, "audience": audience(2_500), "play_changes": WIDE},
        ),
    ],
)
def test_a_second_person_is_asked_from_a_threshold_on(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert approvals_needed(proposal(**one), base_pack()).people == 1
    needed = approvals_needed(proposal(**two), base_pack())
    assert needed.people == 2
    assert needed.second_person
    assert len(needed.reasons) >= 1


def test_a_deep_discount_asks_for_a_second_person() -> None:
    for value, people in ((1_999, 1), (2_000, 2)):
        offer = OFFER.model_copy(update={"value": value})
        facts = proposal(play_changes={"offer": offer}, offers=(offer,))
        assert approvals_needed(facts, base_pack()).people == people


def test_an_amount_of_unknown_depth_asks_for_a_second_person() -> None:
    offer = OFFER.model_copy(update={"kind": "amount", "value": 500})
    facts = proposal(play_changes={"offer": offer}, offers=(offer,))
    assert approvals_needed(facts, base_pack()).people == 1
    assert approvals_needed(replace(facts, reference_price_cents=None), base_pack()).people == 2


def test_the_thresholds_come_from_the_pack() -> None:
    strict = own_pack("  approval: {parameters: {two_people_from_contacts: 100}}\n")
    assert approvals_needed(proposal(), strict).people == 2
    lax = own_pack("  approval: {parameters: {two_people_when_harmed: false}}\n")
    assert approvals_needed(proposal(harmed_before=True), lax).people == 1
    open_to_one = own_pack("  approval: {parameters: {two_people_when_held: false}}\n")
    assert approvals_needed(proposal(consent_coverage=0.05), open_to_one).people == 1


NEVER_RAN = "It never ran before."
DEEP = OFFER.model_copy(update={"value": 2_000})


@pytest.mark.parametrize(
    ("changes", "asks", "two"),
    [
        ({}, [], []),
        ({"harmed_before": True}, ["A campaign of this playbook did harm before."], "the same"),
        ({"harmed_before": None}, ["Past harm is unknown."], "the same"),
        (
            {"consent_coverage": 0.05, "requirements": {"consent_proof_share": 0.95}},
            ["The policy holds it: consent_coverage, data_quality."],
            "the same",
        ),
        (
            {"cost_cents": 123_450},
            ["It costs 1234.50; nobody has to approve less than 100.00."],
            ["It costs 1234.50; one person may approve less than 1000.00."],
        ),
        ({"cost_cents": None}, ["What it costs is unknown.", "The policy holds it: spend."], "the same"),
        (
            {"play_changes": {"offer": DEEP}, "offers": (DEEP,)},
            ["The discount is 20 %; nobody has to approve less than 10 %."],
            ["The discount is 20 %; one person may approve less than 20 %."],
        ),
        (
            {"times_run": 0, "audience": audience(2_500), "play_changes": WIDE},
            ["It reaches 2500 contacts; nobody has to approve fewer than 1000.", NEVER_RAN],
            ["It never ran before and reaches 2500 contacts; from 2500 on, two look."],
        ),
        (
            {"times_run": None, "audience": audience(9_999), "play_changes": WIDE},
            [
                "It reaches 9999 contacts; nobody has to approve fewer than 1000.",
                "It is not known to have run before.",
            ],
            ["It is not known to have run before and reaches 9999 contacts; from 2500 on, two look."],
        ),
        (
            {"times_run": 0, "audience": audience(10_000), "play_changes": WIDE},
            ["It reaches 10000 contacts; nobody has to approve fewer than 1000.", NEVER_RAN],
            ["It reaches 10000 contacts; one person may approve fewer than 10000."],
        ),
        (
            {"times_run": 1, "audience": None},
            ["How many it reaches is unknown.", "The policy holds it: audience_size."],
            "the same",
        ),
    ],
)
def test_the_reasons_name_what_was_found_and_what_one_person_or_nobody_may_let_pass(
    changes: dict[str, Any], asks: list[str], two: Any
) -> None:
    needed = approvals_needed(proposal(**changes), base_pack())
    expected = asks if two == "the same" else two
    assert list(needed.reasons) == (expected or ["It stays within what one person may approve."])
    assert list(dict.fromkeys(needed.asks_because)) == list(dict.fromkeys([*asks, *expected]))


@pytest.mark.parametrize(
    ("alone", "asks"),
    [
        ({}, {"audience": audience(1_000), "play_changes": WIDE}),
        ({"cost_cents": 9_999}, {"cost_cents": 10_000}),
        ({}, {"times_run": 0}),
        ({}, {"times_run": None}),
        ({}, {"harmed_before": True}),
        ({}, {"consent_coverage": 0.05}),
        ({}, {"audience": None}),
        ({}, {"play_changes": {"trigger": SegmentTrigger(runs_days=10), "limits": Limits(contacts_per_day=100)}}),
    ],
)
def test_only_what_is_small_known_and_clean_may_go_alone(alone: dict[str, Any], asks: dict[str, Any]) -> None:
    assert approvals_needed(proposal(**alone), base_pack()).may_go_alone
    needed = approvals_needed(proposal(**asks), base_pack())
    assert not needed.may_go_alone
    assert needed.asks_because


def test_what_nobody_judged_may_not_go_alone() -> None:
    assert not Approvals(people=1).may_go_alone


def test_how_far_it_may_go_alone_comes_from_the_pack() -> None:
    wide = own_pack("  approval: {parameters: {one_person_when_new: false}}\n")
    assert approvals_needed(proposal(times_run=0), wide).may_go_alone
    narrow = own_pack("  approval: {parameters: {one_person_from_contacts: 50}}\n")
    assert not approvals_needed(proposal(), narrow).may_go_alone


ONE = Approvals(people=1)
ALONE = Approvals(people=1, asks_because=())
TWO = Approvals(people=2, second_person=True)


@pytest.mark.parametrize(
    ("approvers", "needed", "last_editor", "enough"),
    [
        ((), ONE, None, False),
        ((LADDER,), ALONE, None, True),
        ((LADDER,), ALONE, "cli:marie", False),
        ((LADDER,), ONE, None, False),
        ((LADDER, "console:omar"), TWO, None, False),
        ((LADDER, "cli:marie", "console:omar"), TWO, None, True),
        (("cli:marie",), ONE, None, True),
        (("cli:marie",), ONE, "cli:marie", True),
        (("cli:marie",), TWO, None, False),
        (("cli:marie", "cli:marie"), TWO, None, False),
        (("cli:marie", "cli:omar"), TWO, None, False),
        (("cli:marie", "demo:script"), TWO, None, False),
        (("cli:marie", "console:omar"), TWO, None, True),
        (("cli:marie", "console:omar"), TWO, "cli:marie", True),
        (("cli:marie", "console:marie"), TWO, None, False),
        (("cli:marie", "cli:omar", "console:marie"), TWO, None, True),
        (("console:marie", "console:omar"), TWO, "console:omar", True),
        (("console:marie",), TWO, "console:omar", False),
        (("console:marie",), Approvals(people=1, second_person=True), "console:marie", False),
        (("console:omar",), Approvals(people=1, second_person=True), "console:marie", True),
    ],
)
def test_enough_different_people_said_yes(
    approvers: tuple[str, ...], needed: Approvals, last_editor: str | None, enough: bool
) -> None:
    assert (approval_missing(approvers, needed, last_editor) == "") is enough


@pytest.mark.parametrize(
    ("approvers", "needed", "last_editor", "missing"),
    [
        ((), ONE, None, "One person has to approve."),
        ((), TWO, None, "2 people have to approve."),
        (("console:marie",), TWO, None, "Another person has to approve."),
        (("cli:marie", "cli:omar"), TWO, None, "Another person has to approve, signed in to the console;"),
        (("console:marie",), Approvals(people=1, second_person=True), "console:marie", "Another person has to approve"),
    ],
)
def test_what_an_approval_lacks_is_said(
    approvers: tuple[str, ...], needed: Approvals, last_editor: str | None, missing: str
) -> None:
    assert approval_missing(approvers, needed, last_editor).startswith(missing)


def test_a_held_proposal_says_which_rules_hold_it() -> None:
    needed = approvals_needed(proposal(consent_coverage=0.0), base_pack())
    assert any("consent_coverage" in reason for reason in needed.reasons)
