"""What people write in the console to be sent once, and the layouts they brought along."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Integer, String, Table

from memory.schema.columns import metadata, moment, one_of, text

letters = Table(
    "letters",
    metadata,
    Column("letter_id", String(32), primary_key=True),
    # draft, waiting (for the worker), proposed (a proposal holds it now), returned (with the reason in answer).
    Column("state", String(16), nullable=False, index=True),
    # Raised by every save, so that two people who write at once notice.
    Column("version", Integer, nullable=False),
    Column("body", JSON, nullable=False),
    text("author"),
    # Who saved it last, whose words it holds.
    text("edited_by", default=""),
    moment("created_at"),
    moment("updated_at"),
    # How often it was handed in; each time is a deliberation of its own.
    Column("submission", Integer, nullable=False, server_default="0"),
    text("submitted_by", default=""),
    # Until when, in real time, the worker that took it is waited for.
    moment("claimed_until", null=True),
    Column("proposal_id", ForeignKey("proposals.proposal_id")),
    text("answer", default=""),
    one_of("state", "draft", "waiting", "proposed", "returned"),
)

layouts = Table(
    "layouts",
    metadata,
    # MJML made from HTML that somebody brought, cleaned; those that come with Noria are files.
    Column("name", String(64), primary_key=True),
    text("mjml"),
    text("imported_by"),
    moment("imported_at"),
)
