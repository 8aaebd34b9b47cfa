"""Making the tokens by which programs act in somebody's name, and knowing whose a token is."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from console.credentials import draw_token, hash_token
from memory import tokens
from memory.store import Store
from memory.tokens import NEEDED, ApiToken, Scope
from memory.users import User
from policies.roles import reaches

DAYS: Final = 90
"""How long a token lives where nobody says otherwise."""
PREFIX: Final = "noria_"
"""By which people and scanners of secrets know one when they see it."""
_WRITTEN: Final = re.compile(rf"{PREFIX}[\w-]{{43}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks through the API: a token, and the person in whose name it acts."""

    token: ApiToken
    user: User

    @property
    def actor(self) -> str:
        """How records name them: as the person, so that one person never counts twice."""
        return self.user.actor

    def lacks(self, scope: Scope) -> str:
        """Why they may not use a scope; empty where they may."""
        if scope not in self.token.scopes:
            return f"The token has no scope {scope}."
        if not reaches(self.user.role, NEEDED[scope]):
            return f"{self.user.name} is {self.user.role}; the scope {scope} takes the role {NEEDED[scope]}."
        return ""


def make_token(
    store: Store, owner: str, label: str, scopes: Collection[Scope], *, days: int, actor: str, at: datetime
) -> tuple[str, ApiToken]:
    """Make a token: as it is shown, once, and what is kept of it. Raises what ``memory.tokens.make`` does."""
    written = PREFIX + draw_token()
    with store.write() as connection:
        kept = tokens.make(
            connection,
            owner,
            label,
            scopes,
            token_hash=hash_token(written),
            until=at + timedelta(days=min(days, tokens.LONGEST.days + 1)),
            actor=actor,
            at=at,
        )
    return written, kept


def caller_of(store: Store, written: str, at: datetime) -> Caller | None:
    """Who is behind a token; None where it is none, or good no more."""
    if not _WRITTEN.fullmatch(written):
        return None
    token_hash = hash_token(written)
    with store.read() as connection:
        found = tokens.bearer(connection, token_hash, at)
    if found is None:
        return None
    if tokens.is_due(found[0], at):
        with store.write() as connection:
            tokens.note_use(connection, found[0].token_id, at)
    return Caller(*found)
