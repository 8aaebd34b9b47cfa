"""Names of people who were erased, as keyed hashes: recognised when they come back, and readable by nobody."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, get_args

from sqlalchemy import Connection, delete, select

from memory.address import phone_hash
from memory.canonical import address_hash, keyed_hash
from memory.errors import NotFoundError
from memory.journal import append
from memory.schema import contact_aliases, contacts, suppressions
from memory.steps import Channel
from memory.store import upsert
from memory.workspace import salt

REASON: Final = "erased"
IMPORT: Final = "import"
"""Stands for a channel where the name is the id that a source gave."""
ANONYMOUS: Final = "anonymous"
"""The source of ids that sites give to browsers."""


class Forgotten:
    """Tells whether a name is that of somebody who was erased."""

    def __init__(self, connection: Connection, secret: str) -> None:
        """``secret`` is the workspace salt."""
        self._secret = secret
        listed = select(suppressions.c.address_hash).where(suppressions.c.reason == REASON)
        # Whoever an older release erased is known by the hash on their own row.
        older = select(contacts.c.email_hash).where(
            contacts.c.erased_at.is_not(None), contacts.c.email_hash.is_not(None)
        )
        self._hashes = {*connection.execute(listed).scalars(), *connection.execute(older).scalars()} - {None}

    def knows(self, source: str, *, contact: str | None, anonymous: str | None, email: str | None) -> bool:
        """Whether any name that a row gives belongs to somebody who was erased."""
        if not self._hashes:
            return False
        names = [address_hash(self._secret, email)] if email else []
        names += [alias_hash(self._secret, source, contact)] if contact else []
        names += [alias_hash(self._secret, ANONYMOUS, anonymous)] if anonymous else []
        return not self._hashes.isdisjoint(names)


def alias_hash(secret: str, source: str, alias: str) -> str:
    """The keyed hash of the id under which a source knew somebody."""
    return keyed_hash(secret, f"{source}\x1f{alias}")


def keep_names(
    connection: Connection,
    *,
    emails: Iterable[str],
    phones: Iterable[str],
    aliases: Iterable[tuple[str, str]],
    at: datetime,
) -> None:
    """Suppress every address on every channel, and every id at the imports, for good and for no other reason."""
    secret = salt(connection)
    listed = [(channel, address_hash(secret, one)) for one in emails for channel in get_args(Channel)]
    listed += [("sms", hashed) for one in phones if (hashed := phone_hash(secret, one))]
    listed += [(IMPORT, alias_hash(secret, source, alias)) for source, alias in aliases]
    rows = [
        {"channel": channel, "address_hash": hashed, "reason": REASON, "at": at, "source": ""}
        for channel, hashed in sorted(set(listed))
    ]
    upsert(connection, suppressions, rows, update=["reason", "at", "source"])


def readmit(connection: Connection, name: str, *, actor: str, reason: str, at: datetime) -> int:
    """Let an address, a telephone number or a source's id of somebody who was erased come in again; returns how many
    hashes were dropped. Nothing of what was erased comes back. Raises NotFoundError for a name that was not erased.
    """
    secret, wanted = salt(connection), name.strip()
    sources = {ANONYMOUS, *connection.execute(select(contact_aliases.c.source).distinct()).scalars()}
    hashes = {address_hash(secret, wanted), *(alias_hash(secret, source, wanted) for source in sources)}
    hashes |= {number} if (number := phone_hash(secret, wanted)) else set()
    mine = (suppressions.c.reason == REASON, suppressions.c.address_hash.in_(sorted(hashes)))
    dropped = connection.execute(delete(suppressions).where(*mine)).rowcount
    if not dropped:
        raise NotFoundError("Nobody of that name was erased.", where="contact", remedy="Import them as anybody else.")
    append(
        connection, at=at, actor=actor, action="contact.readmitted", subject="workspace",
        payload={"names": dropped, "reason": keyed_hash(secret, reason)},
    )  # fmt: skip
    return dropped
