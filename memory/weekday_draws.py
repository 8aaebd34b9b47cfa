"""Weekdays that were drawn for contacts, each with its probability: from these it is learnt what a weekday brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select

from memory.schema import enrolments, weekday_draws
from memory.store import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekdayDraw:
    """On which weekday, 0 for Monday, a contact was to come to a step."""

    enrolment_id: int
    step_key: str
    weekday: int
    own_weekday: int
    probability: float
    weekdays: tuple[int, ...]
    """Those that could have been drawn."""
    drawn_at: datetime


def keep(connection: Connection, rows: Sequence[WeekdayDraw]) -> None:
    """Write draws; one that is drawn anew, because its wait began anew, takes the place of the older."""
    changes = ["weekday", "own_weekday", "probability", "weekdays", "drawn_at"]
    upsert(connection, weekday_draws, [asdict(row) for row in rows], update=changes)


def of_campaign(connection: Connection, campaign_id: str) -> list[tuple[int, WeekdayDraw]]:
    """The draws of everybody who is not held out, with the contact, in order of entry."""
    query = (
        select(enrolments.c.contact_id, weekday_draws)
        .join(enrolments, enrolments.c.enrolment_id == weekday_draws.c.enrolment_id)
        .where(enrolments.c.campaign_id == campaign_id, enrolments.c.in_holdout.is_(False))
        .order_by(weekday_draws.c.enrolment_id, weekday_draws.c.step_key)
    )
    found = []
    for row in connection.execute(query).mappings():
        one = WeekdayDraw(**{name: row[name] for name in WeekdayDraw.__dataclass_fields__})
        found.append((int(row["contact_id"]), replace(one, weekdays=tuple(one.weekdays))))
    return found
