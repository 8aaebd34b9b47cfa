"""Pools of codes that work once each: one code of an offer for one contact, for good."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select, update

from memory.schema import offer_codes
from memory.store import upsert

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Code:
    """One code of a pool."""

    code_id: int
    code: str


@dataclass(frozen=True, slots=True)
class Pool:
    """How many codes of an offer there are, and how many are left."""

    offer_id: str
    codes: int
    left: int

    @property
    def is_low(self) -> bool:
        """True when less than a tenth is left."""
        return self.left * 10 < self.codes


def add(connection: Connection, rows: Sequence[tuple[str, str]]) -> int:
    """Put (offer id, code) into the pools; a code that is there already stays as it is. Returns how many were new."""
    values = [{"offer_id": offer_id, "code": code} for offer_id, code in rows]
    return upsert(connection, offer_codes, values, keys=["offer_id", "code"])


def pools(connection: Connection) -> list[Pool]:
    """Every pool, in the order of the offers' ids."""
    query = (
        select(offer_codes.c.offer_id, func.count(), func.count(offer_codes.c.contact_id))
        .group_by(offer_codes.c.offer_id)
        .order_by(offer_codes.c.offer_id)
    )
    return [Pool(offer_id, codes, codes - taken) for offer_id, codes, taken in connection.execute(query)]


def of_contacts(connection: Connection, offer_id: str, contact_ids: Collection[int]) -> dict[int, str]:
    """The codes of an offer that contacts hold already."""
    found: dict[int, str] = {}
    ids = sorted(contact_ids)
    for start in range(0, len(ids), _CHUNK):
        query = select(offer_codes.c.contact_id, offer_codes.c.code).where(
            offer_codes.c.offer_id == offer_id, offer_codes.c.contact_id.in_(ids[start : start + _CHUNK])
        )
        found |= {row.contact_id: row.code for row in connection.execute(query)}
    return found


def lock_free(connection: Connection, offer_id: str, most: int, *, after: int = 0) -> list[Code]:
    """Codes that nobody holds, behind the id ``after``, locked; those that another worker looks at are left out."""
    query = (
        select(offer_codes.c.code_id, offer_codes.c.code)
        .where(offer_codes.c.offer_id == offer_id, offer_codes.c.contact_id.is_(None), offer_codes.c.code_id > after)
        .order_by(offer_codes.c.code_id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return [Code(row.code_id, row.code) for row in connection.execute(query)]


def assign(connection: Connection, taken: Sequence[tuple[Code, int, str]], at: datetime) -> None:
    """Give locked codes to contacts for good: (code, contact id, key of the message that shows it first)."""
    if taken:
        connection.execute(
            update(offer_codes)
            .where(offer_codes.c.code_id == bindparam("of"), offer_codes.c.contact_id.is_(None))
            .values(contact_id=bindparam("who"), message_key=bindparam("key"), assigned_at=at),
            [{"of": code.code_id, "who": contact_id, "key": key} for code, contact_id, key in taken],
        )


def merge(connection: Connection, *, kept: int, merged: int) -> None:
    """Let one contact hold the codes of another who turned out to be the same person, where it holds none itself."""
    own = select(offer_codes.c.offer_id).where(offer_codes.c.contact_id == kept).scalar_subquery()
    connection.execute(
        update(offer_codes)
        .where(offer_codes.c.contact_id == merged, offer_codes.c.offer_id.not_in(own))
        .values(contact_id=kept)
    )
