"""Signing in to the console: invitations, first run included, attempts in vain, and the second factor."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from console.credentials import draw_token, hash_password, hash_token, is_password, step_of
from memory import sessions, users
from memory.canonical import digest
from memory.errors import InvalidInputError, NotAllowedError
from memory.role import Role
from memory.store import Store
from memory.users import User
from memory.workspace import salt

SESSION: Final = timedelta(hours=12)
INVITATION: Final = timedelta(hours=48)
_WINDOW: Final = timedelta(minutes=15)
# Attempts in vain within the window: of one name from one address, of one address, of one name from anywhere.
_MOST: Final = {"both": 5, "address": 20, "name": 50}


def invite(store: Store, name: str, role: Role, *, actor: str, at: datetime) -> str:
    """Invite somebody, and return the token of their one-time link, which is kept nowhere."""
    token = draw_token()
    with store.write() as connection:
        users.invite(connection, name, role, invite_hash=hash_token(token), until=at + INVITATION, actor=actor, at=at)
    return token


def first_invitation(store: Store, at: datetime) -> str | None:
    """The token by which the first admin comes in, named as the user of this machine; None once there is an admin."""
    with store.read() as connection:
        if any(one.role == "admin" and one.standing == "active" for one in users.everyone(connection)):
            return None
    name = re.sub(r"[^a-z0-9._-]", "-", getpass.getuser().lower()).lstrip("._-") or "admin"
    return invite(store, name, "admin", actor=f"cli:{getpass.getuser()}", at=at)


def come_in(store: Store, token: str, *, password: str, second_factor: str, code: str, at: datetime) -> User:
    """Take up an invitation; a second factor is kept once a code proves that the app has it.

    Raises NotFoundError for a link that is used up, InvalidInputError for a password or code that will not do.
    """
    step = step_of(second_factor, code, at) if code else None
    if code and step is None:
        raise _wrong_code()
    kept = hash_password(password)
    with store.write() as connection:
        user = users.take_up(
            connection, hash_token(token), password_hash=kept, second_factor=second_factor if code else None, at=at
        )
        if step is not None:
            users.use_step(connection, user.name, step)
    return user


def sign_in(store: Store, name: str, password: str, code: str, *, address: str, at: datetime) -> str:
    """Check somebody and return the token of a new session. Raises NotAllowedError, which never says what was wrong."""
    with store.write() as connection:
        keys = _keys(salt(connection), name, address)
        tried = {kind: sessions.failures(connection, key, at - _WINDOW) for kind, key in keys.items()}
    if any(tried[kind] >= most for kind, most in _MOST.items()):
        raise NotAllowedError(
            "Too many attempts in vain.", where="console", remedy="Wait a quarter of an hour, then try again."
        )
    with store.read() as connection:
        user = next((one for one in users.everyone(connection) if one.name == name), None)
    known = is_password(password, user.password_hash if user else None)
    with store.write() as connection:
        if user is not None and known and _second_factor_holds(connection, user, code, at):
            return open_session(connection, user, at)
        sessions.note_failure(connection, list(keys.values()), at, since=at - _WINDOW)
    raise NotAllowedError("Name, password or code is wrong.", where="console", remedy="Try again.")


def open_session(connection: Connection, user: User, at: datetime) -> str:
    """The token of a new session of somebody who has just proved who they are."""
    token = draw_token()
    sessions.open_session(connection, user.name, hash_token(token), at=at, until=at + SESSION)
    return token


def turn_on_second_factor(store: Store, user: User, secret: str, code: str, at: datetime) -> None:
    """Keep a second factor that a code proves. Raises InvalidInputError."""
    step = step_of(secret, code, at)
    if step is None:
        raise _wrong_code()
    with store.write() as connection:
        users.set_second_factor(connection, user.name, secret, step, at)


def change_password(store: Store, user: User, old: str, new: str, *, kept: str, at: datetime) -> None:
    """Set another password, and sign out everywhere but in the session ``kept``. Raises InvalidInputError."""
    if not is_password(old, user.password_hash):
        raise InvalidInputError("The present password is another.", where="password", remedy="Try again.")
    new_hash = hash_password(new)
    with store.write() as connection:
        users.set_password(connection, user.name, new_hash, at)
        sessions.end_others(connection, user.name, kept)


def _second_factor_holds(connection: Connection, user: User, code: str, at: datetime) -> bool:
    if user.second_factor is None:
        return True
    step = step_of(user.second_factor, code, at)
    return step is not None and users.use_step(connection, user.name, step)


def _keys(secret: str, name: str, address: str) -> Mapping[str, str]:
    tried = {"both": [name, address], "address": [address], "name": [name]}
    return {kind: digest([secret, kind, *parts]) for kind, parts in tried.items()}


def _wrong_code() -> InvalidInputError:
    return InvalidInputError(
        "The code is not the one of this moment.",
        where="code",
        remedy="Check the clock of the telephone, and try again.",
    )
