"""The pace of a channel: so many messages a second, in all and to each receiving domain, and more each day at first.

What a channel may take is counted in the store, in the transaction that claims, so that any number of workers keep it
together. Whoever must wait is given a moment, in the order in which they came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from math import floor
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, select

from memory.ledger import Message
from memory.schema import EPOCH
from memory.schema import pace as rows
from memory.store import upsert

HELD: Final = "pace"
"""Reason of a message that waits for its turn."""
ANY: Final = "*"
"""Stands for every domain that is not named."""
BURST: Final = timedelta(seconds=10)
"""Limits hold on average over this long, so that a worker that looks now and then still gets through them."""
_ALL, _DAY = "", "day"


@dataclass(frozen=True, kw_only=True)
class WarmUp:
    """How many messages a day a new sender may send, growing until it is known well enough."""

    starts_on: date
    first_day: int
    factor: float
    """By how much each day's number is that of the day before."""
    full: int
    """From so many a day on there is no limit any more."""

    def limit_on(self, day: date) -> int | None:
        """Messages on a day (UTC); None once it is over."""
        days = max((day - self.starts_on).days, 0)
        # In steps, because a power of a large number of days would overflow.
        found = float(self.first_day)
        for _ in range(days):
            found *= self.factor
            if found >= self.full:
                return None
        return floor(found)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The limits of one channel; what is not set does not limit."""

    per_second: float | None = None
    domains: Mapping[str, float] = field(default_factory=dict)
    """Messages a second by receiving domain; ``*`` for those that are not named."""
    warm_up: WarmUp | None = None

    def rate_to(self, domain: str) -> float | None:
        """Messages a second to a receiving domain; None for any number."""
        return self.domains.get(domain, self.domains.get(ANY)) if domain else None


@dataclass
class _Meter:
    """One limit: when what was taken is used up, and until when turns were given out."""

    taken_until: datetime
    turns_until: datetime
    used: int


def wait_for(
    connection: Connection,
    pace: Pace,
    channel: str,
    wanted: Sequence[tuple[Message, str]],
    at: datetime,
    rooms: Mapping[int, tuple[str, int]] = MappingProxyType({}),
) -> dict[int, datetime]:
    """Which messages (each with its receiving domain) must wait, and until when; the others are counted as sent now.

    ``rooms`` are further limits of single messages: a name that messages share, and how many of them a day.
    """
    rates = {scope: rate for _, domain in wanted for scope, rate in _scopes(pace, domain)}
    day = at.astimezone(UTC).date()
    most = pace.warm_up.limit_on(day) if pace.warm_up else None
    everybody = [] if most is None else [(_DAY, most)]
    days = {
        message.message_id: [*everybody, *([rooms[message.message_id]] if message.message_id in rooms else [])]
        for message, _ in wanted
    }
    daily = {scope for its in days.values() for scope, _ in its}
    if not (rates or daily):
        return {}
    meters = _lock(connection, channel, sorted({*rates, *daily}))
    midnight = datetime.combine(day, time(), UTC)
    for today in (meters[scope] for scope in daily):
        if today.taken_until != midnight:
            today.taken_until, today.used = midnight, 0
    waiting: dict[int, datetime] = {}
    for message, domain in wanted:
        mine = [(meters[scope], timedelta(seconds=1 / rate)) for scope, rate in _scopes(pace, domain)]
        turns = [
            _next_turn(meter, each, at)
            for meter, each in mine
            if not _has_room(meter, each, at, queued=message.reason == HELD)
        ]
        if any(meters[scope].used >= limit for scope, limit in days[message.message_id]):
            turns.append(midnight + timedelta(days=1))
        if turns:
            waiting[message.message_id] = max(turns)
            continue
        for meter, each in mine:
            meter.taken_until = max(meter.taken_until, at) + each
        for scope, _ in days[message.message_id]:
            meters[scope].used += 1
    _keep(connection, channel, meters)
    return waiting


def _scopes(pace: Pace, domain: str) -> list[tuple[str, float]]:
    found = [(_ALL, pace.per_second), (f"@{domain}", pace.rate_to(domain))]
    return [(scope, rate) for scope, rate in found if rate is not None]


def _has_room(meter: _Meter, each: timedelta, at: datetime, *, queued: bool) -> bool:
    if meter.turns_until > at and not queued:
        return False  # Others wait already, and it has no turn yet.
    return max(meter.taken_until, at) + each <= at + max(BURST, each)


def _next_turn(meter: _Meter, each: timedelta, at: datetime) -> datetime:
    free_at = meter.taken_until + each - max(BURST, each)
    meter.turns_until = max(meter.turns_until + each, free_at, at)
    return meter.turns_until


def _lock(connection: Connection, channel: str, scopes: Sequence[str]) -> dict[str, _Meter]:
    fresh = {"channel": channel, "taken_until": EPOCH, "turns_until": EPOCH, "used": 0}
    upsert(connection, rows, [{**fresh, "scope": scope} for scope in scopes])
    query = (
        select(rows).where(rows.c.channel == channel, rows.c.scope.in_(scopes)).order_by(rows.c.scope).with_for_update()
    )
    return {row.scope: _Meter(row.taken_until, row.turns_until, row.used) for row in connection.execute(query)}


def _keep(connection: Connection, channel: str, meters: Mapping[str, _Meter]) -> None:
    found: list[dict[str, Any]] = [
        {
            "channel": channel,
            "scope": scope,
            "taken_until": meter.taken_until,
            "turns_until": meter.turns_until,
            "used": meter.used,
        }
        for scope, meter in sorted(meters.items())
    ]
    upsert(connection, rows, found, update=["taken_until", "turns_until", "used"])
