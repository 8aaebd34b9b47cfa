"""What contacts chose for themselves: topics, how often at most, a pause, and their answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Connection, delete, select

from memory.journal import append
from memory.schema import preferences
from memory.store import upsert

_CHUNK = 500


class Preferences(BaseModel):
    """One contact's choices; those of a contact who never chose anything allow everything."""

    model_config = ConfigDict(frozen=True)

    contact_id: int
    topics: tuple[str, ...] | None = None
    """The topics they picked; None for all of them, also those to come."""
    at_most_days: int = 0
    """At most one marketing message in so many days; 0 for as it comes."""
    paused_until: AwareDatetime | None = None
    answers: dict[str, str] = {}
    """Question → answer."""
    updated_at: AwareDatetime | None = None


def read(connection: Connection, contact_ids: Collection[int]) -> dict[int, Preferences]:
    """The choices of those contacts who made any."""
    found: dict[int, Preferences] = {}
    wanted = sorted(set(contact_ids))
    for start in range(0, len(wanted), _CHUNK):
        some = preferences.c.contact_id.in_(wanted[start : start + _CHUNK])
        found |= {one.contact_id: one for one in read_where(connection, some)}
    return found


def read_where(connection: Connection, some: ColumnElement[bool]) -> list[Preferences]:
    """The choices of some contacts, by a condition on their rows."""
    rows = connection.execute(select(preferences).where(some))
    return [Preferences.model_validate(row._asdict()) for row in rows]


def of_contact(connection: Connection, contact_id: int) -> Preferences:
    """One contact's choices."""
    return read(connection, [contact_id]).get(contact_id) or Preferences(contact_id=contact_id)


def save(connection: Connection, chosen: Preferences, at: datetime, *, actor: str = "contact") -> Sequence[str]:
    """Keep a contact's choices, and say in the journal which of them changed, not what they are."""
    before = of_contact(connection, chosen.contact_id)
    kept = ("topics", "at_most_days", "paused_until", "answers")
    changed = [name for name in kept if getattr(chosen, name) != getattr(before, name)]
    if changed:
        row = {**chosen.model_dump(), "updated_at": at}
        row["topics"] = None if chosen.topics is None else list(chosen.topics)
        upsert(connection, preferences, [row], update=[*kept, "updated_at"])
        append(
            connection,
            at=at,
            actor=actor,
            action="contact.preferences",
            subject=f"contact {chosen.contact_id}",
            payload={"changed": changed},
        )
    return changed


def merge(connection: Connection, *, kept: int, merged: int) -> None:
    """Two contacts are one person: what they chose last holds."""
    both = read(connection, [kept, merged])
    if merged not in both:
        return
    latest = max(both.values(), key=lambda one: (one.updated_at is not None, one.updated_at, one.contact_id == kept))
    connection.execute(delete(preferences).where(preferences.c.contact_id.in_([kept, merged])))
    row = {**latest.model_dump(), "contact_id": kept}
    row["topics"] = None if latest.topics is None else list(latest.topics)
    upsert(connection, preferences, [row])
