"""From the store to the lake: events as they came in, and messages as they left; each exactly once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Row, func, select, text, update

from memory import workspace
from memory.events import BOUNCE, ORDER, SENT
from memory.lake import SCHEMAS, Lake, LakeTable
from memory.live_orders import order_rows
from memory.schema import from_micros, intake, messages, to_micros
from memory.store import Store

_BATCH = 5000
_EXPORTED = "sends_exported_to"
_DRAIN_LOCK = 0x4E4F5244
# Outcomes are recorded a little later than they happen; what was exported before is simply the same again.
_OVERLAP = timedelta(days=1)
# Each batch is a commit to three tables: worth it for many events, or when the lake would fall a day behind.
WORTH_ROWS = 1000
WORTH_WAIT = timedelta(days=1)
# An export writes the whole overlap again.
_EXPORT_EVERY = timedelta(minutes=10)


def drain(store: Store, lake: Lake) -> int:
    """Write waiting events to the lake in batches; returns how many. A batch that was cut short is written again.

    The lake knows every batch by its id, so the same batch twice is there once.
    """
    drained = 0
    while (batch_id := _open_batch(store)) is not None:
        with store.read() as connection:
            query = select(intake).where(intake.c.batch_id == batch_id).order_by(intake.c.intake_id)
            rows = connection.execute(query).all()
        _write(lake, rows, batch_id)
        bounced = _bounced(rows)
        if bounced:
            with store.read() as connection:
                _export(connection, lake, messages.c.message_key.in_(sorted(bounced)), bounced)
        with store.write() as connection:
            if workspace.get_value(connection, workspace.DRAIN_PENDING) == batch_id:
                workspace.set_value(connection, workspace.DRAIN_PENDING, None)
        drained += len(rows)
    return drained


def is_worth_draining(store: Store, at: datetime) -> bool:
    """Whether enough events wait for the lake, or one of them has waited for a day."""
    waiting = select(func.count().label("events"), func.min(intake.c.received_at).label("oldest")).where(
        intake.c.batch_id.is_(None)
    )
    with store.read() as connection:
        found = connection.execute(waiting).one()
        begun = workspace.get_value(connection, workspace.DRAIN_PENDING) is not None
    return begun or found.events >= WORTH_ROWS or (found.oldest is not None and found.oldest <= at - WORTH_WAIT)


def is_worth_exporting(store: Store, at: datetime) -> bool:
    """Whether messages left since the last export, and that was a while ago."""
    newest = select(func.max(messages.c.sent_at)).where(messages.c.state == "sent")
    with store.read() as connection:
        last = workspace.get_value(connection, _EXPORTED)
        if last is not None and at < from_micros(last) + _EXPORT_EVERY:
            return False
        sent_at = connection.execute(newest).scalar_one()
    return sent_at is not None and (last is None or sent_at >= from_micros(last))


def export_sends(store: Store, lake: Lake, at: datetime) -> int:
    """Write messages that left since the last time to the lake; returns how many were looked at."""
    wanted = messages.c.state == "sent"
    with store.read() as connection:
        last = workspace.get_value(connection, _EXPORTED)
        if last is not None:
            wanted &= messages.c.sent_at >= from_micros(last) - _OVERLAP
        count = _export(connection, lake, wanted, {})
    with store.write() as connection:
        workspace.set_value(connection, _EXPORTED, max(to_micros(at), workspace.get_value(connection, _EXPORTED) or 0))
    return count


def _open_batch(store: Store) -> str | None:
    """The batch that is to be written next: one that was begun, or else a new one; None when nothing waits."""
    with store.write() as connection:
        if connection.dialect.name == "postgresql":
            # Two workers must not open two batches: only one can be the pending one.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _DRAIN_LOCK})
        pending = workspace.get_value(connection, workspace.DRAIN_PENDING)
        if pending is not None:
            return str(pending)
        waiting = select(intake.c.intake_id).where(intake.c.batch_id.is_(None)).order_by(intake.c.intake_id)
        ids = connection.execute(waiting.limit(_BATCH).with_for_update(skip_locked=True)).scalars().all()
        if not ids:
            return None
        batch_id = uuid.uuid4().hex
        connection.execute(
            update(intake)
            .where(intake.c.intake_id.between(ids[0], ids[-1]), intake.c.batch_id.is_(None))
            .values(batch_id=batch_id)
        )
        workspace.set_value(connection, workspace.DRAIN_PENDING, batch_id)
        return batch_id


def _write(lake: Lake, rows: Sequence[Row[Any]], batch_id: str) -> None:
    known = [row for row in rows if row.contact_id is not None]
    # An order that its shop reports again replaces what it said before.
    orders = {order["order_id"]: (order, bought) for order, bought in map(order_rows, _orders(known))}
    if orders:
        lake.upsert(LakeTable.ORDERS, _table(LakeTable.ORDERS, [order for order, _ in orders.values()]))
        lines = [line for _, bought in orders.values() for line in bought]
        if lines:
            lake.upsert(LakeTable.LINES, _table(LakeTable.LINES, lines))
    others = [_sent(row) for row in known if row.kind == SENT]
    if others:
        lake.upsert(LakeTable.SENDS, _table(LakeTable.SENDS, others))
    if known:
        lake.append(LakeTable.EVENTS, _table(LakeTable.EVENTS, [_event(row) for row in known]), batch_id=batch_id)


def _sent(row: Row[Any]) -> dict[str, Any]:
    """A message of another system, as the lake keeps imported ones."""
    return {
        "message_key": row.event_id,
        "contact_id": row.contact_id,
        "campaign": str(row.properties.get("campaign", "")),
        "channel": str(row.properties.get("channel", "email")),
        "at": to_micros(row.at),
        "delivered": True,
        "bounced": "",
        "source": row.source,
    }


def _orders(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    return [row for row in rows if row.kind == ORDER]


def _event(row: Row[Any]) -> dict[str, Any]:
    properties: Mapping[str, Any] = row.properties
    lines = properties.get("lines") or [{}]
    kept = {name: value for name, value in properties.items() if name != "lines"}
    value = properties.get("total_cents", properties.get("value_cents"))
    return {
        "event_id": row.event_id,
        "contact_id": row.contact_id,
        "kind": row.kind,
        "at": to_micros(row.at),
        "category": str(properties.get("category", lines[0].get("category", ""))),
        "product_id": str(properties.get("product_id", lines[0].get("product_id", ""))),
        "value_cents": None if value is None else int(value),
        "human": row.human,
        "source": row.source,
        "properties": json.dumps(kept, sort_keys=True, ensure_ascii=False),
    }


def _bounced(rows: Sequence[Row[Any]]) -> dict[str, str]:
    return {
        str(row.properties["message_key"]): str(row.properties.get("bounce", "soft"))
        for row in rows
        if row.kind == BOUNCE and row.properties.get("message_key")
    }


def _export(connection: Connection, lake: Lake, where: Any, bounced: Mapping[str, str]) -> int:
    query = select(messages).where(messages.c.sent_at.is_not(None), where).order_by(messages.c.message_id)
    rows = connection.execute(query).all()
    if not rows:
        return 0
    already = {} if bounced else _known_bounces(connection, [row.message_key for row in rows])
    bounces = {**already, **bounced}
    lake.upsert(
        LakeTable.SENDS,
        _table(
            LakeTable.SENDS,
            [
                {
                    "message_key": row.message_key,
                    "contact_id": row.contact_id,
                    "campaign": row.campaign_id,
                    "channel": row.channel,
                    "at": to_micros(row.sent_at),
                    "delivered": row.message_key not in bounces,
                    "bounced": bounces.get(row.message_key, ""),
                    "source": "noria",
                }
                for row in rows
            ],
        ),
    )
    return len(rows)


def _known_bounces(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """Bounces that were reported before their message was exported."""
    wanted = set(keys)
    rows = connection.execute(select(intake).where(intake.c.kind == BOUNCE)).all()
    return {key: kind for key, kind in _bounced(rows).items() if key in wanted}


def _table(table: LakeTable, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMAS[table])
