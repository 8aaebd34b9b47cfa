from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from memory.finding import Verdict, strongest
from policies.facts import NEVER, NO_PRODUCT, STOCK_UNKNOWN, MessageFacts, ProposalFacts
from policies.guardian import Review, gate_message, read_copy, review_proposal, sift_messages
from policies.pack_document import PackError
from policies.rules import RULES
from policies.rules.promises import promises_something
from policies.table import STRENGTH, MessageTable
from tests.policies.conftest import plain_id
from tests.policies.tables import ALLOW, COPIES, HOLD, MESSAGES, PROPOSALS, REFUSE, Row, ago
from tests.policies.worlds import NOW, OFFER, approval, base_pack, message, own_pack, proposal, wording


def verdict_of(rule: str, review: Review) -> Verdict:
    return strongest(finding for finding in review.findings if finding.rule == rule)


def named(row: Row) -> str:
    return f"{row.rule}-{row.verdict}-{plain_id(row.title)}"


@pytest.mark.parametrize("row", MESSAGES, ids=named)
def test_a_rule_judges_a_message(row: Row) -> None:
    review = gate_message(message(**row.changes), base_pack())
    assert verdict_of(row.rule, review) is row.verdict
    others = {finding.rule for finding in review.findings if finding.verdict is not Verdict.ALLOW} - {row.rule}
    assert not others
    assert review.verdict is row.verdict


@pytest.mark.parametrize("row", PROPOSALS, ids=named)
def test_a_rule_judges_a_proposal(row: Row) -> None:
    review = review_proposal(proposal(**row.changes), base_pack())
    assert verdict_of(row.rule, review) is row.verdict


@pytest.mark.parametrize("row", COPIES, ids=named)
def test_a_rule_reads_copy(row: Row) -> None:
    assert verdict_of(row.rule, read_copy(wording(**row.changes), base_pack())) is row.verdict


def test_every_rule_has_a_row_that_it_allows_and_one_that_it_does_not() -> None:
    rows = [*MESSAGES, *PROPOSALS, *COPIES]
    assert {row.rule for row in rows if row.verdict is Verdict.ALLOW} == set(RULES)
    advice = {setting.id for setting in base_pack().rules if setting.severity == "advisory"}
    # What says nothing until a team does.
    off = {setting.id for setting in base_pack().rules if not setting.enabled}
    assert {row.rule for row in rows if row.verdict is not Verdict.ALLOW} == set(RULES) - advice - off
    set_otherwise = {(setting.partition(":")[0], verdict is ALLOW) for setting, verdict, _ in SET_OTHERWISE}
    assert {(rule, allows) for rule in off for allows in (True, False)} <= set_otherwise


TOLD = {"consent_state": "", "customer_told": True}
NOT_FOR = (
    "not_for: {enabled: true, parameters: {pairs: [{playbook: win_back, "
    "segment: {type: compare, field: lifecycle_stage, operator: ==, value: lost}}]}}"
)
SET_OTHERWISE = [
    ("consent: {parameters: {double_opt_in_required: true}}", ALLOW, {}),
    ("consent: {parameters: {double_opt_in_required: true}}", REFUSE, {"consent_confirmed": False}),
    (
        "consent: {parameters: {double_opt_in_required: true}}",
        ALLOW,
        {"consent_confirmed": False, "purpose": "transactional"},
    ),
    ("consent: {parameters: {existing_customer_days: 90}}", ALLOW, {**TOLD, "similar_bought_at": ago(90)}),
    ("consent: {parameters: {existing_customer_days: 90}}", REFUSE, {**TOLD, "similar_bought_at": ago(90.001)}),
    ("consent: {parameters: {existing_customer_days: 90}}", REFUSE, {**TOLD, "similar_bought_at": NEVER}),
    (
        "consent: {parameters: {existing_customer_days: 90}}",
        REFUSE,
        {"consent_state": "", "customer_told": False, "similar_bought_at": NOW},
    ),
    (
        "consent: {parameters: {existing_customer_days: 90}}",
        REFUSE,
        {**TOLD, "consent_state": "withdrawn", "similar_bought_at": NOW},
    ),
    (
        "consent: {parameters: {existing_customer_days: 90}}",
        REFUSE,
        {**TOLD, "purpose": "transactional", "similar_bought_at": NOW},
    ),
    (NOT_FOR, REFUSE, {"in_barred_segment": True}),
    (NOT_FOR, ALLOW, {"in_barred_segment": False}),
    (NOT_FOR, HOLD, {"in_barred_segment": None}),
    (NOT_FOR, ALLOW, {"in_barred_segment": None, "playbook": "vip_thank_you"}),
    (NOT_FOR, ALLOW, {"in_barred_segment": True, "needs_no_leave": True, "reaches_contact": False}),
    ("stock: {parameters: {minimum_units: 3}}", ALLOW, {"product_stock_units": 3}),
    ("stock: {parameters: {minimum_units: 3}}", HOLD, {"product_stock_units": 2}),
    ("stock: {parameters: {known_required: true}}", HOLD, {"product_stock_units": STOCK_UNKNOWN}),
    ("stock: {parameters: {known_required: true}}", ALLOW, {"product_stock_units": NO_PRODUCT}),
    ("recent_purchase: {parameters: {similar_days: 30}}", ALLOW, {"similar_bought_at": ago(30)}),
    ("recent_purchase: {parameters: {similar_days: 30}}", REFUSE, {"similar_bought_at": ago(29.999)}),
    ("recent_purchase: {parameters: {similar_days: 30}}", ALLOW, {"similar_bought_at": NEVER}),
    (
        "recent_purchase: {parameters: {similar_days: 30}}",
        ALLOW,
        {"similar_bought_at": ago(1), "playbook": "replenishment"},
    ),
    ("recent_purchase: {parameters: {minimum_days: 20}}", REFUSE, {"last_purchase_at": ago(19.999)}),
    ("recent_purchase: {parameters: {minimum_days: 20}}", ALLOW, {"last_purchase_at": ago(20)}),
    ("language: {parameters: {own_language_required: true}}", ALLOW, {}),
    ("language: {parameters: {own_language_required: true}}", REFUSE, {"language_matches": False}),
    (
        "language: {parameters: {own_language_required: true}}",
        ALLOW,
        {"language_matches": False, "reaches_contact": False, "channel": "audience"},
    ),
]


@pytest.mark.parametrize(("setting", "verdict", "changes"), SET_OTHERWISE)
def test_a_limit_that_the_base_pack_leaves_open_holds_under_a_pack_that_sets_it(
    setting: str, verdict: Verdict, changes: dict[str, Any]
) -> None:
    pack = own_pack(f"  {setting}\n")
    facts = replace(message(**changes), approval=approval(policy_version=pack.version))
    review = gate_message(facts, pack)
    assert review.verdict is verdict, review.findings
    assert {one.rule for one in review.findings if one.verdict is not ALLOW} <= {setting.partition(":")[0]}
    sieve = sift_messages(MessageTable(1, facts, {}), pack)
    assert sieve.verdicts.tolist() == [STRENGTH[verdict]]


LOST: dict[str, Any] = {"type": "compare", "field": "lifecycle_stage", "operator": "==", "value": "lost"}
LATE: dict[str, Any] = {"type": "compare", "field": "days_overdue", "operator": ">=", "value": 14}


@pytest.mark.parametrize(
    ("audience", "playbook", "verdict"),
    [
        (LOST, "win_back", REFUSE),
        ({"type": "all", "of": [LATE, {"type": "any", "of": [LOST]}]}, "win_back", REFUSE),
        (LATE, "win_back", ALLOW),
        ({"type": "any", "of": [LATE, LOST]}, "win_back", ALLOW),
        ({"type": "not", "of": LOST}, "win_back", ALLOW),
        (LOST, "cross_sell", ALLOW),
    ],
)
def test_a_play_for_nobody_but_a_segment_that_its_playbook_leaves_alone_is_refused(
    audience: dict[str, Any], playbook: str, verdict: Verdict
) -> None:
    facts = proposal(play_changes={"audience": audience, "playbook": playbook})
    assert verdict_of("not_for", review_proposal(facts, own_pack(f"  {NOT_FOR}\n"))) is verdict


def test_a_segment_that_cannot_be_read_is_an_error_at_its_line() -> None:
    with pytest.raises(PackError, match="there is no feature 'lifecycle'") as caught:
        own_pack(f"  {NOT_FOR.replace('lifecycle_stage', 'lifecycle')}\n")
    assert caught.value.where == "own.yaml, line 5"


# What the base pack needs of a message and of a proposal; a fact of a shape of its own is named otherwise.
NEEDED_OF_A_MESSAGE = sorted(
    {one.name for one in fields(MessageFacts)}
    - {
        "now",
        "reaches_contact",
        "needs_no_leave",
        "hibernation_exempt",
        "approval",
        "cap_frees_at",
        "exempt_sent_in_lapse",
    }
    - {"consent_confirmed", "customer_told", "similar_bought_at", "playbook", "language_matches"}
    - {"in_barred_segment"}
)
NEEDED_OF_A_PROPOSAL = sorted(
    {one.name for one in fields(ProposalFacts)}
    - {"play", "now", "cleaning", "offers", "codes_left", "reference_price_cents", "times_run", "harmed_before"}
)


@pytest.mark.parametrize("name", NEEDED_OF_A_MESSAGE)
def test_a_rule_names_the_fact_that_it_lacks_of_a_message(name: str) -> None:
    less: dict[str, Any] = {name: None}
    assert f"{name} unknown" in {one.fact for one in gate_message(replace(message(), **less), base_pack()).findings}


@pytest.mark.parametrize("name", NEEDED_OF_A_PROPOSAL)
def test_a_rule_names_the_fact_that_it_lacks_of_a_proposal(name: str) -> None:
    less: dict[str, Any] = {name: None}
    findings = review_proposal(replace(proposal(), **less), base_pack()).findings
    assert f"{name} unknown" in {one.fact for one in findings}


@pytest.mark.parametrize(
    ("characters", "verdict"), [(160, Verdict.ALLOW), (161, Verdict.REFUSE)], ids=["160 characters", "161 characters"]
)
def test_one_part_of_a_text_message_holds_160_characters(characters: int, verdict: Verdict) -> None:
    pack = own_pack("  text_message: {parameters: {maximum_segments: 1}}\n")
    text = "a" * (characters - len(" STOP")) + " STOP"
    assert verdict_of("text_message", read_copy(wording(text=(text,)), pack)) is verdict


@pytest.mark.parametrize(
    ("floor", "needs", "measured", "verdict"),
    [
        (0.9, 0.5, 0.8, Verdict.HOLD),
        (0.5, 0.9, 0.8, Verdict.HOLD),
        (0.8, 0.5, 0.8, Verdict.ALLOW),
        (0.5, 0.8, 0.8, Verdict.ALLOW),
    ],
)
def test_the_record_is_as_good_as_the_pack_and_the_playbook_ask(
    floor: float, needs: float, measured: float, verdict: Verdict
) -> None:
    pack = own_pack(f"  data_quality: {{parameters: {{minimum_measures: {{consent_proof_share: {floor}}}}}}}\n")
    facts = proposal(quality={"consent_proof_share": measured}, requirements={"consent_proof_share": needs})
    assert verdict_of("data_quality", review_proposal(facts, pack)) is verdict


@pytest.mark.parametrize(("days", "remarked"), [(7, True), (7.001, False)], ids=["a week", "a moment later"])
def test_an_offer_that_ends_while_messages_may_still_wait_is_remarked(days: float, remarked: bool) -> None:
    short = OFFER.model_copy(update={"ends_at": NOW + timedelta(days=days)})
    review = review_proposal(proposal(play_changes={"offer": short}, offers=(short,)), base_pack())
    said = [one.sentence for one in review.findings if one.rule == "offer"]
    assert any("held for long" in one for one in said) is remarked
    assert verdict_of("offer", review) is Verdict.ALLOW


@pytest.mark.parametrize(
    ("text", "promises"),
    [
        ("Half price until Sunday", True),
        ("Spring SALE", True),
        ("Les soldes", True),
        ("La livraison est offerte", True),
        ("Your favourites are back", False),
    ],
)
def test_a_text_that_only_an_offer_may_say_is_known_whatever_its_language(text: str, promises: bool) -> None:
    assert promises_something(text) is promises


def test_an_advisory_rule_of_the_base_pack_stops_only_under_a_pack_that_means_it() -> None:
    strict = own_pack("  spam_score: {severity: serious}\n")
    for score, verdict in ((4.9, Verdict.ALLOW), (5.0, Verdict.HOLD)):
        facts = proposal(spam_score=score)
        assert verdict_of("spam_score", review_proposal(facts, strict)) is verdict
        assert verdict_of("spam_score", review_proposal(facts, base_pack())) is Verdict.ALLOW


def test_every_rule_that_judges_messages_has_rows_with_messages() -> None:
    gated = {rule.id for rule in RULES.values() if rule.gate}
    assert {row.rule for row in MESSAGES} == gated
    reviewed = {rule.id for rule in RULES.values() if rule.review}
    assert {row.rule for row in PROPOSALS} == reviewed
    read = {rule.id for rule in RULES.values() if rule.read}
    assert {row.rule for row in COPIES} == read


def test_a_message_and_a_proposal_with_nothing_against_them_are_allowed() -> None:
    assert gate_message(message(), base_pack()).allowed
    review = review_proposal(proposal(), base_pack())
    assert review.allowed, [finding for finding in review.findings if finding.verdict is not Verdict.ALLOW]
    assert {finding.rule for finding in review.findings} == {
        rule.id for rule, _ in base_pack().active if rule.stage != "message" or rule.review
    }


def test_a_rule_s_id_is_the_name_of_its_file() -> None:
    for rule in RULES.values():
        function = rule.gate or rule.review or rule.read
        assert function is not None
        assert function.__module__ == f"policies.rules.{rule.id}"
