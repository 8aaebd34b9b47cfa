"""The append-only, hash-chained history of what people and agents did."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, Row, insert, or_, select, text

from memory.canonical import canonical_json
from memory.schema import journal, to_micros, workspace
from memory.store import upsert

GENESIS = "0" * 64
HEAD = "journal_head"
# Any constant will do: it only serialises writers of the chain on PostgreSQL.
_CHAIN_LOCK = 0x4E4F5249


class Entry(BaseModel):
    """One line of the journal."""

    model_config = ConfigDict(frozen=True)

    seq: int
    at: AwareDatetime
    actor: str
    action: str
    subject: str
    payload: dict[str, Any]
    previous_hash: str
    hash: str


class Verification(BaseModel):
    """Whether the chain holds, how long it is, and the first line where it does not."""

    model_config = ConfigDict(frozen=True)

    intact: bool
    entries: int
    broken_at: int | None = None
    reason: str = ""
    head: str = GENESIS


def append(
    connection: Connection, *, at: datetime, actor: str, action: str, subject: str, payload: Mapping[str, Any]
) -> str:
    """Add one entry inside the caller's transaction and return its hash.

    The payload holds ids, hashes and numbers, never personal data: entries are never rewritten, not even by erasure.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CHAIN_LOCK})
    last = connection.execute(select(journal.c.seq, journal.c.hash).order_by(journal.c.seq.desc()).limit(1)).first()
    seq, previous = (last.seq + 1, last.hash) if last else (1, GENESIS)
    body = dict(payload)
    entry_hash = _hash(seq, at, actor, action, subject, body, previous)
    connection.execute(
        insert(journal).values(
            seq=seq,
            at=at,
            actor=actor,
            action=action,
            subject=subject,
            payload=body,
            previous_hash=previous,
            hash=entry_hash,
        )
    )
    # The head is kept apart, so that cutting off the newest lines is noticed too.
    upsert(connection, workspace, [{"key": HEAD, "value": [seq, entry_hash]}], update=["value"])
    return entry_hash


def entries(
    connection: Connection,
    *,
    after: int = 0,
    limit: int | None = None,
    action: str | None = None,
    subject: str | None = None,
) -> Iterator[Entry]:
    """Read entries in order, optionally of one action or subject."""
    query = select(journal).where(journal.c.seq > after).order_by(journal.c.seq)
    if action is not None:
        query = query.where(journal.c.action == action)
    if subject is not None:
        query = query.where(journal.c.subject == subject)
    if limit is not None:
        query = query.limit(limit)
    for row in connection.execute(query):
        yield _entry(row)


def spoken(connection: Connection, prefixes: Iterable[str], since: datetime, until: datetime) -> list[Entry]:
    """What actors whose names begin with one of these did from one moment to before another, in order."""
    query = (
        select(journal)
        .where(journal.c.at >= since, journal.c.at < until)
        .where(or_(*(journal.c.actor.startswith(one, autoescape=True) for one in prefixes)))
        .order_by(journal.c.seq)
    )
    return [_entry(row) for row in connection.execute(query)]


def newest(
    connection: Connection,
    *,
    before: int | None = None,
    limit: int,
    action: str = "",
    subject: str = "",
    actor: str = "",
) -> list[Entry]:
    """The newest entries first, below a line if one is given, optionally of one action, subject or actor."""
    query = select(journal).order_by(journal.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(journal.c.seq < before)
    if action:
        query = query.where(journal.c.action == action)
    if subject:
        query = query.where(journal.c.subject == subject)
    if actor:
        query = query.where(journal.c.actor == actor)
    return [_entry(row) for row in connection.execute(query)]


def actions(connection: Connection) -> list[str]:
    """Every kind of action that was journalled, by name."""
    return list(connection.execute(select(journal.c.action).distinct().order_by(journal.c.action)).scalars())


def verify(connection: Connection) -> Verification:
    """Recompute the whole chain; one changed byte anywhere is found at its line."""
    previous, count = GENESIS, 0
    for row in connection.execute(select(journal).order_by(journal.c.seq)):
        count += 1
        try:
            entry = _entry(row)
            expected = _hash(
                entry.seq,
                entry.at,
                entry.actor,
                entry.action,
                entry.subject,
                entry.payload,
                entry.previous_hash,
            )
        except (ValueError, TypeError):
            return Verification(intact=False, entries=count, broken_at=count, reason="the line is unreadable")
        if entry.seq != count:
            return Verification(intact=False, entries=count, broken_at=count, reason="a line is missing")
        if entry.previous_hash != previous:
            return Verification(intact=False, entries=count, broken_at=count, reason="the chain is cut before it")
        if entry.hash != expected:
            return Verification(intact=False, entries=count, broken_at=count, reason="the line was changed")
        previous = entry.hash
    head = connection.execute(select(workspace.c.value).where(workspace.c.key == HEAD)).scalar_one_or_none()
    if list(head or [0, GENESIS]) != [count, previous]:
        return Verification(intact=False, entries=count, broken_at=count + 1, reason="the newest lines are missing")
    return Verification(intact=True, entries=count, head=previous)


def _entry(row: Row[Any]) -> Entry:
    return Entry.model_validate(row._asdict())


def _hash(
    seq: int, at: datetime, actor: str, action: str, subject: str, payload: Mapping[str, Any], previous: str
) -> str:
    line = canonical_json([seq, to_micros(at), actor, action, subject, dict(payload), previous])
    return hashlib.sha256(line.encode()).hexdigest()
