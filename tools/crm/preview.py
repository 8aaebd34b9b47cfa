"""What a pull would change, shown before anything is written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from memory.consents import InForce, in_force
from memory.contacts import Contact
from memory.importing.columns import RowReader, settle
from memory.importing.export import open_export
from memory.importing.mapping import Mapping as ReadAs
from memory.importing.report import Reason, no_progress
from memory.rehearsal import rehearse
from memory.schema import contacts, from_micros
from memory.syncs import standings
from tools.crm.connector import Connector, Page, Property, Record, System
from tools.crm.intake import Intake, bring_in, file_of, known_of, last_of, settings_of, take_out
from tools.crm.mapping import ATTRIBUTE, ID_FIELD, Rules
from tools.crm.rows import Rows, has
from tools.crm.sync import rows_of

_SHOWN = 5
_MOMENTS = frozenset({"at", "created_at", "opened_at", "closed_at", "consent_at", "confirmed_at", "cancelled_at"})
_OF_CONSENT: Final = frozenset({"consent", "opted_out", "confirmed_at", "confirmed_ip"}) | {
    f"consent_{one}" for one in ("at", "source", "proof", "wording", "ip")
}


class Change(BaseModel):
    """One field of one record."""

    model_config = ConfigDict(frozen=True)

    id: str
    field: str
    before: str = Field(repr=False)
    """What the record says now; empty for nothing, or where only the new value is known."""
    after: str = Field(repr=False)


class Preview(BaseModel):
    """The next page of one thing, as it would come in."""

    model_config = ConfigDict(frozen=True)

    thing: str
    kind: str
    read: int = 0
    total: int | None = None
    more: bool = False
    """Whether further pages may follow, which were not looked at."""
    written: int = 0
    unchanged: int = 0
    set_aside: int = 0
    deleted: int = 0
    """What reading this page would do, in the words of a pull."""
    new: int = 0
    """Records that are not known yet, among contacts."""
    changes: tuple[Change, ...] = ()
    """Of the first records that would change."""
    reasons: tuple[Reason, ...] = ()
    """Why some would be set aside."""
    unread: tuple[str, ...] = ()
    """Properties that the system has and nothing reads; custom ones first."""
    trouble: str = ""
    """Why nothing of it can be read; empty where it can."""


@dataclass(frozen=True)
class _Seen:
    """What the record says of the people on a page."""

    contacts: Mapping[str, Contact]
    consents: Mapping[int, InForce]

    def of(self, name: str) -> tuple[dict[str, Any], InForce | None] | None:
        """A contact and their consent, so that two looks can be held against each other."""
        found = self.contacts.get(name)
        said = None if found is None else self.consents.get(found.contact_id)
        return None if found is None else (found.model_dump(exclude={"updated_at"}), said)


def preview(place: Intake, connector: Connector, mapping: Mapping[str, Rules]) -> list[Preview]:
    """The next page of each thing as it would come in: it is taken in, and undone. Raises ConnectorError."""
    system = connector.system
    things, unfit = rows_of(connector, mapping)
    with place.store.read() as connection:
        cursors = {one.thing: one.cursor for one in standings(connection, system.name)}
    pages = {thing: connector.read(thing, cursors.get(thing, ""), rows.wanted) for thing, rows in things.items()}
    offered = {thing: connector.properties(thing) for thing in things}
    with rehearse(place.store, place.lake) as (store, lake):
        trial = replace(place, store=store, lake=lake)
        # In the order of a pull: who comes in first is known to what comes after.
        seen = [_try(trial, system, thing, rows, pages[thing], offered[thing]) for thing, rows in things.items()]
    return [*seen, *(Preview(thing=thing, kind=system.things[thing], trouble=said) for thing, said in unfit.items())]


def _try(trial: Intake, system: System, thing: str, rows: Rows, page: Page, offered: Sequence[Property]) -> Preview:
    records, kind = last_of(rows, page.records), system.things[thing]
    before, there = _seen(trial, system, rows, records), _count(trial)
    parsed: list[dict[str, Any]] = []
    report = None
    if records:
        with file_of(rows, records, before.contacts, f"{system.name} {thing}") as path:
            parsed = _parse(trial, system, path, rows.mapping)
            report = bring_in(trial, system.name, path, rows.mapping, rehearsed=True)
    gone = take_out(trial, system, thing, [one for one in page.records if one.deleted_at is not None], rehearsed=True)
    after, new = _seen(trial, system, rows, records), _count(trial) - there
    taken = [row for row in parsed if report is not None and row["line"] not in report.left_out]
    changed = [changes for row in taken if (changes := _changes(row, before, after, rows.mapping))]
    shown = changed[:_SHOWN] if report is not None and report.rows_written else []
    unread = sorted((one for one in offered if one.name not in rows.wanted), key=lambda one: (not one.custom, one.name))
    return Preview(
        thing=thing,
        kind=kind,
        read=len(page.records),
        total=page.total,
        more=page.more,
        written=report.rows_written if report else 0,
        unchanged=report.rows_unchanged if report else 0,
        set_aside=report.rows_quarantined if report else 0,
        deleted=gone,
        new=new if kind == "contacts" else 0,
        changes=tuple(change for changes in shown for change in changes),
        reasons=report.reasons if report else (),
        unread=tuple(f"{one.name} (custom)" if one.custom else one.name for one in unread),
    )


def _seen(trial: Intake, system: System, rows: Rows, records: Sequence[Record]) -> _Seen:
    if rows.mapping.kind != "contacts":
        return _Seen({}, {})
    with trial.store.read() as connection:
        known = known_of(connection, system.name, rows, records)
        ids = {one.contact_id for one in known.values()}
        return _Seen(known, in_force(connection, ids, "email", "marketing"))


def _count(trial: Intake) -> int:
    """How many contacts there are, whatever became of them."""
    with trial.store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(contacts)).scalar_one())


def _parse(trial: Intake, system: System, path: Path, mapping: ReadAs) -> list[dict[str, Any]]:
    export, settings = open_export(path), settings_of(trial, system.name)
    settled, _ = settle(export, mapping, settings, no_progress)
    reader = RowReader(export, settled, settings, trial.clock.now() + settings.clock_skew)
    return [row for block in reader.blocks() for row in block.rows.to_pylist()]


def _name_of(row: Mapping[str, Any], mapping: ReadAs) -> str:
    return str(row.get(ID_FIELD.get(mapping.kind, "")) or row.get("email") or "")


def _changes(row: Mapping[str, Any], before: _Seen, after: _Seen, mapping: ReadAs) -> list[Change]:
    name, found = _name_of(row, mapping), []
    contact, was, now = before.contacts.get(name), before.of(name), after.of(name)
    if was is not None and was == now:
        return []
    # What somebody allowed may be on record from elsewhere, and then an export changes nothing of it.
    same_consent = now is not None and (was[1] if was else None) == now[1]
    attributes = json.loads(row.get("attributes") or "{}")
    values = {**row, **{f"{ATTRIBUTE}{one}": value for one, value in attributes.items()}}
    for field, value in values.items():
        if value is None or field in {"line", "attributes", ID_FIELD.get(mapping.kind)}:
            continue
        if same_consent and field in _OF_CONSENT:
            continue
        after_it = from_micros(value).isoformat(timespec="seconds") if field in _MOMENTS else str(value)
        said = was[1].state if field == "consent" and was and was[1] else _said(contact, field)
        if said != after_it:
            found.append(Change(id=name, field=field, before=said, after=after_it))
    return found


def _said(contact: Contact | None, field: str) -> str:
    if contact is None:
        return ""
    value = has(contact, field)
    return value.isoformat(timespec="seconds") if hasattr(value, "isoformat") else str(value or "")
