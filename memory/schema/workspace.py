"""Single values of the organisation, and the journal of what was done."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Integer, String, Table

from memory.schema.columns import RowId, metadata, moment, text

workspace = Table(
    "workspace",
    metadata,
    # Single values of the organisation: salt, business clock, switch. See memory.workspace.
    Column("key", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    # Every process that works, by host and process id, in the machine's own time.
    Column("worker_id", String(255), primary_key=True),
    moment("started_at"),
    moment("last_round_at"),
    Column("rounds", Integer, nullable=False),
    # Parts that broke off in its last round.
    Column("failures", Integer, nullable=False, server_default="0"),
)

journal = Table(
    "journal",
    metadata,
    # Append-only and hash-chained; payloads hold ids, hashes and numbers, never personal data.
    Column("seq", RowId, primary_key=True, autoincrement=False),
    moment("at"),
    text("actor"),
    Column("action", String(64), nullable=False),
    text("subject"),
    Column("payload", JSON, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
)
