"""The rolling frequency cap: a slot per message that a contact may get in the window, exact under concurrency.

Every claim locks the slots of its contacts in the order of their ids before it looks at anything else, so that two
workers can never both find the same room. Counting rows without the lock would be wrong on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, func, select, update

from memory.canonical import digest
from memory.schema import EPOCH, cap_slots, messages
from memory.store import upsert

_CHUNK = 1000
# What a slot reads before it was ever taken.
_NEVER = EPOCH


@dataclass(frozen=True)
class Slot:
    """One place under the cap: when it was last taken, and by which message."""

    slot: int
    reserved_at: datetime
    message_key: str | None


@dataclass(frozen=True)
class Cap:
    """At most ``limit`` messages in any ``window_days`` days."""

    limit: int
    window_days: int

    def used(self, slots: Iterable[Slot], at: datetime, *, besides: str = "") -> int:
        """How many places are taken at a moment, not counting the message ``besides``."""
        since = at - timedelta(days=self.window_days)
        return sum(1 for slot in slots if slot.reserved_at > since and (slot.message_key or "") != besides)

    def room_at(self, slots: Iterable[Slot], at: datetime) -> datetime:
        """The first moment from ``at`` on at which there is room for one more."""
        window = timedelta(days=self.window_days)
        ends = sorted((slot.reserved_at + window for slot in slots if slot.reserved_at + window > at), reverse=True)
        return at if len(ends) < self.limit or self.limit == 0 else ends[self.limit - 1]


def newest(slots: Iterable[Slot], *, besides: str) -> datetime | None:
    """When the newest message left that is not the one ``besides``; None for none."""
    found = [slot.reserved_at for slot in slots if slot.reserved_at > _NEVER and (slot.message_key or "") != besides]
    return max(found, default=None)


def read(connection: Connection, contact_ids: Collection[int]) -> dict[int, list[Slot]]:
    """The slots of contacts without locking them: for previews, which promise nothing."""
    found: dict[int, list[Slot]] = {}
    for chunk in _chunks(sorted(set(contact_ids))):
        query = select(cap_slots).where(cap_slots.c.contact_id.in_(chunk))
        _collect(connection, query, found)
    return found


def taken(among: ColumnElement[bool], *, cap: Cap, at: datetime) -> Select[Any]:
    """(contact_id, used, newest): what ``Cap.used`` and ``newest`` say of contacts, besides no message, unlocked."""
    since = at - timedelta(days=cap.window_days)
    held = func.coalesce(cap_slots.c.message_key, "") != ""
    return (
        select(
            cap_slots.c.contact_id,
            func.sum(case((cap_slots.c.reserved_at > since, 1), else_=0)).label("used"),
            func.max(cap_slots.c.reserved_at).label("newest"),
        )
        .where(among, held, cap_slots.c.reserved_at > _NEVER)
        .group_by(cap_slots.c.contact_id)
    )


def lock(connection: Connection, contact_ids: Collection[int], limit: int) -> dict[int, list[Slot]]:
    """The slots of contacts, at least ``limit`` each, locked until the transaction ends.

    Locks are taken in the order of contact and slot, so that two claims wait for each other and never deadlock.
    """
    ids = sorted(set(contact_ids))
    found: dict[int, list[Slot]] = {}
    for chunk in _chunks(ids):
        counted = select(cap_slots.c.contact_id, func.max(cap_slots.c.slot)).where(cap_slots.c.contact_id.in_(chunk))
        highest = {row[0]: row[1] for row in connection.execute(counted.group_by(cap_slots.c.contact_id))}
        missing = [
            {"contact_id": contact_id, "slot": slot, "reserved_at": _NEVER, "message_key": None}
            for contact_id in chunk
            for slot in range(highest.get(contact_id, -1) + 1, limit)
        ]
        upsert(connection, cap_slots, missing)
    for chunk in _chunks(ids):
        query = select(cap_slots).where(cap_slots.c.contact_id.in_(chunk))
        _collect(connection, query.order_by(cap_slots.c.contact_id, cap_slots.c.slot).with_for_update(), found)
    return found


def reserve(
    connection: Connection,
    requests: Mapping[int, str],
    locked: Mapping[int, Sequence[Slot]],
    *,
    cap: Cap,
    at: datetime,
) -> set[int]:
    """Take a place for one message of each contact, from slots that ``lock`` returned in this transaction.

    ``requests`` maps a contact to its message key. Returns the contacts that got room. A message that already holds a
    place keeps it.
    """
    taken: list[dict[str, Any]] = []
    granted: set[int] = set()
    for contact_id, key in sorted(requests.items()):
        slots = locked.get(contact_id, [])
        if any(slot.message_key == key for slot in slots):
            granted.add(contact_id)
        elif slots and cap.used(slots, at) < cap.limit:
            oldest = min(slots, key=lambda slot: (slot.reserved_at, slot.slot))
            taken.append({"of": contact_id, "nr": oldest.slot, "then": at, "key": key})
            granted.add(contact_id)
    _write(connection, taken)
    return granted


def settle(connection: Connection, sent: Collection[tuple[int, str]], at: datetime) -> None:
    """Move the places of messages to the moment at which they really left, so that the window counts from there."""
    statement = (
        update(cap_slots)
        .where(cap_slots.c.contact_id == bindparam("of"), cap_slots.c.message_key == bindparam("key"))
        .where(cap_slots.c.reserved_at < bindparam("then"))
        .values(reserved_at=bindparam("then"))
    )
    rows = [{"of": contact_id, "key": key, "then": at} for contact_id, key in sorted(sent)]
    if rows:
        connection.execute(statement, rows)


def refund(connection: Connection, unsent: Collection[tuple[int, str]]) -> None:
    """Give back the places of messages that certainly did not leave, recomputed from the ledger under the lock."""
    given = {contact_id: {key for other, key in unsent if other == contact_id} for contact_id, _ in unsent}
    locked = lock(connection, given, 0)
    earlier = _left_before(connection, locked)
    rows: list[dict[str, Any]] = []
    for contact_id, slots in sorted(locked.items()):
        held = {slot.message_key for slot in slots}
        spare = [(then, key) for then, key in earlier.get(contact_id, []) if key not in held]
        for slot in slots:
            if slot.message_key in given[contact_id]:
                # The place goes back to the newest message that it had pushed out.
                then, key = spare.pop(0) if spare else (_NEVER, None)
                rows.append({"of": contact_id, "nr": slot.slot, "then": then, "key": key})
    _write(connection, rows)


MOST_PLACES = 12
"""No pack's cap allows more in its window."""


def seed(connection: Connection, sends: Iterable[tuple[int, str, datetime]], limit: int) -> int:
    """Let messages that other systems sent enter the cap: (contact, their key, when). Returns how many were new.

    Only the newest ``limit`` of each contact matter; the same message twice counts once.
    """
    known: dict[int, dict[str, datetime]] = {}
    for contact_id, key, at in sends:
        known.setdefault(contact_id, {})[digest(["imported", key])] = at
    entered = 0
    ids = sorted(known)
    for chunk in _chunks(ids):
        locked = lock(connection, chunk, limit)
        rows: list[dict[str, Any]] = []
        for contact_id in chunk:
            slots = locked[contact_id]
            held = {slot.message_key for slot in slots}
            new = sorted(((at, key) for key, at in known[contact_id].items() if key not in held), reverse=True)
            oldest = sorted(slots, key=lambda slot: (slot.reserved_at, slot.slot))
            for slot, (then, key) in zip(oldest, new, strict=False):
                if then <= slot.reserved_at:
                    break
                rows.append({"of": contact_id, "nr": slot.slot, "then": then, "key": key})
        _write(connection, rows)
        entered += len(rows)
    return entered


def merge(connection: Connection, *, kept: int, merged: int) -> None:
    """Let one contact's places count for another as well: two records turned out to be one person."""
    both = lock(connection, [kept, merged], 0)
    places = max((len(slots) for slots in both.values()), default=0)
    both = lock(connection, [kept, merged], places)
    newest = sorted((*both[kept], *both[merged]), key=lambda slot: slot.reserved_at, reverse=True) if places else []
    rows = [
        {"of": kept, "nr": slot.slot, "then": source.reserved_at, "key": source.message_key}
        for slot, source in zip(both.get(kept, []), newest, strict=False)
    ]
    _write(connection, rows)


def _left_before(connection: Connection, contact_ids: Collection[int]) -> dict[int, list[tuple[datetime, str]]]:
    """What may have left for each contact, newest first."""
    found: dict[int, list[tuple[datetime, str]]] = {}
    when = func.coalesce(messages.c.sent_at, messages.c.claimed_at)
    for chunk in _chunks(sorted(contact_ids)):
        query = (
            select(messages.c.contact_id, messages.c.sent_at, messages.c.claimed_at, messages.c.message_key)
            .where(messages.c.contact_id.in_(chunk), messages.c.purpose == "marketing")
            .where(messages.c.state.in_(["sent", "claimed", "unknown"]), when.is_not(None))
            .order_by(messages.c.contact_id, when.desc(), messages.c.message_id)
        )
        for row in connection.execute(query):
            found.setdefault(row.contact_id, []).append((row.sent_at or row.claimed_at, row.message_key))
    return found


def _write(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    statement = (
        update(cap_slots)
        .where(cap_slots.c.contact_id == bindparam("of"), cap_slots.c.slot == bindparam("nr"))
        .values(reserved_at=bindparam("then"), message_key=bindparam("key"))
    )
    connection.execute(statement, rows)


def _collect(connection: Connection, query: Any, into: dict[int, list[Slot]]) -> None:
    for row in connection.execute(query):
        into.setdefault(row.contact_id, []).append(Slot(row.slot, row.reserved_at, row.message_key))


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]
