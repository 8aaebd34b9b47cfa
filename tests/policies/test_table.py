"""A rule that judges many messages as a set says of each what it says when it is asked about that one alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.finding import Verdict
from policies.facts import ANY_TOPIC, NEVER, NO_ADDRESS, NO_PRODUCT, STOCK_UNKNOWN, MessageFacts, OfferFacts
from policies.guardian import gate_message, sift_messages
from policies.pack import Pack
from policies.rule import Context, Rule
from policies.rules import RULES
from policies.rules.frequency import FrequencyLimits
from policies.rules.not_for import Pair
from policies.table import STRENGTH, Coded, Column, MessageTable, moment
from tests.policies.tables import MESSAGES, Row
from tests.policies.worlds import NOW, OFFER, PARIS, approval, base_pack, message

SET_RULES = sorted(rule.id for rule in RULES.values() if rule.sift)
ANYBODY: dict[str, Any] = {"type": "all", "of": []}
AUCKLAND = ZoneInfo("Pacific/Auckland")


def near(days: int) -> st.SearchStrategy[datetime]:
    """Moments around now, on the limits of whole days as often as off them."""
    whole = st.integers(-days, days).map(lambda n: NOW + timedelta(days=n))
    return whole | st.timedeltas(timedelta(days=-days), timedelta(days=days)).map(lambda span: NOW + span)


FACTS: dict[str, st.SearchStrategy[Any]] = {
    "contact_erased": st.booleans(),
    "suppressed_reason": st.sampled_from(["", "", "unsubscribed", NO_ADDRESS]),
    "consent_state": st.sampled_from(["granted", "granted", "withdrawn", ""]),
    "consent_has_proof": st.booleans(),
    "consent_confirmed": st.booleans(),
    "customer_told": st.booleans(),
    "similar_bought_at": st.just(NEVER) | near(40),
    "last_heard_at": st.just(NEVER) | near(120),
    "language_matches": st.booleans(),
    "topics_wanted": st.sampled_from([ANY_TOPIC, (), ("news",), ("news", "offers")]),
    "paused_until": st.just(NEVER) | near(3),
    "at_most_days": st.integers(0, 14),
    "last_sent_at": st.just(NEVER) | near(14),
    "sent_in_window": st.integers(0, 6),
    "room_left": st.integers(0, 4),
    "rivals": st.lists(near(2), max_size=4).map(lambda found: tuple(sorted(found))),
    "tracking_known": st.booleans(),
    "last_human_signal_at": st.just(NEVER) | near(120),
    "sent_since_signal": st.integers(0, 8),
    "exempt_sent_in_lapse": st.integers(0, 3),
    "last_purchase_at": st.just(NEVER) | near(40),
    "in_holdout": st.booleans(),
    "in_programme_holdout": st.booleans(),
    "product_stock_units": st.sampled_from([STOCK_UNKNOWN, 0, 1, 2, NO_PRODUCT]),
    "in_barred_segment": st.booleans(),
    "bindings_missing": st.sampled_from([(), ("product.name",)]),
    "local_now": st.sampled_from([NOW.astimezone(PARIS), NOW.astimezone(AUCKLAND)]),
    "zone_known": st.booleans(),
    "offer": st.sampled_from([None, OFFER]).map(lambda one: OfferFacts(planned=one, recorded=one, pool_empty=True)),
}
"""Facts that differ from contact to contact."""
COMMON = st.fixed_dictionaries(
    {
        "channel": st.sampled_from(["email", "sms", "audience"]),
        "purpose": st.sampled_from(["marketing", "marketing", "transactional"]),
        "reaches_contact": st.booleans(),
        "needs_no_leave": st.booleans(),
        "topic": st.sampled_from(["", "news"]),
        "hibernation_exempt": st.booleans(),
        "recent_purchase_days": st.integers(0, 30),
        "switch_stopped": st.booleans(),
        "deadline_at": near(1),
        "approval": st.sampled_from([None, approval(), approval(revoked=True)]),
    }
)
LIMITS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "consent": {
        "proof_required": st.booleans(),
        "double_opt_in_required": st.booleans(),
        "existing_customer_days": st.integers(0, 40),
    },
    "data_age": {"maximum_days": st.integers(30, 120)},
    "language": {"own_language_required": st.booleans()},
    "preferences": {"general_to_choosers": st.booleans()},
    "hibernation": {
        "silent_days": st.integers(1, 120),
        "messages_unanswered": st.integers(1, 8),
        "exempt_messages_per_lapse": st.integers(0, 2),
    },
    "recent_purchase": {
        "minimum_days": st.integers(0, 30),
        "similar_days": st.integers(0, 30),
        "similar_exempt_playbooks": st.sampled_from([(), ("win_back",)]),
    },
    "not_for": {
        "pairs": st.sampled_from(
            [(), (Pair(playbook="win_back", segment=ANYBODY),), (Pair(playbook="vip", segment=ANYBODY),)]
        )
    },
    "stock": {"minimum_units": st.integers(1, 2), "known_required": st.booleans()},
    "frequency": {"messages": st.integers(1, 6), "window_days": st.integers(1, 30)},
    "pressure": {"look_ahead_hours": st.integers(0, 48)},
    "send_window": {"fallback_zone_allowed": st.booleans()},
}


@st.composite
def packs(draw: st.DrawFn) -> Pack:
    """A pack with any limits, in any order of rules, with free rules switched off or advisory at will."""
    said = []
    for setting in draw(st.permutations(base_pack().rules)):
        chosen = {name: draw(values) for name, values in LIMITS.get(setting.id, {}).items()}
        changes: dict[str, Any] = {"parameters": setting.parameters.model_copy(update=chosen)}
        if not RULES[setting.id].locked:
            changes["enabled"] = draw(st.booleans())
            changes["severity"] = draw(st.sampled_from(["serious", "advisory"]))
        said.append(setting.model_copy(update=changes))
    return base_pack().model_copy(update={"rules": tuple(said)})


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[MessageFacts], MessageTable]:
    """Messages of one step, with facts that differ and facts that are alike; some nobody looked up."""
    unknown: st.SearchStrategy[set[str]] = st.sets(st.sampled_from(sorted(FACTS)), max_size=2) | st.just(set())
    common = message(**draw(COMMON), **dict.fromkeys(draw(unknown)))
    varying = sorted(draw(st.sets(st.sampled_from(sorted(FACTS)))) - {n for n in FACTS if getattr(common, n) is None})
    alike = {name: draw(FACTS[name]) for name in FACTS if name not in varying and getattr(common, name) is not None}
    common = replace(common, **alike)
    size = draw(st.integers(0, 12))
    messages = [replace(common, **{name: draw(FACTS[name]) for name in varying}) for _ in range(size)]
    return messages, table(messages, common, varying)


def table(messages: Sequence[MessageFacts], common: MessageFacts, varying: Sequence[str]) -> MessageTable:
    return MessageTable(len(messages), common, {name: column([getattr(m, name) for m in messages]) for name in varying})


def column(values: Sequence[Any]) -> Column:
    if values and all(isinstance(one, bool | int) for one in values):
        return np.asarray(values)
    if values and all(isinstance(one, datetime) and one.tzinfo is UTC for one in values):
        return np.asarray([moment(one) for one in values])
    return Coded(np.arange(len(values), dtype=np.int32), values)


def alone(facts: MessageFacts, pack: Pack, besides: Sequence[str] = ()) -> tuple[str, int]:
    """The first rule against one message, and how strongly, by the form that judges each send."""
    against = [
        (one.rule, STRENGTH[one.verdict])
        for one in gate_message(facts, pack).findings
        if one.verdict is not Verdict.ALLOW and one.rule not in besides
    ]
    return against[0] if against else ("", 0)


def together(found: MessageTable, pack: Pack, besides: Sequence[str] = ()) -> list[tuple[str, int]]:
    sieve = sift_messages(found, pack, besides=besides)
    named = [sieve.rules[number] if number >= 0 else "" for number in sieve.first.tolist()]
    return list(zip(named, sieve.verdicts.tolist(), strict=True))


OF_THE_HOUR = {"approval", "deadline", "identity", "offer", "send_window", "switch"}


@given(world=worlds(), pack=packs(), besides=st.just(OF_THE_HOUR) | st.sets(st.sampled_from(sorted(RULES))))
@settings(max_examples=150, deadline=None)
def test_a_set_gets_the_verdicts_and_first_reasons_of_its_messages(
    world: tuple[list[MessageFacts], MessageTable], pack: Pack, besides: set[str]
) -> None:
    messages, found = world
    assert together(found, pack, sorted(besides)) == [alone(one, pack, sorted(besides)) for one in messages]


@pytest.mark.parametrize("rule_id", SET_RULES)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_each_set_form_alone_agrees_with_its_rule(rule_id: str, data: st.DataObject) -> None:
    messages, found = data.draw(worlds())
    others = [one for one in RULES if one != rule_id]
    pack = data.draw(packs())
    assert together(found, pack, others) == [alone(one, pack, others) for one in messages]


@pytest.mark.parametrize("rule_id", SET_RULES)
def test_set_forms_are_sure_of_themselves(rule_id: str) -> None:
    # A form that always broke down would agree with its rule too, by the way around it.
    rule = RULES[rule_id]
    assert rule.sift is not None
    one = message()
    said = rule.sift(MessageTable(1, one, {}), base_pack().setting(rule_id).parameters, base_pack().context)
    assert said.tolist() == [0]


@pytest.mark.parametrize("row", [row for row in MESSAGES if row.rule in SET_RULES], ids=lambda row: row.title)
def test_every_row_of_the_rules_holds_for_sets(row: Row) -> None:
    facts = message(**row.changes)
    rule = RULES[row.rule]
    assert rule.sift is not None
    varying = [name for name in FACTS if getattr(facts, name) is not None]
    found = table([facts, message()], facts, varying)
    said = rule.sift(found, base_pack().setting(row.rule).parameters, base_pack().context)
    assert said[0] == STRENGTH[row.verdict]


def test_a_rule_without_a_set_form_is_asked_about_those_who_passed_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    own = RULES["frequency"]

    def gate(facts: MessageFacts, limits: FrequencyLimits, context: Context) -> Any:
        asked.append(facts.sent_in_window)
        assert own.gate is not None
        return own.gate(facts, limits, context)

    monkeypatch.setitem(RULES, "frequency", Rule(id="frequency", parameters=FrequencyLimits, gate=gate, locked=True))
    pack = base_pack().model_copy(update={"name": "other"})
    common = message(approval=approval(policy_version=pack.version))
    columns: dict[str, Column] = {
        "sent_in_window": np.asarray([1, 2, 3]),
        "contact_erased": np.asarray([True, False, False]),
    }
    found = MessageTable(3, common, columns)
    assert together(found, pack) == [("suppression", 2), ("", 0), ("frequency", 1)]
    assert asked == [2, 3]


def test_a_set_form_that_breaks_down_lets_nobody_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def sift(*_: Any) -> Any:
        raise ZeroDivisionError

    broken = replace(RULES["consent"], sift=sift)
    monkeypatch.setitem(RULES, "consent", broken)
    pack = base_pack().model_copy(update={"name": "other"})
    states = Coded(np.asarray([0, 1], np.int32), ["granted", "withdrawn"])
    common = message(approval=approval(policy_version=pack.version))
    assert together(MessageTable(2, common, {"consent_state": states}), pack) == [("", 0), ("consent", 2)]
