"""What was measured and learned."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from memory.schema.columns import metadata, moment, one_of, text

readouts = Table(
    "readouts",
    metadata,
    Column("readout_id", String(64), primary_key=True),
    # Null for the programme read-out, over all campaigns together.
    Column("campaign_id", ForeignKey("campaigns.campaign_id"), index=True),
    Column("look", Integer, nullable=False),
    Column("looks_planned", Integer, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("body", JSON, nullable=False),
    moment("planned_at"),
    moment("read_at"),
    one_of("verdict", "works", "harms", "inconclusive", "invalid"),
    UniqueConstraint("campaign_id", "look"),
)

eval_runs = Table(
    "eval_runs",
    metadata,
    # What `noria eval` found when it was run in this workspace.
    Column("run_id", String(64), primary_key=True),
    # cases or hostile.
    Column("suite", String(16), nullable=False),
    Column("provider", Text, nullable=False),
    # Digest of what was asked: results of different cases are not compared.
    Column("digest", String(64), nullable=False, server_default=""),
    Column("passed", Boolean, nullable=False),
    # Means by agent, numbers of cases, and every case below 1 with its reason.
    Column("body", JSON, nullable=False),
    moment("run_at"),
    one_of("suite", "cases", "hostile"),
)

lessons = Table(
    "lessons",
    metadata,
    Column("lesson_id", String(64), primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.campaign_id")),
    Column("readout_id", ForeignKey("readouts.readout_id")),
    Column("playbook", String(64), nullable=False),
    Column("segment", Text, nullable=False),
    Column("lever", String(64), nullable=False),
    Column("level", Text, nullable=False),
    Column("goal", String(64), nullable=False),
    Column("channel", String(32), nullable=False),
    # Effect on log-odds against the campaign's own holdout, with its standard error.
    Column("effect", Float, nullable=False),
    Column("standard_error", Float, nullable=False),
    Column("contacts", Integer, nullable=False),
    Column("conversions", Integer, nullable=False),
    Column("verdict", String(16), nullable=False),
    # {"en": …, "fr": …}
    Column("text", JSON, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("state", String(16), nullable=False, server_default="active"),
    text("state_reason", default=""),
    moment("observed_from"),
    moment("observed_to"),
    moment("expires_at"),
    moment("created_at"),
    one_of("state", "active", "withdrawn", "contradicted"),
)
