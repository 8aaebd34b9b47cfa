"""Read an experiment that ran anywhere: a CSV or Parquet file with one row per contact, or one per arm with counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, tzinfo
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from memory.errors import InvalidInputError
from memory.importing.amounts import Mark, UnreadableError, mark_evidence, read_decimal, read_minor_units
from memory.importing.export import many_rows, open_export
from memory.importing.moments import day_evidence, read_micros
from memory.importing.words import read_flag
from memory.schema import from_micros

_EPOCH: Final = date(1970, 1, 1).toordinal()
_SHOWN: Final = 20
_Texts = Sequence[str]


@dataclass(frozen=True, slots=True)
class ExperimentColumns:
    """What each column of the file is called; an empty name stands for none."""

    arm: str
    outcome: str
    """Whether the contact reached the goal: yes or no, 1 or 0, or a count; with ``n`` how many of the row did."""
    value: str = ""
    """What the contact brought in, in money."""
    at: str = ""
    """When the contact entered."""
    before: str = ""
    """The same sort of number from before the experiment."""
    contact: str = ""
    n: str = ""
    """How many contacts the row stands for."""

    def named(self) -> dict[str, str]:
        """The names in use, by what they hold."""
        return {slot: name for slot, name in asdict(self).items() if name}


@dataclass(frozen=True, slots=True)
class ExperimentRows:
    """An experiment as columns of one order."""

    names: tuple[str, ...]
    """The arms, sorted."""
    arm: NDArray[np.int64]
    """Of each row, its place in ``names``."""
    contacts: NDArray[np.int64]
    """How many contacts the row stands for: 1 where each has its own."""
    conversions: NDArray[np.int64]
    value_cents: NDArray[np.int64] | None = None
    """Minor units."""
    day: NDArray[np.int64] | None = None
    """Days since 1970, in the zone that was asked for."""
    before: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.arm)


def read_experiment(
    path: Path, columns: ExperimentColumns, *, zone: tzinfo, day_first: bool = True, currency: str = "EUR"
) -> ExperimentRows:
    """The rows of a file. Raises InvalidInputError that names the column, the line and what to do.

    Dates without a zone are of ``zone``; ``day_first`` decides only what the column itself leaves open.
    """
    texts, lines = _texts(path, columns.named())
    cells = _Cells(path, texts, lines, columns.named())
    names = cells.filled("arm")
    found = sorted(set(names))
    places = {name: place for place, name in enumerate(found)}
    if columns.contact:
        _once_each(path, cells.filled("contact"), lines)
    counted = bool(columns.n)
    contacts = cells.numbers("n", _count) if counted else [1] * len(names)
    if not counted:
        _refuse_counts(path, columns, names, cells.filled("outcome"))
    conversions = cells.numbers("outcome", _count if counted else _reached)
    for line, many, some in zip(lines, contacts, conversions, strict=True):
        if some > many:
            raise InvalidInputError(
                f"{some} of {many} contacts reached the goal, which is impossible.",
                where=f"{path.name}, line {line}",
                remedy="Count each contact once, whatever it did.",
            )
    value = cells.numbers("value", lambda text, mark: read_minor_units(text, mark=mark, currency=currency))
    day = cells.days(zone, day_first=day_first)
    before = cells.numbers("before", lambda text, mark: float(read_decimal(text, mark)))
    return ExperimentRows(
        names=tuple(found),
        arm=np.asarray([places[name] for name in names], np.int64),
        contacts=np.asarray(contacts, np.int64),
        conversions=np.asarray(conversions, np.int64),
        value_cents=np.asarray(value, np.int64) if columns.value else None,
        day=np.asarray(day, np.int64) if columns.at else None,
        before=np.asarray(before, np.float64) if columns.before else None,
    )


class _Cells:
    """The texts of a file's columns, each distinct one read once."""

    def __init__(self, path: Path, texts: Mapping[str, _Texts], lines: Sequence[int], named: Mapping[str, str]) -> None:
        self._path, self._texts, self._lines, self._named = path, texts, lines, named

    def filled(self, slot: str) -> list[str]:
        found = [text.strip() for text in self._texts[slot]]
        empty = [line for text, line in zip(found, self._lines, strict=True) if not text]
        if empty:
            raise self._unreadable(slot, empty, "nothing is written there")
        return found

    def numbers(self, slot: str, read: Callable[[str, Mark], Any]) -> list[Any]:
        """The column's numbers by a reader of one text; none where the column is not named."""
        if slot not in self._texts:
            return []
        texts = self.filled(slot)
        evidence = mark_evidence(set(texts))
        mark: Mark = "," if evidence.comma > evidence.point else "."
        return self._read(slot, texts, lambda text: read(text, mark))

    def days(self, zone: tzinfo, *, day_first: bool) -> list[int]:
        if "at" not in self._texts:
            return []
        texts = self.filled("at")
        evidence = day_evidence(set(texts))
        if evidence.day_first or evidence.month_first:
            day_first = evidence.day_first >= evidence.month_first

        def read(text: str) -> int:
            at = from_micros(read_micros(text, day_first=day_first, zone=zone))
            return at.astimezone(zone).toordinal() - _EPOCH

        return self._read("at", texts, read)

    def _read(self, slot: str, texts: _Texts, read: Callable[[str], Any]) -> list[Any]:
        known: dict[str, Any] = {}
        for text in dict.fromkeys(texts):
            try:
                known[text] = read(text)
            except UnreadableError as error:
                bad = [line for one, line in zip(texts, self._lines, strict=True) if one == text]
                raise self._unreadable(slot, bad, str(error)) from error
        return [known[text] for text in texts]

    def _unreadable(self, slot: str, lines: Sequence[int], reason: str) -> InvalidInputError:
        return InvalidInputError(
            f"{len(lines)} cells of the column {self._named[slot]} cannot be read: {reason}.",
            where=f"{self._path.name}, line {lines[0]}",
            remedy="Mend them, or leave these rows out if they belong to nobody: a guess would change the answer.",
        )


def _texts(path: Path, named: Mapping[str, str]) -> tuple[dict[str, _Texts], Sequence[int]]:
    if path.suffix.lower() in {".parquet", ".pq"}:
        return _parquet(path, named)
    export = open_export(path)
    _present(path, named, export.header)
    places = {slot: export.header.index(name) for slot, name in named.items()}
    texts: dict[str, list[str]] = {slot: [] for slot in named}
    lines: list[int] = []
    with many_rows():
        for block in export.blocks():
            if block.ragged:
                raise InvalidInputError(
                    f"The row has {len(block.ragged[0][1])} cells where the header has {len(export.header)}.",
                    where=f"{path.name}, line {block.ragged[0][0]}",
                    remedy="Mend the row: left out, it would change the answer.",
                )
            lines.extend(block.lines)
            for slot, place in places.items():
                texts[slot].extend(row[place] for row in block.rows)
    _some(path, lines)
    return dict(texts), lines


def _parquet(path: Path, named: Mapping[str, str]) -> tuple[dict[str, _Texts], Sequence[int]]:
    try:
        file = pq.ParquetFile(path)
        _present(path, named, file.schema_arrow.names)
        table = file.read(columns=list(dict.fromkeys(named.values())))
    except (OSError, pa.ArrowException) as error:
        raise InvalidInputError(
            "This is no Parquet file that can be read.", where=str(path), remedy="Write it again, or give a CSV file."
        ) from error
    texts = {slot: [text or "" for text in table[name].cast(pa.string()).to_pylist()] for slot, name in named.items()}
    lines = range(1, table.num_rows + 1)
    _some(path, lines)
    return dict(texts), lines


def _present(path: Path, named: Mapping[str, str], there: Sequence[str]) -> None:
    if lacking := [name for name in named.values() if name not in there]:
        raise InvalidInputError(
            f"There is no column {', '.join(lacking)}.",
            where=path.name,
            remedy=f"Its columns are {', '.join(there[:_SHOWN])}{', …' if len(there) > _SHOWN else ''}.",
        )


def _some(path: Path, lines: Sequence[int]) -> None:
    if not lines:
        raise InvalidInputError("It has no rows.", where=path.name, remedy="Give the file with one row per contact.")


def _once_each(path: Path, contacts: Sequence[str], lines: Sequence[int]) -> None:
    seen: set[str] = set()
    for contact, line in zip(contacts, lines, strict=True):
        if contact in seen:
            raise InvalidInputError(
                "The contact of this row was there before.",
                where=f"{path.name}, line {line}",
                remedy="Give one row per contact: whoever stands in two arms belongs to neither, and is left out.",
            )
        seen.add(contact)


def _refuse_counts(path: Path, columns: ExperimentColumns, names: Sequence[str], outcomes: Sequence[str]) -> None:
    """Rows that speak of many contacts each must not be read as one contact each."""
    large = [text for text in outcomes if text.isdecimal() and int(text) > 1]
    if large and (len(set(names)) == len(names) or 2 * len(large) > len(names)):
        raise InvalidInputError(
            f"Each row seems to count many contacts: the column {columns.outcome} holds {large[0]}.",
            where=path.name,
            remedy="Name the column that says how many contacts a row has (--n), or give one row per contact.",
        )


def _count(text: str, mark: Mark) -> int:
    value = read_decimal(text, mark)
    if value < 0 or value != value.to_integral_value():
        raise UnreadableError("this is not a count")
    return int(value)


def _reached(text: str, mark: Mark) -> int:
    try:
        return int(read_flag(text))
    except UnreadableError:
        return int(read_decimal(text, mark) > 0)
