"""Proposals, what people said about them, and what was expected."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from memory.schema.columns import metadata, moment, one_of, text

briefs = Table(
    "briefs",
    metadata,
    Column("brief_id", String(64), primary_key=True),
    Column("body", JSON, nullable=False),
    text("author"),
    moment("created_at"),
)

plan_requests = Table(
    "plan_requests",
    metadata,
    # Briefs for which a worker is to plan, and what came of it.
    Column("brief_id", ForeignKey("briefs.brief_id"), primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    text("actor"),
    moment("asked_at"),
    moment("updated_at"),
    # Until when, in real time, the worker that took it is waited for.
    moment("claimed_until", null=True),
    # The planning thread, once there is one; answers that it has not been given yet.
    text("thread_id", default=""),
    Column("answers", JSON, nullable=False, default=dict),
    # Proposals, what was not proposed and why, open questions; or what went wrong.
    Column("result", JSON, nullable=False, default=dict),
    one_of("state", "waiting", "planning", "asked", "done", "failed"),
)

proposals = Table(
    "proposals",
    metadata,
    Column("proposal_id", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("thread_id", String(64), nullable=False, index=True),
    Column("brief_id", ForeignKey("briefs.brief_id")),
    Column("kind", String(32), nullable=False),
    Column("playbook", String(64), nullable=False),
    # queued (ranked, waits for room), open, asked, approved, launching, launched, rejected, expired, voided, failed.
    Column("status", String(16), nullable=False, index=True),
    # SHA-256 over what would happen (Play); an approval names it.
    Column("digest", String(64), nullable=False),
    # Expected incremental value per unit of attention: the order of the queue.
    Column("rank_score", Float, nullable=False, server_default="0"),
    Column("body", JSON, nullable=False),
    # Who answers for it: so many proposals wait for each owner at once.
    text("owner", default=""),
    Column("last_editor", Text),
    # LangGraph's name of the waiting interrupt; null before and after it waits.
    Column("interrupt_id", Text),
    moment("created_at"),
    moment("updated_at"),
    moment("expires_at"),
    # When somebody was reminded that this version expires.
    moment("reminded_at", null=True),
    Index("ix_proposals_created_at", "created_at", "proposal_id"),
)

proposal_versions = Table(
    "proposal_versions",
    metadata,
    # Every version that somebody may have seen, unchanged.
    Column("proposal_id", ForeignKey("proposals.proposal_id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("body", JSON, nullable=False),
    Column("author", Text, nullable=False),
    moment("created_at"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", String(64), primary_key=True),
    Column("proposal_id", ForeignKey("proposals.proposal_id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("verdict", String(16), nullable=False),
    # cli:<os user>, console:<user>, or demo:<script>.
    Column("actor", Text, nullable=False),
    text("reason", default=""),
    # For an edit: the changed slots and limits. For an ask: the question, then the answer.
    Column("changes", JSON, nullable=False, default=dict),
    moment("decided_at"),
    # Of an edit: the digest to which whoever made it says yes, should it come of it.
    text("then_approves", default=""),
    # Set when the graph has acted on it, so that each decision counts once.
    moment("consumed_at", null=True),
    one_of("verdict", "approve", "edit", "reject", "ask"),
)

autonomy = Table(
    "autonomy",
    metadata,
    # Kinds of action that somebody moved on the ladder, or that had to begin their record anew; others are at approve.
    Column("kind", String(16), primary_key=True),
    Column("level", String(16), nullable=False),
    moment("since", null=True),
    text("actor"),
    text("reason"),
    # Decisions up to here do not count for the record.
    moment("counted_from"),
    # When a raise was proposed, so that it is proposed once.
    moment("proposed_at", null=True),
    one_of("level", "suggest", "approve", "auto"),
)

forecasts = Table(
    "forecasts",
    metadata,
    # Immutable once written; outcomes and scores go to forecast_scores.
    Column("forecast_id", String(64), primary_key=True),
    Column("proposal_id", ForeignKey("proposals.proposal_id"), nullable=False, index=True),
    Column("proposal_version", Integer, nullable=False),
    Column("metric", String(64), nullable=False),
    Column("body", JSON, nullable=False),
    moment("made_at"),
)

forecast_scores = Table(
    "forecast_scores",
    metadata,
    Column("forecast_id", ForeignKey("forecasts.forecast_id"), primary_key=True),
    Column("readout_id", String(64), nullable=False),
    Column("body", JSON, nullable=False),
    moment("scored_at"),
)

lookups = Table(
    "lookups",
    metadata,
    # Every call by which an agent looked something up, and every model call: evidence cites these ids.
    Column("lookup_id", String(64), primary_key=True),
    Column("thread_id", String(64), nullable=False, index=True),
    Column("name", String(64), nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("result", JSON, nullable=False),
    Column("tokens", Integer, nullable=False, server_default="0"),
    moment("at"),
)
