"""Orders that came in live, in the columns of the lake, for readers that cannot wait until they are drained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import ColumnElement, Connection, Row, Text, cast, exists, literal, or_, select

from memory.events import ORDER
from memory.lake import SCHEMAS, LakeTable
from memory.schema import intake, to_micros, workspace
from memory.workspace import DRAIN_PENDING


@dataclass(frozen=True, slots=True)
class LiveOrders:
    """Rows for the lake's tables ``orders`` and ``lines``."""

    orders: pa.Table
    lines: pa.Table


def live_orders(connection: Connection, since: datetime, until: datetime) -> LiveOrders:
    """Orders of known contacts from one moment to before another that may not have reached the lake yet.

    Read them before the lake and drop those whose order_id the lake has: then nothing is missed and nothing is twice.
    """
    orders: dict[str, dict[str, Any]] = {}
    lines: dict[str, list[dict[str, Any]]] = {}
    query = (
        select(intake)
        .where(intake.c.kind == ORDER, intake.c.contact_id.is_not(None), intake.c.at >= since, intake.c.at < until)
        .where(on_the_way())
    )
    # An order that its shop reports again replaces what it said before, as it does when it is drained.
    for row in connection.execute(query.order_by(intake.c.intake_id)):
        order, bought = order_rows(row)
        orders[order["order_id"]], lines[order["order_id"]] = order, bought
    return LiveOrders(
        pa.Table.from_pylist(list(orders.values()), schema=SCHEMAS[LakeTable.ORDERS]),
        pa.Table.from_pylist([one for few in lines.values() for one in few], schema=SCHEMAS[LakeTable.LINES]),
    )


def on_the_way() -> ColumnElement[bool]:
    """Whether an event of the intake may not have reached the lake yet; those that have stay in the intake, too."""
    # In one statement with the rows: a batch opened between two statements would be missed.
    is_pending = exists().where(
        workspace.c.key == DRAIN_PENDING,
        cast(workspace.c.value, Text) == literal('"') + intake.c.batch_id + literal('"'),
    )
    return or_(intake.c.batch_id.is_(None), is_pending)


def order_rows(row: Row[Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An order event of intake as rows of the lake's tables ``orders`` and ``lines``.

    Without an order_id it is known by the id of its event; what is missing or null counts as nothing.
    """
    said: Mapping[str, Any] = row.properties
    shared = {
        "order_id": str(said.get("order_id") or row.event_id),
        "contact_id": row.contact_id,
        "at": to_micros(row.at),
    }
    lines = [
        {
            **shared,
            "line": number,
            "product_id": str(line.get("product_id") or ""),
            "category": str(line.get("category") or ""),
            "quantity": int(line.get("quantity") or 1),
            "amount_cents": int(line.get("amount_cents") or 0),
            "discount_cents": int(line.get("discount_cents") or 0),
        }
        for number, line in enumerate(said.get("lines") or [], start=1)
    ]
    total = said.get("total_cents")
    order = {
        **shared,
        "total_cents": sum(line["amount_cents"] for line in lines) if total is None else int(total),
        "discount_cents": int(said.get("discount_cents") or 0),
        "currency": str(said.get("currency") or ""),
        "source": row.source,
    }
    return order, lines
