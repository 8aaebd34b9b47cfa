"""Rows of the store as columns: for what is asked of, or written for, a whole audience at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Boolean, ColumnElement, Connection, Float, Integer, Select, Table
from sqlalchemy.schema import CreateTable

from memory.schema import Moment

_FETCHED = 50_000
_NAMED = 1000
"""So many ids at most are named one by one."""
_DENSE = 4
"""A range of ids is read whole where at least one in so many is wanted."""


def read_columns(connection: Connection, query: Select[Any]) -> Iterator[pa.Table]:
    """What a query finds, in tables of some thousand rows, at least one; moments are integer microseconds."""
    schema = pa.schema([(column.name, _kind(column.type)) for column in query.selected_columns])
    # The driver's own rows: making Row objects and datetimes of them would take most of the time.
    cursor = connection.execute(query).cursor
    assert cursor is not None
    rows = cursor.fetchmany(_FETCHED)
    while True:
        found = zip(*rows, strict=True) if rows else [()] * len(schema)
        yield pa.table([pa.array(part).cast(kind.type) for part, kind in zip(found, schema, strict=True)], schema)
        rows = cursor.fetchmany(_FETCHED) if rows else []
        if not rows:
            return


def among(column: ColumnElement[int], ids: NDArray[np.int64]) -> Iterator[ColumnElement[bool]]:
    """Conditions that together find the rows of some sorted ids: ranges where they lie close, which hold others too."""
    if len(ids) and ids[-1] - ids[0] < _DENSE * len(ids):
        yield column.between(int(ids[0]), int(ids[-1]))
        return
    for start in range(0, len(ids), _NAMED):
        yield column.in_(ids[start : start + _NAMED].tolist())


def places(ids: NDArray[np.int64], found: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each found id stands in the sorted ids, and which of the found are among them at all."""
    at = np.minimum(np.searchsorted(ids, found), max(len(ids) - 1, 0))
    return at, ids[at] == found if len(ids) else np.zeros(len(found), bool)


def stage(connection: Connection, table: Table, rows: Iterable[Sequence[Any]]) -> None:
    """Lay rows, in the order of its columns and as the store keeps them, into a temporary table that is empty else."""
    connection.execute(CreateTable(table, if_not_exists=True))
    connection.execute(table.delete())
    names = ", ".join(column.name for column in table.columns)
    if connection.dialect.name == "postgresql":
        cursor: Any = connection.connection.cursor()
        with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" for _ in table.columns)
    given: Any = list(rows)
    if given:
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", given)  # noqa: S608 - names from the schema


def _kind(of: Any) -> pa.DataType:
    if isinstance(of, Boolean):
        return pa.bool_()
    if isinstance(of, Integer | Moment):
        return pa.int64()
    return pa.float64() if isinstance(of, Float) else pa.string()
