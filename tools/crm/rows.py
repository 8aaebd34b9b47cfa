"""Records of a system as rows of an import: written by the mapping, less what the record keeps for itself."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from memory.contacts import Contact
from memory.importing.mapping import ColumnMapping
from memory.importing.mapping import Mapping as ReadAs
from tools.crm.connector import Record, System, written
from tools.crm.mapping import ATTRIBUTE, ID_COLUMN, Rules, properties_in, read_as

_ATTRIBUTES: Final = "attributes"


class Rows:
    """Writes records of one thing as a file that an import reads."""

    def __init__(self, system: System, thing: str, rules: Rules, own: ReadAs | None = None) -> None:
        """``own`` is how the columns are read where the system has no mapping."""
        self.mapping, self._properties = read_as(system, thing, rules)
        if own is not None:
            self.mapping, self._properties = own, {one.column: one.column for one in own.columns}
        self._rules = rules
        self._guarded = {name: rule for name, rule in rules.items() if rule.wins != "theirs"}
        self.header = [one.column for one in self.mapping.columns]
        self.wanted = properties_in(rules) or self.header
        """The properties that are asked for."""

    @property
    def asks_the_record(self) -> bool:
        """Whether a field is kept for what the record has already."""
        return bool(self._guarded)

    def name_of(self, record: Record) -> str:
        """The id of the contact in the system, else the address; empty where the record says neither."""
        return self._first_cell(record, "contact") or self.address_of(record)

    def address_of(self, record: Record) -> str:
        """The e-mail address of the contact, as it is compared; empty where the record says none."""
        return self._first_cell(record, "email").lower()

    def place_of(self, record: Record, number: int) -> str | int:
        """What keeps the rows of one order apart: their position, else the ``number`` of each."""
        if self.mapping.kind not in {"orders", "lines"}:
            return ""
        return self._first_cell(record, "position") or number

    def write(self, path: Path, records: Sequence[Record], known: Mapping[str, Contact]) -> None:
        """Write the file; ``known`` are the contacts by ``name_of``, where a rule asks for them."""
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow(self.header)
            out.writerows(self._row(one, self._kept(one, known.get(self.name_of(one)))) for one in records)

    def _row(self, record: Record, kept: set[str]) -> list[str]:
        return [self._cell(record, column, kept) for column in self.mapping.columns]

    def _cell(self, record: Record, column: ColumnMapping, kept: set[str]) -> str:
        if column.column == ID_COLUMN and ID_COLUMN not in self._properties:
            return record.id
        if column.column == _ATTRIBUTES and _ATTRIBUTES not in self._properties:
            return self._attributes(record, kept)
        value = record.values.get(self._properties[column.column])
        return "" if column.field in kept else text_of(value)

    def _first_cell(self, record: Record, field: str) -> str:
        cells = (self._cell(record, one, set()).strip() for one in self.mapping.of(field))
        return next(filter(None, cells), "")

    def _attributes(self, record: Record, kept: set[str]) -> str:
        found = {
            name.removeprefix(ATTRIBUTE): value
            for name, rule in self._rules.items()
            if name.startswith(ATTRIBUTE) and name not in kept
            if (value := rule.value or _first(record, rule.properties)) is not None
        }
        return json.dumps(found, ensure_ascii=False) if found else ""

    def _kept(self, record: Record, contact: Contact | None) -> set[str]:
        """The fields in which the record's own value stays."""
        if contact is None:
            return set()
        return {
            name
            for name, rule in self._guarded.items()
            if has(contact, name) and not (rule.wins == "newest" and _is_newer(record, contact.updated_at))
        }


def has(contact: Contact, name: str) -> object:
    """What the record says in a field; nothing for a field that it does not keep by itself."""
    if name.startswith(ATTRIBUTE):
        return contact.attributes.get(name.removeprefix(ATTRIBUTE))
    return getattr(contact, name, None) or contact.attributes.get(name)


def text_of(value: Any) -> str:
    """A value as the cell of a file."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return written(value)
    if isinstance(value, list | tuple):
        return ";".join(text_of(one) for one in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    # PostgreSQL keeps no NUL in a text.
    return str(value).replace("\x00", "")


def _first(record: Record, properties: Sequence[str]) -> Any:
    found = next((one for name in properties if (one := record.values.get(name)) not in (None, "", [])), None)
    return text_of(found) if isinstance(found, str | list | dict | datetime) else found


def _is_newer(record: Record, updated_at: datetime) -> bool:
    return record.changed_at is not None and record.changed_at > updated_at
