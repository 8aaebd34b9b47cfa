"""Erase a contact: stop what goes to them, take them off audiences, then forget who they were, everywhere."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, delete, select

from memory import contacts, enrolments, erasure, ledger, removals
from memory.alerts import Alert, raise_alerts
from memory.backup import is_backup
from memory.canonical import keyed_hash
from memory.erasure import Traces
from memory.forgotten import keep_names
from memory.journal import append
from memory.lake import Lake
from memory.schema import arrivals, consent_current, messages
from memory.store import Store
from memory.workspace import salt
from tools.drain import drain
from tools.take_off import removal
from tools.workplace import Workplace

REASON: Final = "erased"
_DATABASE: Final = "store.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How far the erasure of one contact has come."""

    contact_id: int
    finished: bool
    waits_for: tuple[str, ...] = ()
    """What must happen before the address may be forgotten, each in a sentence."""
    cancelled: int = 0
    """Planned messages that will never leave."""
    stored_mails: int = 0
    """Files of the sandbox that were deleted."""
    left: tuple[str, ...] = ()
    """Places that name the contact and that Noria may not change; a person has to look."""
    backups: tuple[str, ...] = ()
    """Files from before, in which the contact still is."""


def erase(store: Store, lake: Lake, contact_id: int, *, at: datetime, actor: str, taken_off: bool = False) -> Erased:
    """Erase a contact and everybody merged into them; raises NotFoundError.

    While a message is in flight, or an advertising audience still holds the contact, the address is kept and a worker
    goes on later; ``taken_off`` is a person's word that no audience holds them. Doing it again changes nothing more.
    """
    with store.write() as connection:
        contact_id, cancelled = ask_to_erase(connection, contact_id, at=at, actor=actor, taken_off=taken_off)
        ids = erasure.family(connection, contact_id)
        known = erasure.traces(connection, ids)
        waits_for = _waits_for(connection, ids, actor, at, taken_off=erasure.is_taken_off(connection, contact_id))
        if not waits_for:
            erasure.close(connection, ids, at)
        secret = salt(connection)
    if waits_for:
        return Erased(contact_id=contact_id, finished=False, waits_for=waits_for, cancelled=cancelled)
    # What was on its way to the lake goes first: it may say more than what is written from now on.
    drain(store, lake)
    lake.erase(ids, [one.lower() for one in known.texts], _event_names(lake, known, secret))
    folder = lake.folder.parent
    with store.read() as connection:
        keys = connection.execute(select(messages.c.message_key).where(messages.c.contact_id.in_(ids))).scalars().all()
    mails = _delete_mails(folder / "outbox", keys)
    with store.write() as connection:
        erasure.empty(connection, ids, known, at, actor)
        sealed = erasure.sealed_mentions(connection, known)
    if not store.overwrite():
        waits = ("Another process reads the store: its file still holds what was deleted, until the next try.",)
        return Erased(contact_id=contact_id, finished=False, waits_for=waits, cancelled=cancelled, stored_mails=mails)
    with store.write() as connection:
        if erasure.finish(connection, contact_id, at):
            _note(connection, "contact.erased", contact_id, actor, at)
    backups, files = _files(folder, known)
    return Erased(
        contact_id=contact_id,
        finished=True,
        cancelled=cancelled,
        stored_mails=mails,
        left=(*(f"{number} rows of {table}" for table, number in sealed.items()), *files),
        backups=backups,
    )


def ask_to_erase(
    connection: Connection, contact_id: int, *, at: datetime, actor: str, taken_off: bool = False
) -> tuple[int, int]:
    """Note that a contact is to be erased and stop whatever goes to them; a worker does the rest.

    Returns the contact whom they were merged into, or themselves, and how many planned messages were cancelled. Raises
    NotFoundError.
    """
    contact_id = contacts.get(connection, contact_id).contact_id
    ids = erasure.family(connection, contact_id)
    if erasure.ask(connection, contact_id, actor=actor, at=at, taken_off=taken_off):
        _note(connection, "contact.erasure_asked", contact_id, actor, at)
    return contact_id, _stop(connection, ids, erasure.traces(connection, ids), at)


def go_on(place: Workplace) -> list[Erased]:
    """Go on with erasures that waited; what a person has to look at becomes an alert."""
    with place.store.read() as connection:
        waiting = erasure.unfinished(connection)
    done = [
        erase(place.store, place.lake, contact_id, at=place.clock.now(), actor=actor) for contact_id, actor in waiting
    ]
    for one in done:
        if one.finished and (one.left or one.backups):
            where = ", ".join((*one.left, *one.backups))
            task = {
                "en": f"Contact {one.contact_id} is erased. These may still name them, look and delete: {where}.",
                "fr": f"Le contact {one.contact_id} est effacé. Peuvent encore le nommer, à vérifier : {where}.",
            }
            with place.store.write() as connection:
                raise_alerts(connection, [Alert(step_key=REASON, task=task, raised_at=place.clock.now())])
    return done


def _note(connection: Connection, action: str, contact_id: int, actor: str, at: datetime) -> None:
    append(connection, at=at, actor=actor, action=action, subject=f"contact {contact_id}", payload={})


def _stop(connection: Connection, ids: Sequence[int], known: Traces, at: datetime) -> int:
    """Nothing goes to them from now on, whoever names them; returns how many messages were cancelled."""
    keep_names(connection, emails=known.emails, phones=known.phones, aliases=known.aliases, at=at)
    for table in (consent_current, arrivals):
        connection.execute(delete(table).where(table.c.contact_id.in_(ids)))
    inside = enrolments.active(connection, ids)
    enrolments.leave(connection, {one.enrolment_id: REASON for one in inside}, at)
    return len(ledger.cancel(connection, messages.c.contact_id.in_(ids), REASON))


def _waits_for(
    connection: Connection, ids: Sequence[int], actor: str, at: datetime, *, taken_off: bool
) -> tuple[str, ...]:
    """Why the address may not be forgotten yet; removals from audiences are planned on the way."""
    listed = removals.listed(connection, ids)
    if listed.unplanned and not taken_off:
        ledger.plan(connection, [removal(one, at) for one in listed.unplanned], actor=actor, at=at)
        listed = removals.listed(connection, ids)
    flying = select(messages.c.message_id).where(messages.c.contact_id.in_(ids), messages.c.state == "claimed")
    waits = []
    if connection.execute(flying).first():
        waits.append("A message to them is in flight.")
    if taken_off:
        ledger.cancel_removals(connection, messages.c.contact_id.in_(ids), REASON)
        return tuple(waits)
    waits += [f"The removal from the audience {name} has not arrived yet." for name in listed.awaited]
    waits += [
        f"Nobody knows whether the audience {name} still holds them: take them off at the platform, "
        "then erase with --taken-off."
        for name in listed.by_hand
    ]
    return tuple(waits)


def _event_names(lake: Lake, known: Traces, secret: str) -> dict[str, str]:
    """Ids of events in the lake that name the contact, and what they are called from now on."""
    engine = lake.connect()
    try:
        query = "SELECT event_id FROM events WHERE contains(lower(event_id), ?)"
        found = [engine.con.execute(query, [text.lower()]).fetchall() for text in known.texts]
    finally:
        engine.disconnect()
    return {row[0]: keyed_hash(secret, row[0]) for rows in found for row in rows}


def _delete_mails(folder: Path, keys: Sequence[str]) -> int:
    wanted, deleted = set(keys), 0
    for path in folder.glob("*") if wanted else ():
        # A draft of a worker that died is named after the message too.
        if path.name.lstrip(".").split(".", 1)[0] in wanted:
            path.unlink(missing_ok=True)
            deleted += 1
    return deleted


def _files(folder: Path, known: Traces) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Files of the workspace: backups, and others that name the contact."""
    backups, files = [], []
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or name.startswith(("lake/", _DATABASE)):
            continue
        if is_backup(path):
            backups.append(name)
        elif _mentions(path, known.texts):
            files.append(name)
    return tuple(backups), tuple(files)


def _mentions(path: Path, texts: Sequence[str]) -> bool:
    if not texts or not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(one) >= 0 for one in _spellings(texts))


def _spellings(texts: Sequence[str]) -> Iterator[bytes]:
    for text in texts:
        yield from {text.encode(), text.lower().encode()}
