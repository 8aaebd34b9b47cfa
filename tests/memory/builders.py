"""Write a small lake from Python lists: every row may leave out what does not matter to the test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from memory.lake import SCHEMAS, Lake, LakeTable
from memory.schema import to_micros

Row = Mapping[str, Any]

_PLAIN: dict[str, Any] = {"string": "", "int64": 0, "int32": 0, "bool": False}
_DEFAULTS: dict[LakeTable, dict[str, Any]] = {
    LakeTable.EVENTS: {"human": True, "kind": "visit", "properties": "{}", "source": "test"},
    LakeTable.ORDERS: {"currency": "EUR", "source": "test"},
    LakeTable.LINES: {"quantity": 1},
    LakeTable.SENDS: {"channel": "email", "delivered": True, "source": "test"},
    LakeTable.CONTACTS: {"language": "en", "time_zone": "UTC", "country": "FR", "has_email": True},
}


def as_rows(table: LakeTable, rows: Iterable[Row]) -> pa.Table:
    """Rows of a lake table; datetimes become microseconds and what is left out gets a harmless value."""
    schema = SCHEMAS[table]
    full = []
    for number, row in enumerate(rows):
        plain = {field.name: None if field.nullable else _PLAIN[str(field.type)] for field in schema}
        plain |= _DEFAULTS.get(table, {})
        for name in ("event_id", "message_key"):
            if name in plain:
                plain[name] = f"{table}-{number}"
        plain |= {name: to_micros(value) if isinstance(value, datetime) else value for name, value in row.items()}
        full.append(plain)
    return pa.Table.from_pylist(full, schema=schema)


def write_lake(
    folder: Path,
    *,
    contacts: Iterable[Row] = (),
    orders: Iterable[Row] = (),
    lines: Iterable[Row] = (),
    events: Iterable[Row] = (),
    products: Iterable[Row] = (),
    sends: Iterable[Row] = (),
) -> Lake:
    """A lake that holds exactly these rows."""
    lake = Lake(folder)
    given = {
        LakeTable.CONTACTS: contacts,
        LakeTable.ORDERS: orders,
        LakeTable.LINES: lines,
        LakeTable.EVENTS: events,
        LakeTable.PRODUCTS: products,
        LakeTable.SENDS: sends,
    }
    for table, rows in given.items():
        lake.replace(table, as_rows(table, rows))
    return lake


def purchase(order_id: str, contact_id: int | None, at: datetime, *items: tuple[str, int]) -> tuple[Row, list[Row]]:
    """An order and its lines from (category, amount in cents) pairs; each category has one product of the same name."""
    order: Row = {
        "order_id": order_id,
        "contact_id": contact_id,
        "at": at,
        "total_cents": sum(cents for _, cents in items),
    }
    lines: list[Row] = [
        {
            "order_id": order_id,
            "line": number,
            "contact_id": contact_id,
            "at": at,
            "product_id": f"product-{category}",
            "category": category,
            "amount_cents": cents,
        }
        for number, (category, cents) in enumerate(items, start=1)
    ]
    return order, lines
