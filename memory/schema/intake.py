"""What comes in: events that wait, answers, imports, rows that were set aside, and how far systems were read."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, String, Table, Text

from memory.schema.columns import RowId, metadata, moment, text

intake = Table(
    "intake",
    metadata,
    # Live events, durable and deduplicated before anything reacts to them; drained to the lake in batches.
    Column("intake_id", RowId, primary_key=True),
    Column("event_id", String(255), nullable=False, unique=True),
    Column("contact_id", RowId, index=True),
    Column("kind", String(64), nullable=False),
    moment("at"),
    Column("properties", JSON, nullable=False, default=dict),
    text("source", default=""),
    # False for scanners and other machines: stored, never counted.
    Column("human", Boolean, nullable=False),
    moment("received_at"),
    Column("batch_id", String(64), index=True),
)

replies = Table(
    "replies",
    metadata,
    # What contacts wrote back: the words apart from the event, so that they can go while it is still counted.
    Column("event_id", String(255), primary_key=True),
    Column("contact_id", RowId, nullable=False, index=True),
    moment("at"),
    Column("channel", String(16), nullable=False),
    text("words"),
    Column("reading", String(16), nullable=False, index=True),
    Column("objection", String(16), nullable=False, server_default=""),
    Column("needs_person", Boolean, nullable=False),
    Column("read_by", String(8), nullable=False, server_default=""),
    moment("acted_at", null=True),
)

imports = Table(
    "imports",
    metadata,
    Column("import_id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    text("file_name"),
    # SHA-256 of the file and the mapping: the same file twice changes nothing.
    Column("file_digest", String(64), nullable=False, index=True),
    Column("mapping", JSON, nullable=False),
    Column("rows_read", Integer, nullable=False),
    Column("rows_written", Integer, nullable=False),
    Column("rows_unchanged", Integer, nullable=False),
    Column("rows_quarantined", Integer, nullable=False),
    moment("finished_at"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("quarantine_id", RowId, primary_key=True),
    Column("import_id", ForeignKey("imports.import_id"), nullable=False, index=True),
    Column("line", Integer, nullable=False),
    Column("column", Text, nullable=False, server_default=""),
    text("reason"),
    # The row as it came; emptied when the contact it speaks of is erased.
    Column("raw", JSON, nullable=False),
    Column("email_hash", String(64), index=True),
)

import_mappings = Table(
    "import_mappings",
    metadata,
    # A corrected mapping, remembered under the header it belongs to.
    Column("signature", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("columns", JSON, nullable=False),
    moment("saved_at"),
)

syncs = Table(
    "syncs",
    metadata,
    # How far each kind of thing was read from each system.
    Column("system", String(32), primary_key=True),
    Column("thing", String(32), primary_key=True),
    # Where to go on, in the connector's own words; empty before the first record.
    text("cursor", default=""),
    # What the pull under way has brought, and how much there is where the system says so.
    Column("records", Integer, nullable=False, server_default="0"),
    Column("total", Integer),
    # When the last pull that came to an end began, by business time; null until one has.
    moment("complete_at", null=True),
    moment("began_at", null=True),
    moment("failed_at", null=True),
    # What went wrong and what to do, in one line; empty when the last pull went well.
    text("trouble", default=""),
    # Who is at it, and until when by real time nobody else may be.
    text("holder", default=""),
    moment("held_until", null=True),
)
