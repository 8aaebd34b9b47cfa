"""What is true in the world of a case, worked out in plain Python from its people, without the product's queries.

It says who shows which playbook's signal, who of them may be written to, and how many would order anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import floor
from statistics import median

from evals.people import Person

_DAY = timedelta(days=1)
CAP_MESSAGES, CAP_DAYS = 3, 7
_SILENT_DAYS, _UNANSWERED = 90, 5


@dataclass(frozen=True)
class Rhythm:
    """How somebody ordered before a moment."""

    orders: int
    first_days: int
    recency_days: int
    interval_days: float | None
    """Median days between days with an order; None with fewer than two intervals."""


@dataclass(frozen=True)
class Facts:
    """What is true of one playbook."""

    members: frozenset[int]
    """Contacts who show its signal."""
    reachable: frozenset[int]
    base_contacts: int
    """Contacts who showed it one goal window earlier."""
    base_reached: int
    """How many of those ordered since."""


def truth_of(
    playbook: str,
    people: Mapping[int, Person],
    now: datetime,
    *,
    window_days: int,
    recent_purchase_days: int,
    exempt: bool,
    set_aside: Collection[int] = (),
) -> Facts:
    """The truth about one playbook; ``set_aside`` are the contacts outside all marketing."""
    members = members_of(playbook, people, now)
    since = now - timedelta(days=window_days)
    before = callers_of(playbook, people, since)
    if not before:
        before = frozenset(one for one, person in people.items() if any(order.at < since for order in person.orders))
    reached = [one for one in before if any(since <= order.at < now for order in people[one].orders)]
    allowed = [
        one
        for one in members
        if one not in set_aside and may_be_written_to(people[one], now, recent_purchase_days, exempt=exempt)
    ]
    return Facts(members, frozenset(allowed), len(before), len(reached))


def may_be_written_to(person: Person, now: datetime, recent_purchase_days: int, *, exempt: bool) -> bool:
    """Consent with proof, no suppression, room under the cap, awake (or exempt), and no purchase just made."""
    group = person.group
    if group.consent != "granted" or not group.proof or group.suppressed or group.sends_last_7_days >= CAP_MESSAGES:
        return False
    if hibernates(person, now) and not exempt:
        return False
    if not recent_purchase_days or not person.orders:
        return True
    return (now.date() - person.orders[-1].at.date()).days > recent_purchase_days


def hibernates(person: Person, now: datetime) -> bool:
    """No sign of life for 90 days and five messages since; never where nothing tracks."""
    group = person.group
    if not group.tracked or group.messages_unanswered < _UNANSWERED:
        return False
    if group.last_signal_days is not None:
        return group.last_signal_days >= _SILENT_DAYS
    last = person.last_signal_at
    return last is not None and (now - last) / _DAY >= _SILENT_DAYS


def members_of(playbook: str, people: Mapping[int, Person], at: datetime) -> frozenset[int]:
    """Who shows a playbook's signal at a moment."""
    rhythms = {one: rhythm for one, person in people.items() if (rhythm := rhythm_of(person, at)) is not None}
    found: Callable[[int], bool] = {
        "win_back": lambda one: _is_late(rhythms[one], rhythms.values()),
        "replenishment": lambda one: _comes_due(people[one], at, within_days=90),
        "vip_thank_you": _champions(people, rhythms, at),
        "cross_sell": lambda one: (
            bool(people[one].group.next_category)
            and rhythms[one].orders >= 3
            and _stage(rhythms[one], rhythms.values()) == "active"
        ),
        "newsletter": lambda one: people[one].group.consent == "granted",
        "post_purchase": lambda one: any(at - 90 * _DAY <= order.at < at for order in people[one].orders),
        # The worlds hold orders and no other events.
    }.get(playbook, lambda one: False)
    # Who never ordered may still have agreed to hear from the shop.
    return frozenset(one for one in (people if playbook == "newsletter" else rhythms) if found(one))


def callers_of(playbook: str, people: Mapping[int, Person], at: datetime) -> frozenset[int]:
    """Whom a playbook would name on one day: who shows its signal, or, where it waits for a date, whose day it is."""
    if playbook != "replenishment":
        return members_of(playbook, people, at)
    return frozenset(one for one, person in people.items() if _comes_due(person, at, within_days=1))


def rhythm_of(person: Person, at: datetime) -> Rhythm | None:
    """How somebody ordered before a moment; None before the first order."""
    moments = [order.at for order in person.orders if order.at < at]
    if not moments:
        return None
    days = sorted({moment.date() for moment in moments})
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    return Rhythm(
        orders=len(moments),
        first_days=floor((at - moments[0]) / _DAY),
        recency_days=floor((at - moments[-1]) / _DAY),
        interval_days=float(median(gaps)) if len(gaps) >= 2 else None,
    )


def due_in_days(person: Person, at: datetime) -> tuple[int, str, int] | None:
    """Days until the category that is due nearest to now, that category, and its interval; None where nothing is."""
    due = []
    for category in {order.category for order in person.orders}:
        days = sorted({order.at.date() for order in person.orders if order.category == category and order.at < at})
        if len(days) < 3:
            continue
        interval = floor(median((later - earlier).days for earlier, later in pairwise(days)))
        since = (at.date() - days[-1]).days
        if interval >= 7 and since <= 2 * interval:
            due.append((abs(interval - since), -len(days), category, interval - since, interval))
    if not due:
        return None
    _, _, category, left, interval = min(due)
    return left, category, interval


def _is_late(rhythm: Rhythm, everybody: Iterable[Rhythm]) -> bool:
    return (
        rhythm.orders >= 3
        and rhythm.interval_days is not None
        and rhythm.recency_days - rhythm.interval_days >= 14
        and _stage(rhythm, everybody) in ("slowing", "lapsed")
    )


def _comes_due(person: Person, at: datetime, *, within_days: int) -> bool:
    """Whether the day five days before it is due comes within so many days, or came in the last two."""
    found = due_in_days(person, at)
    return found is not None and -2 <= found[0] - 5 < within_days and found[2] >= 14


def _stage(rhythm: Rhythm, everybody: Iterable[Rhythm]) -> str:
    if rhythm.first_days <= 60:
        return "new"
    known = [one.interval_days for one in everybody if one.interval_days is not None]
    usual = rhythm.interval_days if rhythm.interval_days is not None else (median(known) if known else 30.0)
    intervals = rhythm.recency_days / max(usual, 7.0)
    for name, most in (("active", 1.5), ("slowing", 3.0), ("lapsed", 6.0)):
        if intervals <= most:
            return name
    return "lost"


def _champions(people: Mapping[int, Person], rhythms: Mapping[int, Rhythm], at: datetime) -> Callable[[int], bool]:
    """The best fifths by recency, frequency and spend; a fifth is where the middle of all equals stands."""
    spend = {one: sum(order.cents for order in people[one].orders if order.at < at) for one in rhythms}
    recency = _fifths({one: -rhythm.recency_days for one, rhythm in rhythms.items()})
    frequency = _fifths({one: rhythm.orders for one, rhythm in rhythms.items()})
    monetary = _fifths(spend)

    def best(one: int) -> bool:
        weight = (frequency[one] + monetary[one] + 1) // 2
        least = {5: 4, 4: 5}.get(recency[one], 6)
        return weight >= least and rhythms[one].orders >= 5

    return best


def _fifths(values: Mapping[int, int]) -> dict[int, int]:
    ordered = sorted(values.values())
    found = {}
    for one, value in values.items():
        lower = sum(1 for other in ordered if other < value)
        same = sum(1 for other in ordered if other == value)
        found[one] = 1 + floor(5 * (lower + same / 2) / len(ordered))
    return found
