"""Tokens by which programs act in somebody's name: made with scopes and an end, and taken back."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, Row, insert, select, update

from memory.errors import ConflictError, InvalidInputError, NotFoundError
from memory.journal import append
from memory.role import Role
from memory.schema import api_tokens, users
from memory.users import User, get

Scope = Literal["read", "contacts", "briefs", "decide", "steer", "events", "metrics"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
NEEDED: Final[dict[Scope, Role]] = {
    "read": "viewer",
    "contacts": "viewer",
    "briefs": "operator",
    "decide": "operator",
    "steer": "operator",
    "events": "operator",
    "metrics": "viewer",
}
"""The role that somebody must have for a token of theirs to use a scope; to say yes takes an approver besides."""
LONGEST: Final = timedelta(days=366)
_LABEL: Final = 80
_NOTED_EACH: Final = timedelta(hours=1)


class ApiToken(BaseModel):
    """One token, by everything but what opens the door."""

    model_config = ConfigDict(frozen=True)

    token_id: str
    owner: str
    label: str
    scopes: tuple[Scope, ...]
    created_at: AwareDatetime
    expires_at: AwareDatetime
    used_at: AwareDatetime | None = None
    """When it was last used, to the hour."""
    revoked_at: AwareDatetime | None = None

    def standing(self, now: datetime) -> str:
        """good, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "good" if self.expires_at > now else "expired"


def make(
    connection: Connection,
    owner: str,
    label: str,
    scopes: Collection[Scope],
    *,
    token_hash: str,
    until: datetime,
    actor: str,
    at: datetime,
) -> ApiToken:
    """Keep the hash of a new token. Raises NotFoundError for an unknown owner, ConflictError for one who is not in.

    Raises InvalidInputError without a label or scope, or for an end that is past or more than a year away.
    """
    user = get(connection, owner)
    if user.standing != "active":
        raise ConflictError(
            f"{owner} is {user.standing}.", where="tokens", remedy="A token acts for somebody who may sign in."
        )
    if not 0 < len(label.strip()) <= _LABEL:
        raise InvalidInputError(
            f"A token needs a label of at most {_LABEL} characters.", where="label", remedy="Say what it is for."
        )
    if not scopes:
        raise InvalidInputError("A token needs a scope.", where="scopes", remedy=f"There are: {', '.join(SCOPES)}.")
    if not at < until <= at + LONGEST:
        raise InvalidInputError(
            f"A token ends within {LONGEST.days} days.", where="days", remedy="Make another when it ends."
        )
    token_id = secrets.token_hex(6)
    connection.execute(
        insert(api_tokens).values(
            token_id=token_id,
            token_hash=token_hash,
            owner=owner,
            label=label.strip(),
            scopes=[one for one in SCOPES if one in scopes],
            created_at=at,
            expires_at=until,
        )
    )
    payload = {"token": token_id, "scopes": sorted(scopes), "until": until.isoformat()}
    append(connection, at=at, actor=actor, action="token.made", subject=f"user {owner}", payload=payload)
    return find(connection, token_id)


def bearer(connection: Connection, token_hash: str, at: datetime) -> tuple[ApiToken, User] | None:
    """A token that is good, and whose; None once it ended, was taken back, or its owner was shut out."""
    row = connection.execute(
        select(api_tokens)
        .join(users, users.c.name == api_tokens.c.owner)
        .where(api_tokens.c.token_hash == token_hash, api_tokens.c.expires_at > at)
        .where(api_tokens.c.revoked_at.is_(None), users.c.revoked_at.is_(None))
    ).one_or_none()
    return None if row is None else (_token(row), get(connection, row.owner))


def is_due(token: ApiToken, at: datetime) -> bool:
    """Whether its use is to be noted: not at each request, since that would make a write of every read."""
    return token.used_at is None or at - token.used_at >= _NOTED_EACH


def note_use(connection: Connection, token_id: str, at: datetime) -> None:
    """Remember when a token was used."""
    connection.execute(update(api_tokens).where(api_tokens.c.token_id == token_id).values(used_at=at))


def find(connection: Connection, token_id: str) -> ApiToken:
    """Raises NotFoundError."""
    row = connection.execute(select(api_tokens).where(api_tokens.c.token_id == token_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no token {token_id}.", remedy="`noria tokens list` shows them all.")
    return _token(row)


def every(connection: Connection, owner: str = "") -> list[ApiToken]:
    """All tokens, or those of one person, the newest first."""
    query = select(api_tokens).order_by(api_tokens.c.created_at.desc(), api_tokens.c.token_id)
    if owner:
        query = query.where(api_tokens.c.owner == owner)
    return [_token(row) for row in connection.execute(query)]


def revoke(connection: Connection, token_id: str, *, actor: str, at: datetime) -> ApiToken:
    """Take a token back at once. Raises NotFoundError, or ConflictError when that was done before."""
    token = find(connection, token_id)
    if token.revoked_at is not None:
        raise ConflictError(f"Token {token_id} was taken back before.", where="tokens")
    connection.execute(update(api_tokens).where(api_tokens.c.token_id == token_id).values(revoked_at=at))
    payload = {"token": token_id}
    append(connection, at=at, actor=actor, action="token.revoked", subject=f"user {token.owner}", payload=payload)
    return find(connection, token_id)


def _token(row: Row[Any]) -> ApiToken:
    return ApiToken.model_validate({name: getattr(row, name) for name in ApiToken.model_fields})
