"""Which offer of a play each contact gets: decided at the send, by the value of the open cart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import Connection, select

from memory.play import Play
from memory.schema import contacts

_CHUNK = 500
_T = TypeVar("_T")


def by_tier(
    connection: Connection, play: Play, found: Sequence[_T], contact_of: Callable[[_T], int]
) -> Iterator[tuple[Play, list[_T]]]:
    """What was found, each with the play as its contact gets it, grouped by the offer."""
    if not play.tiers:
        yield play, list(found)
        return
    baskets = _baskets(connection, [contact_of(one) for one in found])
    groups: dict[str, tuple[Play, list[_T]]] = {}
    for one in found:
        shown = play.with_offer_for(baskets.get(contact_of(one)))
        groups.setdefault(shown.offer.offer_id if shown.offer else "", (shown, []))[1].append(one)
    yield from groups.values()


def _baskets(connection: Connection, contact_ids: Sequence[int]) -> dict[int, int | None]:
    found: dict[int, int | None] = {}
    for start in range(0, len(contact_ids), _CHUNK):
        query = select(contacts.c.contact_id, contacts.c.open_cart_cents).where(
            contacts.c.contact_id.in_(contact_ids[start : start + _CHUNK]), contacts.c.open_cart_at.is_not(None)
        )
        found |= {row.contact_id: row.open_cart_cents for row in connection.execute(query)}
    return found
