"""Read the columns of a file into typed columns, each distinct text once, and set bad rows apart with their reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from memory.importing.amounts import Mark, MarkEvidence, mark_evidence
from memory.importing.export import Block, Export, many_rows
from memory.importing.mapping import ColumnMapping, Mapping
from memory.importing.moments import DayEvidence, day_evidence
from memory.importing.report import BadRow, ImportSettings, Progress
from memory.importing.rows import FieldSpec, Reading, fields_of_kind, is_nothing

_KEPT_TEXTS = 300_000
_TYPES: dict[type, pa.DataType] = {int: pa.int64(), str: pa.string(), bool: pa.bool_()}


@dataclass(slots=True)
class Parsed:
    """One block of rows as typed columns (with their line), and the rows that were set apart."""

    rows: pa.Table
    bad: list[BadRow]
    seen: int
    done_bytes: int


@dataclass(slots=True)
class Softened:
    """Cells that could not be read and were left empty, the row being kept."""

    cells: int = 0
    first_line: int = 0
    reason: str = ""


@dataclass(slots=True)
class Softening:
    """Per column, what was left empty."""

    columns: dict[str, Softened] = field(default_factory=dict)

    def add(self, column: str, line: int, reason: str) -> None:
        found = self.columns.setdefault(column, Softened(0, line, reason))
        found.cells += 1

    def notes(self) -> list[str]:
        return [
            f"{found.cells} cells of the column {column} were left empty: {found.reason} (line {found.first_line})."
            for column, found in self.columns.items()
        ]


def settle(export: Export, mapping: Mapping, settings: ImportSettings, progress: Progress) -> tuple[Mapping, int]:
    """Decide the order of day and month and the decimal mark of each column by looking at all of it.

    Returns the mapping with those decisions and their reasons, and the number of rows.
    """
    specs = fields_of_kind(mapping.kind)
    wanted: list[tuple[int, ColumnMapping, str]] = []
    for one in mapping.columns:
        role = specs[one.field].means.role if one.field else ""
        if (role == "moment" and one.day_first is None) or (role in {"amount", "count"} and one.decimal_mark is None):
            wanted.append((export.header.index(one.column), one, role))
    days = {one.column: DayEvidence() for _, one, role in wanted if role == "moment"}
    marks = {one.column: MarkEvidence() for _, one, role in wanted if role != "moment"}
    rows = 0
    with many_rows():
        for block in export.blocks():
            rows += len(block.rows) + len(block.ragged)
            progress("looking", block.done_bytes, export.size_bytes)
            for index, one, role in wanted:
                texts = {row[index] for row in block.rows}
                if role == "moment":
                    days[one.column] = _sum_days(days[one.column], day_evidence(texts))
                else:
                    marks[one.column] = _sum_marks(marks[one.column], mark_evidence(texts))
    # A file where one column settles the matter was written by one program: the others follow it.
    all_days = DayEvidence()
    for found in days.values():
        all_days = _sum_days(all_days, found)
    all_marks = MarkEvidence()
    for mark in marks.values():
        all_marks = _sum_marks(all_marks, mark)
    notes: list[str] = []
    decided: dict[str, ColumnMapping] = {}
    for _, one, role in wanted:
        if role == "moment":
            first, why = _day_first(days[one.column], all_days, settings)
            decided[one.column] = one.model_copy(update={"day_first": first, "reason": f"{one.reason} {why}".strip()})
        else:
            decimal, why = _decimal_mark(marks[one.column], all_marks, export.delimiter)
            decided[one.column] = one.model_copy(
                update={"decimal_mark": decimal, "reason": f"{one.reason} {why}".strip()}
            )
        if "settings" in why or "could be either" in why:
            notes.append(f"{one.column}: {why}")
    columns = tuple(decided.get(one.column, one) for one in mapping.columns)
    return mapping.model_copy(update={"columns": columns, "notes": (*mapping.notes, *notes)}), rows


class ColumnReader(dict[str, Any]):
    """Reads the texts of one column, each distinct text once; what cannot be read is None, with its reason kept."""

    def __init__(self, adapter: TypeAdapter[Any], role: str, reading: Reading) -> None:
        super().__init__()
        self._adapter = adapter
        self._role = role
        self._reading = reading
        self.bad: dict[str, str] = {}

    def __missing__(self, text: str) -> Any:
        value = None
        if not is_nothing(text, self._role):
            try:
                value = self._adapter.validate_python(text, context=self._reading)
            except ValidationError as error:
                self.bad[text] = error.errors()[0]["msg"]
        if len(self) > _KEPT_TEXTS:
            self.clear()
        self[text] = value
        return value


class RowReader:
    """Reads blocks of a file under a settled mapping."""

    def __init__(self, export: Export, mapping: Mapping, settings: ImportSettings, now: datetime) -> None:
        self._export = export
        self.softening = Softening()
        base = Reading(
            currency=settings.currency,
            mark=".",
            day_first=settings.day_first,
            zone=ZoneInfo(settings.time_zone),
            now=now,
        )
        self._fields = [
            _FieldReader(name, spec, mapping, export, base) for name, spec in fields_of_kind(mapping.kind).items()
        ]

    @property
    def schema(self) -> pa.Schema:
        """The typed columns: line, then every field of the kind."""
        return pa.schema([("line", pa.int64()), *((one.name, one.type) for one in self._fields)])

    def blocks(self) -> Iterator[Parsed]:
        """Read the file a block at a time."""
        for block in self._export.blocks():
            yield self._read(block)

    def _read(self, block: Block) -> Parsed:
        width = len(self._export.header)
        bad = [
            BadRow(
                line=line,
                reason=f"the row has {len(cells)} cells where the header has {width}",
                raw=self._export.as_raw(cells),
            )
            for line, cells in block.ragged
        ]
        refused: dict[int, tuple[str, str]] = {}
        cells_by_column: list[tuple[str, ...]] = list(zip(*block.rows, strict=True)) if block.rows else [()] * width
        columns: list[pa.Array] = [pa.array(block.lines, pa.int64())]
        columns.extend(one.read(cells_by_column, block.lines, refused, self.softening) for one in self._fields)
        table = pa.table(columns, schema=self.schema)
        if refused:
            for row, (column, reason) in sorted(refused.items()):
                raw = self._export.as_raw(block.rows[row])
                bad.append(BadRow(line=block.lines[row], column=column, reason=reason, raw=raw))
            keep = pa.array([row not in refused for row in range(len(block.rows))], pa.bool_())
            table = table.filter(keep)
        return Parsed(table, bad, len(block.rows) + len(block.ragged), block.done_bytes)


class _FieldReader:
    """One field of a kind: its columns, tried in order, and its type."""

    def __init__(self, name: str, spec: FieldSpec, mapping: Mapping, export: Export, base: Reading) -> None:
        self.name = name
        self._soft = spec.means.soft
        self._required = spec.required
        self.type = _TYPES[spec.python_type]
        adapter: TypeAdapter[Any] = TypeAdapter(spec.annotation)
        self._columns = [
            (
                one.column,
                export.header.index(one.column),
                ColumnReader(
                    adapter,
                    spec.means.role,
                    replace(
                        base,
                        mark=one.decimal_mark or base.mark,
                        day_first=base.day_first if one.day_first is None else one.day_first,
                    ),
                ),
            )
            for one in mapping.of(name)
        ]
        constant = mapping.constants.get(name)
        self._constant = None if constant is None else adapter.validate_python(constant, context=base)

    def read(
        self,
        cells: list[tuple[str, ...]],
        lines: list[int],
        refused: dict[int, tuple[str, str]],
        softening: Softening,
    ) -> pa.Array:
        if not self._columns and self._constant is None and not self._required:
            return pa.nulls(len(lines), self.type)
        values: list[Any] = [self._constant] * len(lines)
        for position, (column, index, reader) in enumerate(self._columns):
            texts = cells[index]
            found = list(map(reader.__getitem__, texts))
            if reader.bad:
                self._set_apart(column, texts, reader, values if position else None, lines, refused, softening)
            if position or self._constant is not None:
                found = [new if old is None or not position else old for old, new in zip(values, found, strict=True)]
                if self._constant is not None:
                    found = [self._constant if one is None else one for one in found]
            values = found
        if self._required and lines:
            for row, value in enumerate(values):
                if value is None and row not in refused:
                    refused[row] = (self._columns[0][0] if self._columns else "", f"{self.name} is missing")
        return pa.array(values, self.type)

    def _set_apart(
        self,
        column: str,
        texts: tuple[str, ...],
        reader: ColumnReader,
        earlier: list[Any] | None,
        lines: list[int],
        refused: dict[int, tuple[str, str]],
        softening: Softening,
    ) -> None:
        for row, text in enumerate(texts):
            reason = reader.bad.get(text)
            if reason is None or (earlier is not None and earlier[row] is not None):
                continue
            if self._soft:
                softening.add(column, lines[row], reason)
            else:
                refused.setdefault(row, (column, reason))


def _day_first(own: DayEvidence, all_days: DayEvidence, settings: ImportSettings) -> tuple[bool, str]:
    for found, where in ((own, "this column"), (all_days, "the file")):
        if found.day_first or found.month_first:
            if found.day_first and found.month_first:
                first = found.day_first >= found.month_first
                return first, f"Dates of {where} could be either way round; most are {_order(first)}."
            first = found.day_first > 0
            return first, f"A date of {where} can only be {_order(first)}."
    if own.either:
        return settings.day_first, f"No date settles it, so the settings do: {_order(settings.day_first)}."
    return settings.day_first, ""


def _order(day_first: bool) -> str:
    return "day first" if day_first else "month first"


def _decimal_mark(own: MarkEvidence, all_marks: MarkEvidence, delimiter: str) -> tuple[Mark, str]:
    for found, where in ((own, "this column"), (all_marks, "the file")):
        if found.comma != found.point:
            comma = found.comma > found.point
            return ("," if comma else "."), f"Numbers of {where} have a decimal {'comma' if comma else 'point'}."
    if not own.open:
        return ("," if delimiter == ";" else "."), ""
    if delimiter == ";":
        return ",", "Numbers such as 1.234 could be either; in a file with semicolons the comma is the decimal mark."
    return ".", "Numbers such as 1,234 could be either; the point is taken as the decimal mark."


def _sum_days(one: DayEvidence, other: DayEvidence) -> DayEvidence:
    return DayEvidence(one.day_first + other.day_first, one.month_first + other.month_first, one.either + other.either)


def _sum_marks(one: MarkEvidence, other: MarkEvidence) -> MarkEvidence:
    return MarkEvidence(one.comma + other.comma, one.point + other.point, one.open + other.open)
