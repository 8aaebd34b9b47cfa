"""The favourite hour and weekday: when a contact is active in their own time, drawn towards everybody's habits.

With n(h) actions of the contact and c(h) of everybody in local hour h, C of everybody in all: the hour of the highest
n(h) + PRIOR_ACTIONS * c(h) / C, the earliest of equals. So with few actions the population speaks, with many the
contact. Compared as integers, n(h) * C + PRIOR_ACTIONS * c(h). (Posterior mode under a Dirichlet prior worth
PRIOR_ACTIONS actions.) Actions are orders, clicks and visits of the last 365 days. An order at midnight sharp, in UTC
or in the fallback zone, is a date without a time of day: it tells no hour, and of weekdays that of its date.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import ibis  # type: ignore[import-untyped]  # it ships no types
import pyarrow as pa

from memory.engine import Engine
from memory.events import CLICK, VISITS
from memory.features.categories import first
from memory.features.feature import DAY_MICROS, HOUR_MICROS, Column, Table
from memory.features.history import History

PRIOR_ACTIONS = 10
HISTORY_DAYS = 365
_OFFSETS = pa.schema([("zone", pa.string()), ("day", pa.int64()), ("offset", pa.int64())])


def favourite_hours(history: History) -> Table:
    """One row for every contact, as soon as anybody was active; write_offsets comes before it."""
    return _favourites(
        history,
        "hour",
        lambda local: (local.local_at % DAY_MICROS // HOUR_MICROS).cast("int64"),
        timed=True,
    )


def favourite_weekdays(history: History) -> Table:
    """One row for every contact, as soon as anybody was active, Monday as 0; write_offsets comes before it."""
    # Day 0 of the epoch was a Thursday.
    return _favourites(
        history,
        "weekday",
        lambda local: ((local.dated.coalesce(local.local_at // DAY_MICROS) + 3) % 7).cast("int64"),
        timed=False,
    )


def _favourites(history: History, unit: str, told: Callable[[Table], Column], *, timed: bool) -> Table:
    """The unit of time in which each contact is most active; ``timed`` leaves out what has a date alone."""
    opens = history.period.ago(HISTORY_DAYS)
    orders = _dated(
        history.orders.filter(history.orders.bought & (history.orders.at >= opens)).select("contact_id", "at"),
        history.engine.table("fallback_offsets"),
    )
    if timed:
        orders = orders.filter(orders.dated.isnull())
    events = history.events.filter(history.events.kind.isin((CLICK, *VISITS)) & (history.events.at >= opens))
    events = events.select("contact_id", "at", dated=ibis.null("int64"))
    actions = ibis.union(orders, events, distinct=False)
    actions = actions.mutate(day=(actions.at // DAY_MICROS).cast("int64"))
    zoned = actions.inner_join(history.contacts, "contact_id").select(
        actions.contact_id, actions.at, actions.day, actions.dated, zone=history.contacts.time_zone
    )
    offsets = history.engine.table("zone_offsets")
    local = zoned.inner_join(offsets, [zoned.zone == offsets.zone, zoned.day == offsets.day]).select(
        zoned.contact_id, zoned.dated, local_at=zoned.at + offsets.offset
    )
    local = local.select("contact_id", place=told(local))
    own = local.group_by("contact_id", "place").aggregate(own=local.count())
    own = history.write_out(f"active_{unit}s", own)
    everybody = own.group_by("place").aggregate(all=own.own.sum())
    total = everybody["all"].sum().as_scalar()
    usual = everybody.order_by(everybody["all"].desc(), everybody.place).limit(1)
    # Where a contact was never active only what is usual can win.
    silent = history.contacts.cross_join(usual).select("contact_id", "place", own=ibis.literal(0, "int64"))
    candidates = ibis.union(own, silent, distinct=False)
    scored = candidates.inner_join(everybody, "place").select(
        candidates.contact_id,
        candidates.place,
        score=candidates.own * total + PRIOR_ACTIONS * everybody["all"],
    )
    best = first(scored, [scored.score.desc(), scored.place])
    return best.select("contact_id", **{f"favourite_{unit}": best.place})


def _dated(orders: Table, offsets: Table) -> Table:
    """Orders with the day of their date, where they come without a time of day; else that is missing."""
    orders = orders.mutate(day=(orders.at // DAY_MICROS).cast("int64"))
    joined = orders.left_join(offsets, orders.day == offsets.day)
    local = joined.at + joined.offset.fill_null(0)
    dated = ibis.cases(
        (joined.at % DAY_MICROS == 0, joined.at // DAY_MICROS),
        (local % DAY_MICROS == 0, local // DAY_MICROS),
    )
    return joined.select("contact_id", "at", dated=dated.cast("int64"))


def write_offsets(engine: Engine, as_of: int, fallback_zone: str) -> None:
    """What to add to UTC, per zone and day: as it stands at noon, so the hours around a clock change may be one off.

    ``as_of`` in microseconds. Contacts of an unknown zone count as those of the fallback zone.
    """
    found = engine.con.sql("SELECT DISTINCT time_zone FROM contacts ORDER BY time_zone").fetchall()
    last = as_of // DAY_MICROS
    for name, zones in (("fallback_offsets", [fallback_zone]), ("zone_offsets", [row[0] for row in found])):
        tables = [_offsets(zone, fallback_zone, last) for zone in zones]
        engine.create_table(name, pa.concat_tables([_OFFSETS.empty_table(), *tables]), temp=True)


@lru_cache(maxsize=512)
def _offsets(key: str, fallback_zone: str, last: int) -> pa.Table:
    zone = _zone(key) or _zone(fallback_zone) or ZoneInfo("UTC")
    days = range(last - HISTORY_DAYS - 1, last + 1)
    noons = [datetime(1970, 1, 1, 12, tzinfo=UTC) + timedelta(days=day) for day in days]
    offsets = [(noon.astimezone(zone).utcoffset() or timedelta(0)) // timedelta(microseconds=1) for noon in noons]
    return pa.table({"zone": [key] * len(days), "day": days, "offset": offsets}, schema=_OFFSETS)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
