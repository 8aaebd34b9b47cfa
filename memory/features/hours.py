"""The favourite hour: when a contact is active in their own day, drawn towards everybody's habits.

With n(h) actions of the contact and c(h) of everybody in local hour h, C of everybody in all: the hour of the highest
n(h) + PRIOR_ACTIONS * c(h) / C, the earliest of equals. So with few actions the population speaks, with many the
contact. Compared as integers, n(h) * C + PRIOR_ACTIONS * c(h). (Posterior mode under a Dirichlet prior worth
PRIOR_ACTIONS actions.) Actions are orders, clicks and visits of the last 365 days. An order at midnight sharp, in UTC
or in the fallback zone, is a date without a time of day, and tells no hour.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import ibis  # type: ignore[import-untyped]  # it ships no types
import pyarrow as pa

from memory.engine import Engine
from memory.events import CLICK, VISITS
from memory.features.categories import first
from memory.features.feature import DAY_MICROS, HOUR_MICROS, Table
from memory.features.history import History

PRIOR_ACTIONS = 10
HISTORY_DAYS = 365
_OFFSETS = pa.schema([("zone", pa.string()), ("day", pa.int64()), ("offset", pa.int64())])


def favourite_hours(history: History) -> Table:
    """One row for every contact, as soon as anybody was active; write_offsets comes before it."""
    opens = history.period.ago(HISTORY_DAYS)
    orders = history.orders.filter(history.orders.bought & (history.orders.at >= opens)).select("contact_id", "at")
    orders = _timed(orders, history.engine.table("fallback_offsets"))
    events = history.events.filter(history.events.kind.isin((CLICK, *VISITS)) & (history.events.at >= opens))
    actions = ibis.union(orders, events.select("contact_id", "at"), distinct=False)
    actions = actions.mutate(day=(actions.at // DAY_MICROS).cast("int64"))
    zoned = actions.inner_join(history.contacts, "contact_id").select(
        actions.contact_id, actions.at, actions.day, zone=history.contacts.time_zone
    )
    offsets = history.engine.table("zone_offsets")
    local = zoned.inner_join(offsets, [zoned.zone == offsets.zone, zoned.day == offsets.day]).select(
        zoned.contact_id, hour=((zoned.at + offsets.offset) % DAY_MICROS // HOUR_MICROS).cast("int64")
    )
    own = local.group_by("contact_id", "hour").aggregate(own=local.count())
    own = history.write_out("active_hours", own)
    everybody = own.group_by("hour").aggregate(all=own.own.sum())
    total = everybody["all"].sum().as_scalar()
    usual = everybody.order_by(everybody["all"].desc(), everybody.hour).limit(1)
    # Where a contact was never active only everybody's usual hour can win.
    silent = history.contacts.cross_join(usual).select("contact_id", "hour", own=ibis.literal(0, "int64"))
    candidates = ibis.union(own, silent, distinct=False)
    scored = candidates.inner_join(everybody, "hour").select(
        candidates.contact_id,
        candidates.hour,
        score=candidates.own * total + PRIOR_ACTIONS * everybody["all"],
    )
    best = first(scored, [scored.score.desc(), scored.hour])
    return best.select("contact_id", favourite_hour=best.hour)


def _timed(orders: Table, offsets: Table) -> Table:
    """Orders that come with a time of day."""
    orders = orders.mutate(day=(orders.at // DAY_MICROS).cast("int64"))
    joined = orders.left_join(offsets, orders.day == offsets.day)
    local = (joined.at + joined.offset.fill_null(0)) % DAY_MICROS
    return joined.filter((joined.at % DAY_MICROS != 0) & (local != 0)).select("contact_id", "at")


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
