"""Enrolments: one contact in one campaign, the step it stands at, and when it is due."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, select, update

from memory.play import RecordKind
from memory.schema import campaigns, enrolments

_CHUNK = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """One contact in one campaign, pinned to the version it entered."""

    enrolment_id: int = 0
    campaign_id: str
    contact_id: int
    occurrence: int = 1
    version: int
    in_holdout: bool
    sequence_key: str
    band: int = 0
    """Of contacts, by which shares they drew."""
    probability: float
    """With which the sequence was drawn."""
    state: Literal["active", "exited"] = "active"
    step_key: str | None
    due_at: datetime | None
    """Null while it waits for its message to end."""
    entered_at: datetime
    exited_at: datetime | None = None
    exit_reason: str = ""
    bindings: dict[RecordKind, str] = field(default_factory=dict)
    """Records that personal values are read from at the send: fixed at the entry, or as a step reads them anew."""


def last_entries(connection: Connection, campaign_id: str, contact_ids: Collection[int]) -> dict[int, Enrolment]:
    """The latest enrolment of each of some contacts in one campaign."""
    found: dict[int, Enrolment] = {}
    for chunk in _chunks(sorted(set(contact_ids))):
        query = (
            select(enrolments)
            .where(enrolments.c.campaign_id == campaign_id, enrolments.c.contact_id.in_(chunk))
            .order_by(enrolments.c.occurrence)
        )
        found |= {row.contact_id: _enrolment(row) for row in connection.execute(query)}
    return found


def by_ids(connection: Connection, enrolment_ids: Collection[int]) -> dict[int, Enrolment]:
    """Enrolments by id."""
    found: dict[int, Enrolment] = {}
    for chunk in _chunks(sorted(set(enrolment_ids))):
        query = select(enrolments).where(enrolments.c.enrolment_id.in_(chunk))
        found |= {row.enrolment_id: _enrolment(row) for row in connection.execute(query)}
    return found


def entered_campaigns(connection: Connection, contact_id: int) -> set[str]:
    """The campaigns that a contact ever entered, those too that are over."""
    query = select(enrolments.c.campaign_id).where(enrolments.c.contact_id == contact_id)
    return set(connection.execute(query).scalars())


# Asked for every event that comes in: to build it anew each time costs more than to run it.
_ACTIVE: Final = (
    select(enrolments)
    .where(enrolments.c.contact_id.in_(bindparam("these", expanding=True)), enrolments.c.state == "active")
    .order_by(enrolments.c.enrolment_id)
)


def active(connection: Connection, contact_ids: Collection[int]) -> list[Enrolment]:
    """What some contacts are in now, over all campaigns, in order of entry."""
    found: list[Enrolment] = []
    for chunk in _chunks(sorted(set(contact_ids))):
        found += [_enrolment(row) for row in connection.execute(_ACTIVE, {"these": chunk})]
    return found


def due(connection: Connection, *, at: datetime, limit: int) -> list[Enrolment]:
    """Active enrolments of live campaigns whose time has come, locked; those another worker holds are left out."""
    query = (
        select(enrolments)
        .join(campaigns, campaigns.c.campaign_id == enrolments.c.campaign_id)
        .where(enrolments.c.state == "active", enrolments.c.due_at <= at, campaigns.c.status == "live")
        .order_by(enrolments.c.due_at, enrolments.c.enrolment_id)
        .limit(limit)
        .with_for_update(of=enrolments, skip_locked=True)
    )
    return [_enrolment(row) for row in connection.execute(query)]


def move(connection: Connection, places: Iterable[tuple[int, str, datetime | None]]) -> None:
    """Put enrolments at a step, due at a moment or (None) once their message has ended."""
    rows = [{"of": one, "stands": step, "when": when} for one, step, when in places]
    if rows:
        connection.execute(
            update(enrolments)
            .where(enrolments.c.enrolment_id == bindparam("of"), enrolments.c.state == "active")
            .values(step_key=bindparam("stands"), due_at=bindparam("when")),
            rows,
        )


def rebind(connection: Connection, enrolment_id: int, bindings: Mapping[RecordKind, str]) -> None:
    """Let the messages to come read other records."""
    connection.execute(
        update(enrolments).where(enrolments.c.enrolment_id == enrolment_id).values(bindings=dict(bindings))
    )


def wake(connection: Connection, enrolment_ids: Collection[int], at: datetime) -> None:
    """Their message has ended: let them go on."""
    for chunk in _chunks(sorted(set(enrolment_ids))):
        connection.execute(
            update(enrolments)
            .where(enrolments.c.enrolment_id.in_(chunk), enrolments.c.state == "active")
            .where(enrolments.c.due_at.is_(None))
            .values(due_at=at)
        )


def hasten(connection: Connection, enrolment_ids: Collection[int], at: datetime) -> None:
    """What they waited for has happened: let them go on now."""
    for chunk in _chunks(sorted(set(enrolment_ids))):
        connection.execute(
            update(enrolments)
            .where(enrolments.c.enrolment_id.in_(chunk), enrolments.c.state == "active", enrolments.c.due_at > at)
            .values(due_at=at)
        )


def leave(connection: Connection, reasons: Mapping[int, str], at: datetime) -> int:
    """Take enrolments out, each for its reason; returns how many were still in."""
    changed = 0
    for reason in sorted(set(reasons.values())):
        for chunk in _chunks(sorted(one for one, why in reasons.items() if why == reason)):
            changed += connection.execute(
                update(enrolments)
                .where(enrolments.c.enrolment_id.in_(chunk), enrolments.c.state == "active")
                .values(state="exited", exited_at=at, exit_reason=reason, due_at=None)
            ).rowcount
    return changed


def count(connection: Connection, campaign_id: str, where: ColumnElement[bool] | None = None) -> int:
    """How many contacts entered a campaign, optionally only those that match."""
    query = select(func.count()).select_from(enrolments).where(enrolments.c.campaign_id == campaign_id)
    return connection.execute(query if where is None else query.where(where)).scalar_one()


def count_since(connection: Connection, campaign_id: str, since: datetime) -> int:
    """How many contacts entered a campaign after a moment."""
    return count(connection, campaign_id, enrolments.c.entered_at > since)


def of_campaign(connection: Connection, campaign_id: str) -> list[Enrolment]:
    """Every enrolment of a campaign, in order of entry."""
    query = select(enrolments).where(enrolments.c.campaign_id == campaign_id).order_by(enrolments.c.enrolment_id)
    return [_enrolment(row) for row in connection.execute(query)]


def _enrolment(row: Row[Any]) -> Enrolment:
    values = row._asdict()
    return Enrolment(**{name: values[name] for name in Enrolment.__dataclass_fields__})


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]
