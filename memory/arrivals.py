"""Arrivals: contacts whom a trigger has named and who wait to be let into a campaign."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, func, select

from memory.play import RecordKind
from memory.schema import arrivals, campaigns
from memory.store import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One contact at the door of one campaign, because of one event or call."""

    arrival_id: int = 0
    campaign_id: str
    contact_id: int
    event_id: str
    at: datetime
    """When the contact did what brought them here."""
    bindings: dict[RecordKind, str] = field(default_factory=dict)
    """Records that the event names, from which personal values are read."""


def announce(connection: Connection, rows: Sequence[Arrival]) -> int:
    """Put contacts at the door; the same event brings nobody twice. Returns how many are new."""
    values = [{name: value for name, value in asdict(row).items() if name != "arrival_id"} for row in rows]
    return upsert(connection, arrivals, values, keys=["campaign_id", "event_id"])


def doors(connection: Connection) -> dict[str, int]:
    """Live campaigns at whose doors somebody waits, each with the arrival that came last."""
    query = (
        select(arrivals.c.campaign_id, func.max(arrivals.c.arrival_id))
        .join(campaigns, campaigns.c.campaign_id == arrivals.c.campaign_id)
        .where(campaigns.c.status == "live")
        .group_by(arrivals.c.campaign_id)
        .order_by(arrivals.c.campaign_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def waiting(connection: Connection, campaign_id: str, *, after: int, until: int, limit: int) -> list[Arrival]:
    """Who waits at one door and came after one arrival (0 for none) and no later than another, oldest first."""
    query = (
        select(arrivals)
        .where(arrivals.c.campaign_id == campaign_id, arrivals.c.arrival_id > after, arrivals.c.arrival_id <= until)
        .order_by(arrivals.c.arrival_id)
        .limit(limit)
    )
    return [_arrival(row) for row in connection.execute(query)]


# Asked for every event that comes in: to build it anew each time costs more than to run it.
_OF_CONTACTS: Final = (
    select(arrivals)
    .where(arrivals.c.contact_id.in_(bindparam("these", expanding=True)))
    .order_by(arrivals.c.arrival_id)
)


def of_contacts(connection: Connection, contact_ids: Collection[int]) -> list[Arrival]:
    """The doors at which some contacts wait."""
    return [_arrival(row) for row in connection.execute(_OF_CONTACTS, {"these": sorted(contact_ids)})]


def send_away(connection: Connection, arrival_ids: Collection[int]) -> None:
    """They need not come in any more."""
    if arrival_ids:
        connection.execute(delete(arrivals).where(arrivals.c.arrival_id.in_(sorted(arrival_ids))))


def take(connection: Connection, wanted: Collection[Arrival]) -> set[int]:
    """Take contacts from the door, locked: only those that no other worker took; returns the ids of their arrivals."""
    read = {one.arrival_id: (one.campaign_id, one.event_id) for one in wanted}
    query = select(arrivals).where(arrivals.c.arrival_id.in_(sorted(read)))
    found = connection.execute(query.with_for_update(skip_locked=True))
    # SQLite gives the number of a row that is gone to a later one, which is somebody else's arrival.
    mine = {row.arrival_id for row in found if read[row.arrival_id] == (row.campaign_id, row.event_id)}
    connection.execute(delete(arrivals).where(arrivals.c.arrival_id.in_(sorted(mine))))
    return mine


def _arrival(row: Row[Any]) -> Arrival:
    return Arrival(**row._asdict())
