"""What contacts wrote back: the words, for a while, and what they were read as, which is still counted afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, func, select, update

from memory.schema import contacts, replies
from memory.store import upsert

Reading = Literal["opt_out", "objection", "question", "human_needed", "out_of_office", "thanks", "unread"]
Objection = Literal["", "price", "timing", "frequency", "product", "elsewhere", "no_interest", "other"]
KEPT: Final = timedelta(days=90)
"""So long are the words of an answer kept: whoever has to act on one has by then (house setting)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer of one contact."""

    event_id: str
    """Of the event that it came as."""
    contact_id: int
    at: datetime
    channel: str
    words: str
    """Untrusted; empty once they are forgotten."""
    reading: Reading
    objection: Objection = ""
    needs_person: bool = False
    read_by: str
    """rules, or model; empty while nobody understood it."""
    acted_at: datetime | None = None
    """When what follows from it was done."""


def keep(connection: Connection, rows: Sequence[Reply]) -> None:
    """Write answers down; the same event again changes nothing."""
    upsert(connection, replies, [asdict(row) for row in rows], keys=["event_id"])


def list_replies(
    connection: Connection, *, reading: str = "", contact_id: int | None = None, limit: int = 200
) -> list[Reply]:
    """Answers, newest first; of one kind, or of one contact."""
    query = select(replies).order_by(replies.c.at.desc(), replies.c.event_id).limit(limit)
    if reading:
        query = query.where(replies.c.reading == reading)
    if contact_id is not None:
        query = query.where(replies.c.contact_id == contact_id)
    return [_reply(row) for row in connection.execute(query)]


def to_act_on(connection: Connection, limit: int = 200) -> list[Reply]:
    """Answers of which nothing has followed yet, oldest first."""
    query = select(replies).where(replies.c.acted_at.is_(None)).order_by(replies.c.at, replies.c.event_id)
    return [_reply(row) for row in connection.execute(query.limit(limit))]


def unread(connection: Connection, limit: int) -> list[Reply]:
    """Answers that no rule understood and no model has seen, oldest first; those of erased people are gone."""
    query = select(replies).where(replies.c.reading == "unread", replies.c.read_by == "", replies.c.words != "")
    return [_reply(row) for row in connection.execute(query.order_by(replies.c.at, replies.c.event_id).limit(limit))]


def understood(
    connection: Connection, event_id: str, *, reading: Reading, objection: Objection, needs_person: bool
) -> bool:
    """Note what a model read; False when it was read, or acted on, meanwhile."""
    mine = (replies.c.event_id == event_id, replies.c.read_by == "", replies.c.acted_at.is_(None))
    values = {"reading": reading, "objection": objection, "needs_person": needs_person, "read_by": "model"}
    return connection.execute(update(replies).where(*mine).values(**values)).rowcount == 1


def settled(connection: Connection, event_ids: Sequence[str], at: datetime) -> None:
    """What follows from these was done."""
    connection.execute(update(replies).where(replies.c.event_id.in_(event_ids)).values(acted_at=at))


def forget(connection: Connection, at: datetime) -> int:
    """Drop the words of answers that are older than they are kept; returns of how many."""
    old = (replies.c.at < at - KEPT, replies.c.words != "")
    return connection.execute(update(replies).where(*old).values(words="")).rowcount


def any_objection(connection: Connection, since: datetime) -> bool:
    """Whether anybody objected to anything since a moment."""
    query = select(replies.c.event_id).where(replies.c.reading == "objection", replies.c.at >= since).limit(1)
    return connection.execute(query).first() is not None


def objections(connection: Connection, contact_ids: Collection[int], since: datetime) -> dict[str, int]:
    """How many of some contacts objected since a moment, by kind; whoever did twice counts once."""
    kept = func.coalesce(contacts.c.merged_into, contacts.c.contact_id)
    query = (
        select(kept.label("who"), replies.c.objection)
        .join(contacts, contacts.c.contact_id == replies.c.contact_id)
        .where(replies.c.reading == "objection", replies.c.at >= since)
        .distinct()
    )
    wanted = set(contact_ids)
    found = Counter(row.objection or "other" for row in connection.execute(query) if row.who in wanted)
    return dict(sorted(found.items()))


def _reply(row: Row[Any]) -> Reply:
    return Reply(**row._asdict())
