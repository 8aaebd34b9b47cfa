"""Hours and weekdays drawn for contacts, each with its probability: from these it is learnt what they bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from memory.assignment import TimeKind
from memory.schema import enrolments, time_draws
from memory.store import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeDraw:
    """At which hour of their day, or on which weekday (0 for Monday), a contact was to come to a step."""

    enrolment_id: int
    step_key: str
    kind: TimeKind
    drawn: int
    own: int
    probability: float
    possible: tuple[int, ...]
    """Those that could have been drawn."""
    drawn_at: datetime


def keep(connection: Connection, rows: Sequence[TimeDraw]) -> None:
    """Write draws; one that is drawn anew, because its wait began anew, takes the place of the older."""
    changes = ["drawn", "own", "probability", "possible", "drawn_at"]
    upsert(connection, time_draws, [asdict(row) for row in rows], update=changes)


def of_campaign(connection: Connection, campaign_id: str, kind: TimeKind) -> list[tuple[int, TimeDraw]]:
    """The draws of everybody who is not held out, with the contact, in order of entry."""
    query = (
        select(enrolments.c.contact_id, time_draws)
        .join(enrolments, enrolments.c.enrolment_id == time_draws.c.enrolment_id)
        .where(enrolments.c.campaign_id == campaign_id, enrolments.c.in_holdout.is_(False), time_draws.c.kind == kind)
        .order_by(time_draws.c.enrolment_id, time_draws.c.step_key)
    )
    return [
        (
            row.contact_id,
            TimeDraw(
                enrolment_id=row.enrolment_id,
                step_key=row.step_key,
                kind=row.kind,
                drawn=row.drawn,
                own=row.own,
                probability=row.probability,
                possible=tuple(row.possible),
                drawn_at=row.drawn_at,
            ),
        )
        for row in connection.execute(query)
    ]
