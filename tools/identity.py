"""Identity resolution: whose each of many events is, in a few statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, select

from memory import contacts as people
from memory.schema import messages
from memory.store import Store


class Named(Protocol):
    """Something that says whom it is about."""

    @property
    def contact(self) -> int | str:
        """Contact id, or an address or id that some source uses."""

    @property
    def properties(self) -> Mapping[str, Any]:
        """What else it says; ``message_key`` names a message of ours."""


def by_number(store: Store, events: Sequence[Named]) -> dict[str, int]:
    """Contacts by telephone number, for events that tell no message of ours.

    Numbers stand as people wrote them, so each is sought among all contacts: never while the store is locked.
    """
    numbers = [event for event in events if isinstance(event.contact, str) and event.contact.startswith("+")]
    if not numbers:
        return {}
    with store.read() as connection:
        written_to = _written_to(connection, numbers)
        wanted = {str(event.contact) for event in numbers if _message_key(event) not in written_to}
        found = {number: people.with_phone(connection, number) for number in sorted(wanted)}
    return {number: one.contact_id for number, one in found.items() if one is not None}


def whose(connection: Connection, events: Sequence[Named], numbers: Mapping[str, int]) -> list[int | None]:
    """The contact of each event, following merges; None for a stranger, as whoever was erased is.

    Where the name is unknown it is whoever the message was for, and at last who has the number in ``numbers``.
    """
    # A shop's own number is not Noria's: a stranger must never pass for the contact who has it here.
    named = people.ids_of(connection, {event.contact for event in events if isinstance(event.contact, str)})
    ids = [event.contact if isinstance(event.contact, int) else named.get(event.contact) for event in events]
    standing = people.standing(connection, {one for one in ids if one is not None})
    unknown = [place for place, one in enumerate(ids) if one not in standing]
    written_to = _written_to(connection, [events[place] for place in unknown])
    for place in unknown:
        ids[place] = written_to.get(_message_key(events[place]), numbers.get(str(events[place].contact)))
    standing |= people.standing(connection, {one for place in unknown for one in [ids[place]] if one is not None})
    return [None if one is None else standing.get(one) for one in ids]


def _written_to(connection: Connection, events: Sequence[Named]) -> dict[str, int]:
    """Whom the messages were for that events are about: several may share a number, but not a message."""
    keys = {key for event in events for key in [_message_key(event)] if key}
    if not keys:
        return {}
    query = select(messages.c.message_key, messages.c.contact_id).where(messages.c.message_key.in_(keys))
    return {row.message_key: row.contact_id for row in connection.execute(query)}


def _message_key(event: Named) -> str:
    key = event.properties.get("message_key")
    return key if isinstance(key, str) else ""
