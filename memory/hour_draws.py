"""Hours that were drawn for contacts, with the probability of each: from these it is learnt what an hour brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from memory.schema import enrolments, hour_draws
from memory.store import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class HourDraw:
    """At which hour of their day a contact was to come to a step."""

    enrolment_id: int
    step_key: str
    hour: int
    own_hour: int
    probability: float
    from_hour: int
    until_hour: int
    """Hours from the first up to, not with, the last could have been drawn."""
    drawn_at: datetime


def keep(connection: Connection, rows: Sequence[HourDraw]) -> None:
    """Write draws; one that is drawn anew, because its wait began anew, takes the place of the older."""
    changes = ["hour", "own_hour", "probability", "from_hour", "until_hour", "drawn_at"]
    upsert(connection, hour_draws, [asdict(row) for row in rows], update=changes)


def of_campaign(connection: Connection, campaign_id: str) -> list[tuple[int, HourDraw]]:
    """The draws of everybody who is not held out, with the contact, in order of entry."""
    query = (
        select(enrolments.c.contact_id, hour_draws)
        .join(enrolments, enrolments.c.enrolment_id == hour_draws.c.enrolment_id)
        .where(enrolments.c.campaign_id == campaign_id, enrolments.c.in_holdout.is_(False))
        .order_by(hour_draws.c.enrolment_id, hour_draws.c.step_key)
    )
    names = HourDraw.__dataclass_fields__
    return [
        (row.contact_id, HourDraw(**{name: value for name, value in row._asdict().items() if name in names}))
        for row in connection.execute(query)
    ]
