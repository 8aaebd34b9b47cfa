"""Who is signed in to the console, until when, and how often somebody tried in vain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from memory.errors import NotFoundError
from memory.journal import append
from memory.schema import sessions, sign_in_failures, users
from memory.users import SIGNED_IN, User, get


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that is signed in."""

    token_hash: str
    name: str
    opened_at: datetime
    expires_at: datetime


def open_session(connection: Connection, name: str, token_hash: str, *, at: datetime, until: datetime) -> None:
    """Remember a browser until a moment; what has run out is forgotten meanwhile."""
    connection.execute(delete(sessions).where(sessions.c.expires_at <= at))
    connection.execute(insert(sessions).values(token_hash=token_hash, name=name, opened_at=at, expires_at=until))
    append(connection, at=at, actor=SIGNED_IN + name, action="session.opened", subject=f"user {name}", payload={})


def user_of(connection: Connection, token_hash: str, at: datetime) -> User | None:
    """Who is behind a browser's token; None once it was ended, ran out, or its person was shut out."""
    query = (
        select(sessions.c.name)
        .join(users, users.c.name == sessions.c.name)
        .where(sessions.c.token_hash == token_hash, sessions.c.expires_at > at, users.c.revoked_at.is_(None))
    )
    name = connection.execute(query).scalar_one_or_none()
    return None if name is None else get(connection, name)


def sessions_of(connection: Connection, name: str, at: datetime) -> list[Session]:
    """Every browser in which somebody is signed in, the newest first."""
    query = (
        select(sessions)
        .where(sessions.c.name == name, sessions.c.expires_at > at)
        .order_by(sessions.c.opened_at.desc(), sessions.c.token_hash)
    )
    return [Session(**row._asdict()) for row in connection.execute(query)]


def end_session(connection: Connection, name: str, token_hash: str, at: datetime) -> None:
    """Sign one of somebody's own browsers out. Raises NotFoundError."""
    mine = (sessions.c.name == name) & (sessions.c.token_hash == token_hash)
    if connection.execute(delete(sessions).where(mine)).rowcount != 1:
        raise NotFoundError("That session has ended already.")
    append(connection, at=at, actor=SIGNED_IN + name, action="session.ended", subject=f"user {name}", payload={})


def end_others(connection: Connection, name: str, kept: str) -> None:
    """Sign somebody out everywhere but here."""
    connection.execute(delete(sessions).where(sessions.c.name == name, sessions.c.token_hash != kept))


def end_all(connection: Connection) -> None:
    """Sign everybody out."""
    connection.execute(delete(sessions))


def note_failure(connection: Connection, counted_by: list[str], at: datetime, *, since: datetime) -> None:
    """Count an attempt in vain for each of what it is counted by; what lies before ``since`` is forgotten."""
    connection.execute(delete(sign_in_failures).where(sign_in_failures.c.at < since))
    connection.execute(insert(sign_in_failures), [{"counted_by": one, "at": at} for one in counted_by])


def failures(connection: Connection, counted_by: str, since: datetime) -> int:
    """How many attempts in vain there were since a moment."""
    query = select(func.count()).where(sign_in_failures.c.counted_by == counted_by, sign_in_failures.c.at >= since)
    return int(connection.execute(query).scalar_one())
