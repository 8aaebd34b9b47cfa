"""What a pull would change, shown before anything is written."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from memory.contacts import Contact
from memory.importing.columns import RowReader
from memory.importing.export import open_export
from memory.importing.mapping import Mapping as ReadAs
from memory.importing.report import Reason, reasons_of
from memory.schema import from_micros
from memory.syncs import standings
from tools.crm.connector import Connector, Record
from tools.crm.mapping import ATTRIBUTE, ID_FIELD, Rules
from tools.crm.rows import Rows, has
from tools.crm.sync import Intake, known_of, rows_of

_SHOWN = 5
_MOMENTS = frozenset({"at", "created_at", "opened_at", "closed_at", "consent_at", "confirmed_at", "cancelled_at"})


class Change(BaseModel):
    """One field of one record."""

    model_config = ConfigDict(frozen=True)

    id: str
    field: str
    before: str = Field(repr=False)
    """What the record says now; empty for nothing, or where only the new value is known."""
    after: str = Field(repr=False)


class Preview(BaseModel):
    """The first page of one thing, as it would come in."""

    model_config = ConfigDict(frozen=True)

    thing: str
    kind: str
    read: int
    total: int | None
    new: int
    """Records that are not known yet, among contacts."""
    changes: tuple[Change, ...]
    """Of the first records that would change."""
    reasons: tuple[Reason, ...]
    """Why some would be set aside."""
    unread: tuple[str, ...]
    """Properties that the system has and nothing reads; custom ones first."""


def preview(place: Intake, connector: Connector, mapping: Mapping[str, Rules]) -> list[Preview]:
    """The next page of each thing as it would come in; nothing is written. Raises ConnectorError."""
    return [_look(place, connector, thing, rows) for thing, rows in rows_of(connector, mapping)]


def _look(place: Intake, connector: Connector, thing: str, rows: Rows) -> Preview:
    system = connector.system
    with place.store.read() as connection:
        cursor = next((one.cursor for one in standings(connection, system.name) if one.thing == thing), "")
    page = connector.read(thing, cursor, rows.wanted)
    records = [one for one in page.records if one.deleted_at is None]
    with place.store.read() as connection:
        people = records if system.things[thing] == "contacts" else []
        known = known_of(connection, system.name, rows, people)
    parsed, reasons = _parse(place, rows, records, known)
    changes: list[Change] = []
    changed = 0
    for row in parsed:
        mine = _changes(row, known.get(_name_of(row, rows.mapping)), rows.mapping)
        if mine and changed < _SHOWN:
            changed += 1
            changes += mine
    offered = connector.properties(thing)
    unread = sorted((one for one in offered if one.name not in rows.wanted), key=lambda one: (not one.custom, one.name))
    return Preview(
        thing=thing,
        kind=system.things[thing],
        read=len(page.records),
        total=page.total,
        new=len({rows.name_of(one) for one in people} - set(known)),
        changes=tuple(changes),
        reasons=reasons,
        unread=tuple(f"{one.name} (custom)" if one.custom else one.name for one in unread),
    )


def _parse(
    place: Intake, rows: Rows, records: Sequence[Record], known: Mapping[str, Contact]
) -> tuple[list[dict[str, Any]], tuple[Reason, ...]]:
    with tempfile.TemporaryDirectory(prefix="noria-sync-") as folder:
        path = Path(folder) / "preview.csv"
        rows.write(path, records, known)
        reader = RowReader(open_export(path), rows.mapping, place.settings, place.clock.now())
        blocks = list(reader.blocks())
    found = [row for block in blocks for row in block.rows.to_pylist()]
    return found, reasons_of([bad for block in blocks for bad in block.bad])


def _name_of(row: Mapping[str, Any], mapping: ReadAs) -> str:
    return str(row.get(ID_FIELD.get(mapping.kind, "")) or row.get("email") or "")


def _changes(row: Mapping[str, Any], contact: Contact | None, mapping: ReadAs) -> list[Change]:
    name, found = _name_of(row, mapping), []
    attributes = json.loads(row.get("attributes") or "{}")
    values = {**row, **{f"{ATTRIBUTE}{one}": value for one, value in attributes.items()}}
    for field, value in values.items():
        if value is None or field in {"line", "attributes", ID_FIELD.get(mapping.kind)}:
            continue
        after = from_micros(value).isoformat(timespec="seconds") if field in _MOMENTS else str(value)
        before = _said(contact, field)
        if before != after:
            found.append(Change(id=name, field=field, before=before, after=after))
    return found


def _said(contact: Contact | None, field: str) -> str:
    if contact is None:
        return ""
    value = has(contact, field)
    return value.isoformat(timespec="seconds") if hasattr(value, "isoformat") else str(value or "")
