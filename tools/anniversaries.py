"""Dates that a trigger waits for: whose day has come, in their own time zone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, select

from memory.schema import contacts
from memory.trigger import DateTrigger
from tools.gather import zone_of

if TYPE_CHECKING:
    from memory.features.table import Features

GRACE: Final = timedelta(days=2)
"""So long after its day a date still counts: a worker that was off over a weekend misses nobody."""
_CHUNK = 1000


def due_today(
    connection: Connection,
    trigger: DateTrigger,
    contact_ids: Sequence[int],
    features: Features,
    *,
    at: datetime,
    fallback_zone: str,
) -> list[int]:
    """Those of some contacts for whom the trigger's day, counted from their date, is today or was just before."""
    offset = timedelta(days=trigger.offset_days)
    if trigger.attribute is None:
        rows = features.rows(contact_ids, [trigger.feature])
        return sorted(
            contact_id for contact_id, row in rows.items() if _is_due(_until(row[trigger.feature], at), offset)
        )
    return sorted(
        contact_id
        for contact_id, text, zone in _attributes(connection, trigger.attribute, contact_ids)
        if (day := _day(text)) is not None
        and _is_due(_days_until(day, at.astimezone(zone_of(zone, fallback_zone)[0]).date(), offset, trigger), offset)
    )


def coming_up(
    connection: Connection, trigger: DateTrigger, contact_ids: Sequence[int], features: Features, *, at: datetime
) -> list[int]:
    """Those of some contacts whose day comes while the campaign runs."""
    offset, runs = timedelta(days=trigger.offset_days), timedelta(days=trigger.runs_days)
    if trigger.attribute is None:
        rows = features.rows(contact_ids, [trigger.feature])
        waits = {contact_id: _until(row[trigger.feature], at) for contact_id, row in rows.items()}
    else:
        waits = {
            contact_id: _days_until(day, at.date(), offset, trigger, ahead=True)
            for contact_id, text, _ in _attributes(connection, trigger.attribute, contact_ids)
            if (day := _day(text)) is not None
        }
    return sorted(
        contact_id for contact_id, wait in waits.items() if wait is not None and -GRACE <= wait + offset < runs
    )


def _is_due(until: timedelta | None, offset: timedelta) -> bool:
    """Whether the moment that lies ``offset`` from the date has come, and not long ago."""
    return until is not None and -GRACE <= until + offset < timedelta(days=1)


def _until(value: object, at: datetime) -> timedelta | None:
    if isinstance(value, datetime):
        return value - at
    return timedelta(days=float(value)) if isinstance(value, int | float) else None


def _days_until(day: date, today: date, offset: timedelta, trigger: DateTrigger, *, ahead: bool = False) -> timedelta:
    if not trigger.yearly:
        return day - today
    # The year whose day, moved by the offset, lies nearest to today, or is the next to come.
    days = [_in_year(day, year) - today for year in range(today.year - 1, today.year + 3)]
    if ahead:
        return min(one for one in days if one + offset >= -GRACE)
    return min(days, key=lambda one: abs(one + offset))


def _in_year(day: date, year: int) -> date:
    try:
        return day.replace(year=year)
    except ValueError:
        # Born on 29 February: celebrated on the last day of the month.
        return date(year, 2, 28)


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None


def _attributes(connection: Connection, name: str, contact_ids: Sequence[int]) -> Iterator[tuple[int, object, str]]:
    for start in range(0, len(contact_ids), _CHUNK):
        query = select(contacts.c.contact_id, contacts.c.attributes, contacts.c.time_zone).where(
            contacts.c.contact_id.in_(contact_ids[start : start + _CHUNK])
        )
        for row in connection.execute(query):
            if row.attributes.get(name):
                yield row.contact_id, row.attributes[name], row.time_zone
