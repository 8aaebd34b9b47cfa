"""Bring what every claim looks at up to date with imported history: signals, orders, sends, places under the cap."""

# ruff: noqa: S608 - the queries are put together from names of this module; values stand in tables

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import and_, bindparam, select, update

from memory import cap
from memory.events import SIGNALS
from memory.importing.identity import reassignments
from memory.lake import Lake
from memory.schema import contacts, from_micros, messages, to_micros
from memory.store import Store

# No pack looks back further.
_CAP_DAYS = 31


def refresh_hot_facts(store: Store, lake: Lake, *, at: datetime) -> int:
    """Recompute last signal, last order and messages sent since from the lake and the ledger; returns how many changed.

    Clicks, visits, replies and orders of people are signals; opens and machines are none. A fact that live intake
    knows to be fresher stays. Imported sends of the last days take their places under the frequency cap.
    """
    _follow_merges(store, lake)
    sql = lake.connect().con
    with store.read() as connection:
        people = connection.execute(
            select(
                contacts.c.contact_id,
                contacts.c.last_human_signal_at,
                contacts.c.last_order_at,
                contacts.c.sent_since_signal,
            ).where(contacts.c.merged_into.is_(None), contacts.c.erased_at.is_(None))
        ).all()
        ledger = connection.execute(
            select(messages.c.message_key, messages.c.contact_id, messages.c.sent_at).where(
                messages.c.state == "sent", messages.c.sent_at.is_not(None)
            )
        ).all()
        answers_for = reassignments(connection)
    sql.register(
        "known",
        pa.table(
            {
                "contact_id": pa.array([row.contact_id for row in people], pa.int64()),
                "signal": pa.array([_micros(row.last_human_signal_at) for row in people], pa.int64()),
                "ordered": pa.array([_micros(row.last_order_at) for row in people], pa.int64()),
                "sent": pa.array([row.sent_since_signal for row in people], pa.int64()),
            }
        ),
    )
    sql.register(
        "ledger",
        pa.table(
            {
                "message_key": pa.array([row.message_key for row in ledger], pa.string()),
                "contact_id": pa.array([answers_for.get(row.contact_id, row.contact_id) for row in ledger], pa.int64()),
                "at": pa.array([_micros(row.sent_at) for row in ledger], pa.int64()),
            }
        ),
    )
    kinds = ", ".join(f"'{kind}'" for kind in SIGNALS)
    rows = sql.sql(
        f"""WITH ordered AS (SELECT contact_id, max("at") AS "at" FROM orders WHERE contact_id IS NOT NULL GROUP BY 1),
        signalled AS (SELECT contact_id, max("at") AS "at" FROM events WHERE human AND kind IN ({kinds}) GROUP BY 1),
        facts AS (
            SELECT k.contact_id, k.signal AS old_signal, k.ordered AS old_ordered, k.sent AS old_sent,
                greatest(k.signal, o.at, s.at) AS signal, greatest(k.ordered, o.at) AS ordered
            FROM known k LEFT JOIN ordered o USING (contact_id) LEFT JOIN signalled s USING (contact_id)
        ),
        mail AS (
            SELECT message_key, contact_id, "at" FROM ledger
            UNION ALL
            SELECT message_key, contact_id, "at" FROM sends
            WHERE delivered AND message_key NOT IN (SELECT message_key FROM ledger)
        ),
        counted AS (
            SELECT f.contact_id, count(m.at) AS sent FROM facts f
            LEFT JOIN mail m ON m.contact_id = f.contact_id AND m.at > coalesce(f.signal, 0) GROUP BY 1
        )
        SELECT f.*, c.sent FROM facts f JOIN counted c USING (contact_id)
        WHERE f.signal IS DISTINCT FROM f.old_signal OR f.ordered IS DISTINCT FROM f.old_ordered
            OR c.sent <> f.old_sent
        ORDER BY f.contact_id"""
    ).to_arrow_table()
    recent = sql.sql(
        f"""SELECT contact_id, message_key, "at" FROM sends
        WHERE bounced <> 'hard' AND "at" > {to_micros(at - timedelta(days=_CAP_DAYS))}
            AND message_key NOT IN (SELECT message_key FROM ledger)
        QUALIFY row_number() OVER (PARTITION BY contact_id ORDER BY "at" DESC, message_key) <= {cap.MOST_PLACES}
        ORDER BY contact_id, "at", message_key"""
    ).fetchall()
    return _write(store, rows.to_pylist(), recent)


def _write(store: Store, rows: list[dict[str, Any]], recent: list[tuple[int, str, int]]) -> int:
    changes = [
        {
            "of": row["contact_id"],
            "old": _moment(row["old_signal"]),
            "old_sent": row["old_sent"],
            "signal": _moment(row["signal"]),
            "ordered": _moment(row["ordered"]),
            "sent": row["sent"],
        }
        for row in rows
    ]
    # A live event in between wins: its row no longer looks as it was read.
    statement = (
        update(contacts)
        .where(
            and_(
                contacts.c.contact_id == bindparam("of"),
                contacts.c.last_human_signal_at.is_not_distinct_from(bindparam("old")),
                contacts.c.sent_since_signal == bindparam("old_sent"),
            )
        )
        .values(
            last_human_signal_at=bindparam("signal"),
            last_order_at=bindparam("ordered"),
            sent_since_signal=bindparam("sent"),
        )
    )
    per_contact: dict[int, int] = {}
    for contact_id, _, _ in recent:
        per_contact[contact_id] = per_contact.get(contact_id, 0) + 1
    with store.write() as connection:
        if changes:
            connection.execute(statement, changes)
        if recent:
            cap.seed(
                connection,
                [(contact_id, key, from_micros(sent_at)) for contact_id, key, sent_at in recent],
                max(per_contact.values()),
            )
    return len(changes)


def _follow_merges(store: Store, lake: Lake) -> None:
    """Give the past of merged contacts to those who answer for them."""
    with store.read() as connection:
        merged = reassignments(connection)
    if not merged:
        return
    sql = lake.connect().con
    sql.register("merged", pa.table({"contact_id": pa.array(list(merged), pa.int64())}))
    tables = " UNION ".join(f"SELECT contact_id FROM {name}" for name in ("events", "orders", "lines", "sends"))
    present = {row[0] for row in sql.execute(f"SELECT contact_id FROM merged INTERSECT ({tables})").fetchall()}
    lake.reassign({old: new for old, new in merged.items() if old in present})


def _micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
