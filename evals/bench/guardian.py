"""Measures the rules that speak of a contact: as a set, one contact after the other, and in a general policy engine.

Run ``python -m evals.bench.guardian``. All three judge the same made-up facts under the base pack and must say the
same of every contact. The engine is Cedar, of the extra ``bench``; without it, its line is left out and said so.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from evals.bench import shop
from memory.errors import NoriaError
from memory.finding import Verdict
from policies.facts import ANY_TOPIC, NO_ADDRESS, NO_OFFER, NO_PRODUCT, ApprovalFacts, MessageFacts
from policies.guardian import sift_messages
from policies.pack import Pack
from policies.rules.consent import ConsentLimits
from policies.rules.data_age import DataAgeLimits
from policies.rules.hibernation import HibernationLimits
from policies.rules.preferences import PreferenceLimits
from policies.rules.recent_purchase import RecentPurchaseLimits
from policies.table import NEVER64, Coded, Column, MessageTable, moment
from tools.audience import NOT_COUNTED

_TOPIC = "news"
_DAY_MICROS = 24 * 3600 * 1_000_000
_BATCH = 5000


@dataclass(frozen=True)
class Measured:
    """Seconds to judge contacts in three ways."""

    contacts: int
    compared: int
    """How many of them the other two ways judged."""
    against: dict[str, int]
    """How many contacts each rule is the first to stand against."""
    together: float
    alone: float
    engine: float | None
    """None where Cedar is not installed."""


def measure(number: int, compared: int) -> Measured:
    """Judge ``number`` made-up contacts as a set, and the first ``compared`` of them in the other ways too.

    Raises NoriaError if the ways differ on any of those.
    """
    pack, facts = shop.base_pack(), contacts(number)
    begun = time.perf_counter()
    sieve = sift_messages(facts, pack, besides=NOT_COUNTED)
    together = time.perf_counter() - begun
    names = [*sieve.rules, ""]
    every = [names[first] for first in sieve.first.tolist()]
    found = every[:compared]
    alone = _timed("the loop", found, facts, lambda rows: _loop(rows, pack))
    try:
        ask = _cedar(pack, facts.common)
    except ModuleNotFoundError:
        engine = None
    else:
        engine = _timed("Cedar", found, facts, ask)
    return Measured(number, len(found), dict(Counter(one for one in every if one)), together, alone, engine)


def contacts(number: int, *, seed: int = 1) -> MessageTable:
    """Facts of so many contacts, a few of them in every trouble that a rule knows."""
    rng = np.random.default_rng(seed)

    def past(days: int, never: float) -> Any:
        at = moment(shop.MONDAY) - rng.integers(1, days * _DAY_MICROS, number).astype("timedelta64[us]")
        return np.where(rng.random(number) < never, NEVER64, at)

    def coded(values: Sequence[Any], shares: Sequence[float]) -> Coded:
        return Coded(rng.choice(len(values), number, p=shares).astype(np.int32), values)

    sent = rng.choice(5, number, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    columns: dict[str, Column] = {
        "contact_erased": rng.random(number) < 0.01,
        "suppressed_reason": coded(["", "unsubscribed", NO_ADDRESS], [0.95, 0.03, 0.02]),
        "consent_state": coded(["granted", "withdrawn", ""], [0.9, 0.04, 0.06]),
        "consent_has_proof": rng.random(number) < 0.97,
        "last_heard_at": past(1300, 0.0),
        "topics_wanted": coded([ANY_TOPIC, (_TOPIC, "offers"), ("offers",), ()], [0.9, 0.05, 0.04, 0.01]),
        "paused_until": np.where(rng.random(number) < 0.02, moment(shop.MONDAY + timedelta(days=3)), NEVER64),
        "at_most_days": rng.choice([0, 7, 30], number, p=[0.9, 0.05, 0.05]),
        "last_sent_at": past(60, 0.2),
        "sent_in_window": sent,
        "room_left": np.maximum(3 - sent, 0),
        "tracking_known": rng.random(number) < 0.9,
        "last_human_signal_at": past(300, 0.05),
        "sent_since_signal": rng.integers(0, 12, number),
        "exempt_sent_in_lapse": rng.integers(0, 3, number),
        "last_purchase_at": past(200, 0.4),
        "in_programme_holdout": rng.random(number) < 0.02,
        "bindings_missing": coded([(), ("product.name",)], [0.98, 0.02]),
    }
    common = MessageFacts(
        now=shop.MONDAY,
        channel="email",
        purpose="marketing",
        approval=ApprovalFacts(),
        topic=_TOPIC,
        product_stock_units=NO_PRODUCT,
        rivals=(),
        recent_purchase_days=14,
        in_holdout=False,
        offer=NO_OFFER,
    )
    return MessageTable(number, common, columns)


def _timed(
    way: str, found: Sequence[str], facts: MessageTable, judge: Callable[[Sequence[MessageFacts]], Sequence[str]]
) -> float:
    """Seconds that a way takes, without laying the facts out for it. Raises NoriaError where it differs."""
    took = 0.0
    for start in range(0, len(found), _BATCH):
        rows = [facts.row(number) for number in range(start, min(start + _BATCH, len(found)))]
        begun = time.perf_counter()
        said = judge(rows)
        took += time.perf_counter() - begun
        for number, (one, other) in enumerate(zip(found[start : start + _BATCH], said, strict=True), start=start):
            if one != other:
                raise NoriaError(f"On contact {number}, the set says “{one}” and {way} says “{other}”.")
    return took


def _loop(rows: Sequence[MessageFacts], pack: Pack) -> list[str]:
    """Each contact asked about alone, until a rule stands against it."""
    gates = [(gate, limits, setting.id) for gate, limits, setting in pack.gates if setting.id not in NOT_COUNTED]
    found = []
    for facts in rows:
        for gate, limits, rule in gates:
            ruling = gate(facts, limits, pack.context)
            if ruling is not None and ruling.verdict is not Verdict.ALLOW:
                found.append(rule)
                break
        else:
            found.append("")
    return found


def _cedar(pack: Pack, common: MessageFacts) -> Callable[[Sequence[MessageFacts]], Sequence[str]]:
    """The same rules as policies of Cedar, asked in batches; what is alike for all is written into their text."""
    from cedarpy import PolicySet, is_authorized_batch

    policies = PolicySet.from_str(_policies(pack, common))
    order = {setting.id: number for number, (_, _, setting) in enumerate(pack.gates)}
    asked = {"principal": 'Sender::"noria"', "action": 'Action::"send"', "resource": 'Message::"one"'}

    def ask(rows: Sequence[MessageFacts]) -> list[str]:
        results = is_authorized_batch([{**asked, "context": _context(one)} for one in rows], policies, [])
        against = [one.diagnostics.id_annotations_by_reason.values() if not one.allowed else () for one in results]
        return [min(rules, key=order.__getitem__, default="") for rules in against]

    return ask


def _context(facts: MessageFacts) -> dict[str, Any]:
    def micros(name: str) -> int:
        return int(moment(getattr(facts, name)).astype(np.int64))

    return {
        "contact_erased": facts.contact_erased,
        "suppressed_reason": facts.suppressed_reason,
        "consent_state": facts.consent_state,
        "consent_has_proof": facts.consent_has_proof,
        "last_heard_at": micros("last_heard_at"),
        "topics_wanted": list(facts.topics_wanted or ()),
        "paused_until": micros("paused_until"),
        "at_most_days": facts.at_most_days,
        "last_sent_at": micros("last_sent_at"),
        "sent_in_window": facts.sent_in_window,
        "tracking_known": facts.tracking_known,
        "last_human_signal_at": micros("last_human_signal_at"),
        "sent_since_signal": facts.sent_since_signal,
        "last_purchase_at": micros("last_purchase_at"),
        "held_out": bool(facts.in_holdout or facts.in_programme_holdout),
        "bindings_missing": list(facts.bindings_missing or ()),
    }


def _policies(pack: Pack, common: MessageFacts) -> str:
    now, never = int(moment(common.now).astype(np.int64)), int(NEVER64.astype(np.int64))
    silent = pack.limits("hibernation", HibernationLimits)
    bought = pack.limits("recent_purchase", RecentPurchaseLimits).minimum_days
    days = max(common.recent_purchase_days or 0, bought)
    oldest = pack.limits("data_age", DataAgeLimits).maximum_days
    general = pack.limits("preferences", PreferenceLimits).general_to_choosers and not common.topic
    proof = pack.limits("consent", ConsentLimits).proof_required
    conditions = {
        "suppression": 'context.contact_erased || context.suppressed_reason != ""',
        "consent": f'context.consent_state != "granted" || ({_word(proof)} && !context.consent_has_proof)',
        "preferences": (
            f'(context.topics_wanted != ["*"] && !context.topics_wanted.contains("{common.topic}")'
            f" && !{_word(general)})"
            f" || {now} < context.paused_until || (context.last_sent_at != {never}"
            f" && {now} < context.last_sent_at + context.at_most_days * {_DAY_MICROS})"
        ),
        "data_age": f"{now} - context.last_heard_at > {oldest * _DAY_MICROS}",
        "hibernation": (
            f"context.tracking_known && context.sent_since_signal >= {silent.messages_unanswered}"
            f" && (context.last_human_signal_at == {never}"
            f" || {now} - context.last_human_signal_at >= {silent.silent_days * _DAY_MICROS})"
        ),
        "recent_purchase": (
            f"{days} > 0 && context.last_purchase_at != {never}"
            f" && {now} - context.last_purchase_at < {days * _DAY_MICROS}"
        ),
        "frequency": f"context.sent_in_window >= {pack.cap.messages}",
        "holdout": "context.held_out",
        "bindings": "context.bindings_missing != []",
    }
    forbidden = (
        f'@id("{rule}") forbid(principal, action, resource) when {{ {condition} }};'
        for rule, condition in conditions.items()
    )
    return "\n".join(["permit(principal, action, resource);", *forbidden])


def _word(value: bool) -> str:
    return "true" if value else "false"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description="Measure the contact rules as a set, in a loop and in Cedar.")
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--compared", type=int, default=20_000, help="so many of them are judged in the other ways too")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    found = measure(chosen.contacts, chosen.compared)
    if chosen.json:
        json.dump(asdict(found), sys.stdout, indent=2)
        return 0
    stopped = sum(found.against.values())
    table = Table(title=f"{found.contacts:,} contacts under the contact rules of the base pack, {stopped:,} stopped")
    for heading in ("way", "contacts", "seconds", "contacts a second", "the set is times as fast"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    ways = (
        ("set form", found.contacts, found.together),
        ("one contact after the other", found.compared, found.alone),
        ("Cedar", found.compared, found.engine),
    )
    for way, contacts_judged, seconds in ways:
        if seconds is not None:
            each = seconds / contacts_judged
            times = each / (found.together / found.contacts)
            table.add_row(way, f"{contacts_judged:,}", f"{seconds:.3f}", f"{1 / each:,.0f}", f"{times:,.0f}")
    console = Console()
    console.print(table)
    if found.engine is None:
        console.print("Cedar is not installed: the extra `bench` adds its line.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
