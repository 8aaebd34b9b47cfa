from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.finding import Verdict
from policies import guardian
from policies.facts import NEVER, NO_OFFER, ApprovalFacts, MessageFacts, OfferFacts, ProposalFacts
from policies.guardian import gate_message, read_copy, review_proposal
from policies.pack import Pack
from policies.rule import Context, Parameters, Rule, Ruling
from policies.rules import RULES
from policies.rules.send_window import next_opening
from tests import examples
from tests.policies.tables import ago
from tests.policies.worlds import (
    FACT,
    NOW,
    OFFER,
    PARIS,
    approval,
    base_pack,
    message,
    one_mail,
    own_pack,
    proposal,
    sends,
    wording,
)

STRENGTH = {Verdict.ALLOW: 0, Verdict.HOLD: 1, Verdict.REFUSE: 2}


def breaking(rule_id: str, monkeypatch: pytest.MonkeyPatch) -> Pack:
    """The base pack with one rule that breaks down."""

    def gate(facts: MessageFacts, limits: Parameters, context: Context) -> Ruling | None:
        raise ZeroDivisionError("anna@example.com divided by zero")

    def review(facts: ProposalFacts, limits: Parameters, context: Context) -> list[Ruling]:
        raise ZeroDivisionError("anna@example.com divided by zero")

    rule = RULES[rule_id]
    monkeypatch.setitem(RULES, rule_id, Rule(id=rule_id, parameters=rule.parameters, gate=gate, review=review))
    return base_pack().model_copy()


def test_a_rule_that_breaks_holds_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    review = gate_message(message(), breaking("frequency", monkeypatch))
    assert review.verdict is Verdict.HOLD
    (finding,) = review.findings
    assert finding.rule == "frequency"
    assert finding.fact == "ZeroDivisionError"
    assert "anna" not in finding.model_dump_json()


def test_a_rule_that_breaks_holds_a_proposal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    review = review_proposal(proposal(), breaking("audience_size", monkeypatch))
    assert review.verdict is Verdict.HOLD
    assert [finding.rule for finding in review.findings if finding.verdict is Verdict.HOLD] == ["audience_size"]


def test_a_rule_that_breaks_does_not_hide_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    review = gate_message(message(consent_state="withdrawn"), breaking("frequency", monkeypatch))
    assert review.verdict is Verdict.REFUSE
    assert {finding.rule for finding in review.findings} == {"consent", "frequency"}


def test_forbid_beats_permit_and_all_reasons_are_named() -> None:
    review = gate_message(message(suppressed_reason="complained", sent_in_window=9, in_holdout=True), base_pack())
    assert review.verdict is Verdict.REFUSE
    assert {finding.rule for finding in review.findings} == {"suppression", "frequency", "holdout"}


def test_a_message_of_which_nothing_is_known_is_refused() -> None:
    review = gate_message(MessageFacts(now=NOW), base_pack())
    assert review.verdict is Verdict.REFUSE
    # Whether the language is the contact's own, and whom a playbook leaves alone, is a matter of packs that say so.
    asked = {rule.id for rule in RULES.values() if rule.gate} - {"language", "not_for"}
    assert {finding.rule for finding in review.findings} == asked


def test_a_proposal_of_which_only_the_play_is_known_is_held() -> None:
    facts = ProposalFacts(play=proposal(play_changes={"offer": OFFER}).play, now=NOW)
    review = review_proposal(facts, base_pack())
    assert review.verdict is Verdict.HOLD
    held = {finding.rule for finding in review.findings if finding.verdict is Verdict.HOLD}
    assert {"audience_size", "consent_coverage", "data_quality", "offer", "copy_facts"} <= held


def test_only_the_holdout_makes_a_ghost() -> None:
    assert gate_message(message(in_holdout=True), base_pack()).withheld
    assert not gate_message(message(), base_pack()).withheld
    assert not gate_message(message(in_holdout=True, consent_state=""), base_pack()).withheld
    assert gate_message(message(in_holdout=True, tracking_known=False), base_pack()).withheld


def test_a_hold_says_when_to_ask_again() -> None:
    frees_at = NOW + timedelta(days=2)
    review = gate_message(message(sent_in_window=3, cap_frees_at=frees_at), base_pack())
    assert review.retry_at == frees_at
    night = message(sent_in_window=3, cap_frees_at=frees_at, local_now=NOW.astimezone(PARIS).replace(hour=20))
    assert gate_message(night, base_pack()).retry_at == frees_at
    assert gate_message(message(sent_in_window=3), base_pack()).retry_at is None


def test_a_refusal_has_no_second_try() -> None:
    facts = message(consent_state="withdrawn", sent_in_window=3, cap_frees_at=NOW + timedelta(days=2))
    assert gate_message(facts, base_pack()).retry_at is None


def test_outside_the_window_the_message_waits_for_the_next_opening() -> None:
    friday_night = datetime(2025, 3, 7, 21, 30, tzinfo=PARIS)
    review = gate_message(message(local_now=friday_night), base_pack())
    assert review.retry_at == datetime(2025, 3, 10, 8, 0, tzinfo=UTC)
    assert "opens 2025-03-10 08:00 UTC" in review.findings[0].fact


def test_the_opening_is_a_wall_clock_hour_across_a_clock_change() -> None:
    saturday_before_summer_time = datetime(2025, 3, 29, 20, 0, tzinfo=PARIS)
    assert next_opening(saturday_before_summer_time, 9, 18, frozenset(range(7))) == datetime(2025, 3, 30, 7, tzinfo=UTC)


@given(
    st.integers(0, 3 * 365 * 24 * 60),
    st.sampled_from(["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo"]),
    st.integers(0, 22),
    st.integers(1, 24),
    st.frozensets(st.integers(0, 6)),
)
def test_the_window_is_open_when_the_retry_comes(
    minutes: int, zone: str, first: int, last: int, weekdays: frozenset[int]
) -> None:
    local = (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)).astimezone(ZoneInfo(zone))
    opens_at = next_opening(local, first, last, weekdays)
    if first >= last or not weekdays:
        assert opens_at is None
        return
    assert opens_at is not None
    assert opens_at > local
    there = opens_at.astimezone(ZoneInfo(zone))
    assert there.weekday() in weekdays
    # In the hour that a clock change skips, the window opens as the hour after it begins.
    assert first <= there.hour <= first + 1


def test_a_stopped_switch_holds_whatever_else_is_right() -> None:
    assert gate_message(message(switch_stopped=True), base_pack()).verdict is Verdict.HOLD


def test_an_unknown_zone_and_unknown_tracking_are_said() -> None:
    review = gate_message(message(zone_known=False, tracking_known=False), base_pack())
    assert review.allowed
    assert {finding.rule for finding in review.findings} == {"send_window", "hibernation"}
    assert any("unknown" in finding.fact for finding in review.findings)


def test_an_advisory_rule_only_remarks() -> None:
    pack = own_pack("  length: {severity: advisory}\n")
    review = read_copy(wording(subject="a" * 81), pack)
    assert review.allowed
    assert review.findings[0].sentence.startswith("Advice: ")
    assert not read_copy(wording(subject="a" * 81), base_pack()).allowed


def test_an_advisory_rule_that_breaks_still_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    pack = own_pack("  recent_purchase: {severity: advisory}\n")
    assert gate_message(message(last_purchase_at=NOW), pack).allowed is False
    assert gate_message(message(last_purchase_at=None), base_pack()).verdict is Verdict.HOLD


def test_a_rule_that_is_switched_off_says_nothing() -> None:
    pack = own_pack("  recent_purchase: {enabled: false}\n")
    assert gate_message(message(last_purchase_at=NOW, approval=approval(policy_version=pack.version)), pack).allowed


def test_an_approval_under_one_pack_does_not_hold_under_another() -> None:
    stricter = own_pack("  frequency: {parameters: {messages: 2}}\n")
    assert gate_message(message(), stricter).verdict is Verdict.HOLD
    assert gate_message(message(approval=approval(policy_version=stricter.version)), stricter).allowed


def test_limits_of_the_pack_reach_the_rules() -> None:
    stricter = own_pack("  frequency: {parameters: {messages: 2, window_days: 14}}\n")
    assert stricter.cap.messages == 2
    facts = message(sent_in_window=2, approval=approval(policy_version=stricter.version))
    (finding,) = gate_message(facts, stricter).findings
    assert finding.limit == "2 messages in 14 days"


def test_a_claim_whose_approval_ends_before_the_last_send_is_no_longer_approved() -> None:
    copies = {"en": examples.copy("en", body=("Returns are free for 30 days.",))}
    good = proposal(play_changes={"sequences": one_mail(copies=copies)})
    assert review_proposal(good, base_pack()).allowed
    ending = FACT.model_copy(update={"valid_until": NOW - timedelta(days=1)})
    assert not review_proposal(replace(good, approved_facts=(ending,)), base_pack()).allowed


def test_a_french_fact_does_not_cover_english_copy() -> None:
    copies = {"en": examples.copy("en", body=("Returns are free for 30 days.",))}
    french = FACT.model_copy(update={"language": "fr"})
    facts = proposal(play_changes={"sequences": one_mail(copies=copies)}, approved_facts=(french,))
    assert not review_proposal(facts, base_pack()).allowed


def test_an_offer_that_ends_within_the_deadline_is_remarked_on() -> None:
    ending = OFFER.model_copy(update={"ends_at": NOW + timedelta(days=3)})
    review = review_proposal(proposal(play_changes={"offer": ending}, offers=(ending,)), base_pack())
    (finding,) = [finding for finding in review.findings if finding.rule == "offer"]
    assert finding.verdict is Verdict.ALLOW
    assert "held for long" in finding.sentence


def test_the_version_is_on_every_review() -> None:
    assert gate_message(message(), base_pack()).pack_version == base_pack().version
    assert gate_message(MessageFacts(now=NOW), base_pack()).pack_version == base_pack().version


def test_no_rule_reads_a_clock_a_file_or_the_network() -> None:
    folder = Path(guardian.__file__).parent
    forbidden = re.compile(
        r"\b(?:datetime\.now|utcnow|time\.time|open\(|read_text|Path\(|os\.|socket|requests|httpx|random)\b|"
        r"^(?:import|from) (?:os|io|pathlib|socket|time|random|subprocess|sqlalchemy|langgraph|httpx)\b",
        re.MULTILINE,
    )
    sources = sorted(folder.rglob("*.py"))
    assert len(sources) > len(RULES)
    for source in sources:
        found = forbidden.search(source.read_text(encoding="utf-8"))
        assert found is None, source.name


MOMENTS = st.one_of(st.just(NEVER), st.timedeltas(timedelta(days=-200), timedelta(days=200)).map(lambda gap: NOW + gap))
SENT = st.integers(0, 8)

MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "switch_stopped": st.booleans(),
        "deadline_at": MOMENTS.filter(lambda at: at != NEVER),
        "contact_erased": st.booleans(),
        "suppressed_reason": st.sampled_from(["", "unsubscribed"]),
        "consent_state": st.sampled_from(["granted", "withdrawn", ""]),
        "consent_has_proof": st.booleans(),
        "sent_in_window": SENT,
        "cap_frees_at": MOMENTS.filter(lambda at: at != NEVER),
        "tracking_known": st.booleans(),
        "last_human_signal_at": MOMENTS,
        "sent_since_signal": SENT,
        "hibernation_exempt": st.booleans(),
        "exempt_sent_in_lapse": SENT,
        "last_purchase_at": MOMENTS,
        "recent_purchase_days": st.integers(0, 60),
        "local_now": st.integers(0, 24 * 7).map(lambda hours: NOW.astimezone(PARIS) + timedelta(hours=hours)),
        "zone_known": st.booleans(),
        "send_from_hour": st.integers(0, 23),
        "send_until_hour": st.integers(1, 24),
        "weekdays": st.lists(st.integers(0, 6), unique=True).map(tuple),
        "in_holdout": st.booleans(),
        "in_programme_holdout": st.booleans(),
        "offer": st.sampled_from([NO_OFFER, OfferFacts(planned=OFFER), OfferFacts(planned=OFFER, recorded=OFFER)]),
        "bindings_missing": st.sampled_from([(), ("product.name",)]),
        "unsubscribe_url": st.sampled_from(["", "https://shop.example.com/u"]),
        "approval": st.builds(
            approval,
            approved=st.booleans(),
            revoked=st.booleans(),
            digest_found=st.sampled_from(["a" * 64, "b" * 64]),
            expires_at=MOMENTS.filter(lambda at: at != NEVER),
        ),
    },
)
# What the play says of the message, and nobody has to look up.
DECLARED = ("now", "hibernation_exempt", "reaches_contact", "needs_no_leave")
REMOVABLE = [field.name for field in fields(MessageFacts) if field.name not in DECLARED]


@given(MESSAGES, st.sets(st.sampled_from(REMOVABLE), min_size=1))
def test_taking_facts_away_never_lets_a_message_through(changes: dict[str, Any], gone: set[str]) -> None:
    facts = message(**changes)
    before = gate_message(facts, base_pack()).verdict
    less: dict[str, Any] = dict.fromkeys(gone, None)
    after = gate_message(replace(facts, **less), base_pack()).verdict
    if before is not Verdict.ALLOW:
        assert after is not Verdict.ALLOW


@given(MESSAGES, st.sampled_from([field.name for field in fields(ApprovalFacts)]))
def test_taking_a_fact_of_the_approval_away_never_lets_a_message_through(changes: dict[str, Any], gone: str) -> None:
    facts = message(**changes)
    assert facts.approval is not None
    less: dict[str, Any] = {gone: None}
    after = gate_message(replace(facts, approval=replace(facts.approval, **less)), base_pack())
    assert after.verdict is not Verdict.ALLOW


# Facts for which a pack must ask, with a message of which it does.
ASKED_FOR: dict[str, dict[str, Any]] = {
    "consent_confirmed": {},
    "in_barred_segment": {},
    "language_matches": {},
    "playbook": {},
    "similar_bought_at": {},
    "customer_told": {"consent_state": ""},
}


@pytest.mark.parametrize("name", sorted(ASKED_FOR))
def test_without_a_fact_that_a_pack_asks_for_no_message_leaves(name: str) -> None:
    curious = own_pack(
        "  consent: {parameters: {double_opt_in_required: true, existing_customer_days: 30}}\n"
        "  recent_purchase: {parameters: {similar_days: 10}}\n"
        "  language: {parameters: {own_language_required: true}}\n"
        f"  not_for: {{enabled: true, parameters: {{pairs: [{{playbook: {message().playbook}, "
        "segment: {type: compare, field: recency_days, operator: '>=', value: 60}}]}}\n"
    )
    told = {"approval": approval(policy_version=curious.version), "customer_told": True, "in_barred_segment": False}
    known = {**told, **ASKED_FOR[name]}
    facts = message(**known, similar_bought_at=ago(20))
    assert gate_message(facts, curious).allowed
    less: dict[str, Any] = {name: None}
    lacking = gate_message(replace(facts, **less), curious)
    assert lacking.verdict is Verdict.HOLD
    assert f"{name} unknown" in {one.fact for one in lacking.findings}


@pytest.mark.parametrize("name", sorted(set(REMOVABLE) - {"cap_frees_at", "exempt_sent_in_lapse"} - set(ASKED_FOR)))
def test_without_a_fact_that_a_rule_needs_no_message_leaves(name: str) -> None:
    less: dict[str, Any] = {name: None}
    assert not gate_message(replace(message(), **less), base_pack()).allowed


PROPOSED = st.fixed_dictionaries(
    {},
    optional={
        "consent_coverage": st.floats(0, 1),
        "quality": st.dictionaries(st.just("consent_proof_share"), st.floats(0, 1)),
        "requirements": st.dictionaries(st.just("consent_proof_share"), st.floats(0, 1)),
        "offers": st.sampled_from([(), (OFFER,)]),
        "reference_price_cents": st.integers(1, 10_000),
        "play_changes": st.fixed_dictionaries(
            {},
            optional={
                "offer": st.sampled_from([None, OFFER, OFFER.model_copy(update={"kind": "amount", "value": 2000})]),
                "sequences": st.integers(1, 5).map(sends),
                "holdout_share": st.sampled_from([0.0, 0.1, 0.9]),
            },
        ),
    },
)


@given(
    PROPOSED,
    st.sets(st.sampled_from([field.name for field in fields(ProposalFacts) if field.name not in ("play", "now")])),
)
def test_taking_facts_away_never_lets_a_proposal_through(changes: dict[str, Any], gone: set[str]) -> None:
    facts = proposal(**changes)
    before = review_proposal(facts, base_pack()).verdict
    less: dict[str, Any] = dict.fromkeys(gone, None)
    after = review_proposal(replace(facts, **less), base_pack()).verdict
    if before is not Verdict.ALLOW:
        assert after is not Verdict.ALLOW
