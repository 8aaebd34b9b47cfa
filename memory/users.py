"""People who may sign in to the console: invited, come in by a one-time link, and shut out again."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, Row, delete, select, update

from memory.errors import ConflictError, InvalidInputError, NotFoundError
from memory.journal import append
from memory.role import Role
from memory.schema import api_tokens, sessions, users
from memory.store import upsert

Notify = Literal["at_once", "daily", "off"]
SIGNED_IN = "console:"
"""Before the name of somebody who is signed in, wherever it says who did something."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class User(BaseModel):
    """Somebody who may sign in, or might once."""

    model_config = ConfigDict(frozen=True)

    name: str
    role: Role
    password_hash: str | None = None
    second_factor: str | None = None
    second_factor_step: int | None = None
    invite_hash: str | None = None
    invited_until: AwareDatetime | None = None
    language: str = ""
    email: str | None = None
    """Where mail to them goes; None until they proved that they read it there."""
    notify: Notify = "at_once"
    """Whether they are told by mail what waits for them."""
    created_at: AwareDatetime
    revoked_at: AwareDatetime | None = None

    @property
    def actor(self) -> str:
        """How records name them."""
        return SIGNED_IN + self.name

    @property
    def standing(self) -> str:
        """invited, active or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "active" if self.password_hash else "invited"


def invite(
    connection: Connection, name: str, role: Role, *, invite_hash: str, until: datetime, actor: str, at: datetime
) -> User:
    """Let somebody in by a one-time link; who was in before gets a new role and may set a new password by it.

    Raises InvalidInputError for a name that cannot stand in records.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name!r} is no name for the console.",
            where="users",
            remedy="Use small letters, digits, points and dashes, for example marie or m.durand.",
        )
    row = {"name": name, "role": role, "invite_hash": invite_hash, "invited_until": until, "created_at": at}
    upsert(
        connection, users, [row | {"revoked_at": None}], update=["role", "invite_hash", "invited_until", "revoked_at"]
    )
    append(connection, at=at, actor=actor, action="user.invited", subject=f"user {name}", payload={"role": role})
    return get(connection, name)


def take_up(
    connection: Connection, invite_hash: str, *, password_hash: str, second_factor: str | None, at: datetime
) -> User:
    """Use an invitation, once: the password is set, and every open session and token of theirs ends.

    Raises NotFoundError.
    """
    found = invited(connection, invite_hash, at)
    used = connection.execute(
        update(users)
        # Of two who use it at once, PostgreSQL lets the second wait and look again.
        .where(users.c.name == found.name, users.c.invite_hash == invite_hash)
        .values(
            password_hash=password_hash,
            second_factor=second_factor,
            second_factor_step=None,
            invite_hash=None,
            invited_until=None,
        )
    )
    if used.rowcount != 1:
        raise _used_up()
    _end(connection, found.name, at)
    payload = {"second_factor": second_factor is not None}
    append(connection, at=at, actor=found.actor, action="user.joined", subject=f"user {found.name}", payload=payload)
    return get(connection, found.name)


def invited(connection: Connection, invite_hash: str, at: datetime) -> User:
    """Whom a link is for, while it is good. Raises NotFoundError."""
    row = connection.execute(
        select(users).where(users.c.invite_hash == invite_hash, users.c.invited_until > at)
    ).one_or_none()
    if row is None:
        raise _used_up()
    return _user(row)


def revoke(connection: Connection, name: str, *, actor: str, at: datetime) -> User:
    """Shut somebody out at once: sessions, tokens, password and invitations end; what they said stays on record.

    Raises NotFoundError, or ConflictError when they are out already.
    """
    if get(connection, name).revoked_at is not None:
        raise ConflictError(f"{name} is shut out already.", where="users")
    nothing = dict.fromkeys(
        ("password_hash", "second_factor", "second_factor_step", "invite_hash", "invited_until", "email")
    )
    connection.execute(update(users).where(users.c.name == name).values(**nothing, revoked_at=at))
    _end(connection, name, at)
    append(connection, at=at, actor=actor, action="user.revoked", subject=f"user {name}", payload={})
    return get(connection, name)


def set_password(connection: Connection, name: str, password_hash: str, at: datetime) -> None:
    """Keep a new password of somebody who is signed in."""
    connection.execute(update(users).where(users.c.name == name).values(password_hash=password_hash))
    _journal(connection, name, "user.password_changed", at)


def set_second_factor(connection: Connection, name: str, secret: str, step: int, at: datetime) -> None:
    """Keep the secret of somebody's authenticator app, and the time step that proved it."""
    connection.execute(update(users).where(users.c.name == name).values(second_factor=secret, second_factor_step=step))
    _journal(connection, name, "user.second_factor_set", at)


def use_step(connection: Connection, name: str, step: int) -> bool:
    """Use up a time step of the second factor; False for one that was used, or an older one."""
    changed = connection.execute(
        update(users)
        .where(users.c.name == name, (users.c.second_factor_step.is_(None)) | (users.c.second_factor_step < step))
        .values(second_factor_step=step)
    )
    return changed.rowcount == 1


def set_language(connection: Connection, name: str, language: str) -> None:
    """Keep the language somebody reads."""
    connection.execute(update(users).where(users.c.name == name).values(language=language))


def set_email(connection: Connection, name: str, email: str, at: datetime) -> None:
    """Keep an address that somebody proved to read."""
    connection.execute(update(users).where(users.c.name == name).values(email=email))
    _journal(connection, name, "user.email_confirmed", at)


def set_notify(connection: Connection, name: str, notify: Notify) -> None:
    """Keep whether somebody is told by mail what waits for them."""
    connection.execute(update(users).where(users.c.name == name).values(notify=notify))


def get(connection: Connection, name: str) -> User:
    """Raises NotFoundError."""
    row = connection.execute(select(users).where(users.c.name == name)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no user {name}.", remedy="`noria users list` shows them all.")
    return _user(row)


def everyone(connection: Connection) -> list[User]:
    """All who may sign in or might once, by name."""
    return [_user(row) for row in connection.execute(select(users).order_by(users.c.name))]


def roles(connection: Connection) -> dict[str, Role] | None:
    """The role of each person who is in, by how records name them; None where nobody was ever invited."""
    known = everyone(connection)
    return {one.actor: one.role for one in known if one.standing == "active"} if known else None


def end_tokens(connection: Connection, at: datetime, name: str = "") -> None:
    """Take back every token, or every token of one person."""
    ended = update(api_tokens).where(api_tokens.c.revoked_at.is_(None)).values(revoked_at=at)
    connection.execute(ended.where(api_tokens.c.owner == name) if name else ended)


def _end(connection: Connection, name: str, at: datetime) -> None:
    connection.execute(delete(sessions).where(sessions.c.name == name))
    end_tokens(connection, at, name)


def _used_up() -> NotFoundError:
    return NotFoundError("This link is used up or too old.", remedy="Ask for another: noria users invite NAME")


def _journal(connection: Connection, name: str, action: str, at: datetime) -> None:
    append(connection, at=at, actor=SIGNED_IN + name, action=action, subject=f"user {name}", payload={})


def _user(row: Row[Any]) -> User:
    return User.model_validate(row._asdict())
