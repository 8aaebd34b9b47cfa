"""Single values of the organisation, and the journal of what was done."""

from __future__ import annotations

from sqlalchemy import JSON, Column, String, Table

from memory.schema.columns import RowId, metadata, moment, text

workspace = Table(
    "workspace",
    metadata,
    # Single values of the organisation: salt, business clock, switch. See memory.workspace.
    Column("key", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
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
