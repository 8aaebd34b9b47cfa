"""Everything on record about one contact, for their right of access."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select

from console.wiring import Workspace
from memory import contacts, erasure
from memory.address import phone_hash
from memory.erasure import Traces
from memory.lake import SCHEMAS, Lake
from memory.schema import accounts, from_micros, journal, metadata, quarantine, suppressions
from memory.schema import contacts as contact_rows
from memory.workspace import salt

_SECRET = frozenset({"email_hash", "address_hash", "claim_token"})


def dossier(workspace: Workspace, contact_id: int) -> dict[str, Any]:
    """Every row about one contact, and about whoever was merged into them, by table.

    Moments are UTC, money is integer minor units. Raises NotFoundError.
    """
    with workspace.store.read() as connection:
        contact_id = contacts.get(connection, contact_id).contact_id
        ids = erasure.family(connection, contact_id)
        known = erasure.traces(connection, ids)
        store = {
            table.name: _rows(connection, select(table).where(table.c.contact_id.in_(ids)))
            for table in metadata.sorted_tables
            if "contact_id" in table.c
        }
        store |= _without_number(connection, ids, known)
    return {
        "contact_id": contact_id,
        "merged": ids[1:],
        "exported_at": workspace.clock.now(),
        "store": {table: rows for table, rows in store.items() if rows},
        "lake": {table: rows for table, rows in _past(workspace.lake, ids).items() if rows},
    }


def _without_number(connection: Connection, ids: list[int], known: Traces) -> dict[str, list[dict[str, Any]]]:
    """Rows that name the contact otherwise than by number."""
    people = connection.execute(select(contact_rows).where(contact_rows.c.contact_id.in_(ids))).all()
    secret = salt(connection)
    hashes = {one.email_hash for one in people} | {phone_hash(secret, one.phone) for one in people}
    subjects = [f"contact {one}" for one in ids]
    wanted = {
        "accounts": select(accounts).where(accounts.c.account_id.in_({one.account_id for one in people})),
        "suppressions": select(suppressions).where(suppressions.c.address_hash.in_(hashes - {None})),
        "journal": select(journal).where(journal.c.subject.in_(subjects)),
        "quarantine": select(quarantine).where(quarantine.c.quarantine_id.in_(erasure.quarantined(connection, known))),
    }
    return {name: _rows(connection, query) for name, query in wanted.items()}


def _rows(connection: Connection, query: Any) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in row.items() if name not in _SECRET}
        for row in connection.execute(query).mappings()
    ]


def _past(lake: Lake, ids: list[int]) -> dict[str, list[dict[str, Any]]]:
    engine = lake.connect()
    try:
        found = {
            table.value: engine.con.sql(
                f"SELECT * FROM {table} WHERE list_contains($ids, contact_id) ORDER BY ALL",  # noqa: S608 - our own names
                params={"ids": ids},
            )
            .to_arrow_table()
            .to_pylist()
            for table, schema in SCHEMAS.items()
            if "contact_id" in schema.names
        }
    finally:
        engine.disconnect()
    for rows in found.values():
        for row in rows:
            row |= {name: from_micros(row[name]) for name in ("at", "created_at") if row.get(name) is not None}
            if row.get("properties"):
                row["properties"] = json.loads(row["properties"])
    return found
