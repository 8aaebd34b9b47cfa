"""Orders that came in live, in the columns of the lake, for readers that cannot wait until they are drained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, or_, select

from memory.events import ORDER
from memory.lake import SCHEMAS, LakeTable
from memory.schema import intake, to_micros
from memory.workspace import DRAIN_PENDING, get_value


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
        .where(or_(intake.c.batch_id.is_(None), intake.c.batch_id == get_value(connection, DRAIN_PENDING)))
    )
    # An order that its shop reports again replaces what it said before, as it does when it is drained.
    for row in connection.execute(query.order_by(intake.c.intake_id)):
        said: Mapping[str, Any] = row.properties
        order_id, bought = str(said.get("order_id") or row.event_id), said.get("lines") or []
        shared = {"order_id": order_id, "contact_id": row.contact_id, "at": to_micros(row.at)}
        lines[order_id] = [
            {
                **shared,
                "line": number,
                "product_id": str(line.get("product_id", "")),
                "category": str(line.get("category", "")),
                "quantity": int(line.get("quantity", 1)),
                "amount_cents": int(line.get("amount_cents", 0)),
                "discount_cents": int(line.get("discount_cents", 0)),
            }
            for number, line in enumerate(bought, start=1)
        ]
        total = said.get("total_cents")
        orders[order_id] = {
            **shared,
            "total_cents": sum(one["amount_cents"] for one in lines[order_id]) if total is None else int(total),
            "discount_cents": int(said.get("discount_cents") or 0),
            "currency": str(said.get("currency", "")),
            "source": row.source,
        }
    return LiveOrders(
        pa.Table.from_pylist(list(orders.values()), schema=SCHEMAS[LakeTable.ORDERS]),
        pa.Table.from_pylist([one for few in lines.values() for one in few], schema=SCHEMAS[LakeTable.LINES]),
    )
