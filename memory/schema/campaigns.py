"""Campaigns: versions, sequences, who takes part, and the send ledger."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from memory.schema.columns import RowId, metadata, moment, one_of, text

campaigns = Table(
    "campaigns",
    metadata,
    Column("campaign_id", String(64), primary_key=True),
    Column("proposal_id", ForeignKey("proposals.proposal_id"), nullable=False, unique=True),
    Column("playbook", String(64), nullable=False),
    text("name"),
    Column("status", String(16), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("holdout_share", Float, nullable=False),
    # Of a follow-up letter: the campaign that began the series, by whose id contacts are held out; else empty.
    Column("holdout_key", String(64), nullable=False, server_default="", index=True),
    text("owner"),
    # What lets contacts in, and for an event which one: so that intake finds who waits for it at a glance.
    Column("trigger_kind", String(16), nullable=False, server_default="once"),
    Column("trigger_event", String(64), nullable=False, server_default=""),
    # Which of several messages to one contact goes first: the higher priority, then the higher expected value.
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("value_per_message_cents", Float, nullable=False, server_default="0"),
    # When a segment or a date was last looked at.
    moment("checked_at", null=True),
    moment("starts_at"),
    # When the goal window of the last possible send closes: the last planned look.
    moment("ends_at"),
    moment("review_at"),
    moment("created_at"),
    one_of("status", "live", "paused", "finished", "cancelled"),
)

campaign_versions = Table(
    "campaign_versions",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.campaign_id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    # Whose approval covers it; null where that is the campaign's own proposal.
    Column("proposal_id", ForeignKey("proposals.proposal_id")),
    # The digest that was approved; recomputed from body at each send.
    Column("digest", String(64), nullable=False),
    # The approved Play, whole.
    Column("body", JSON, nullable=False),
    Column("policy_version", String(64), nullable=False),
    moment("approved_until"),
    moment("activated_at"),
)

shares = Table(
    "shares",
    metadata,
    Column("campaign_id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    # Of contacts, the lowest being 0; 0 alone where the version tells none apart.
    Column("band", Integer, primary_key=True, autoincrement=False),
    Column("sequence_key", String(64), primary_key=True),
    # Probability with which an entering contact draws it today; the sum over a band is 1. The sequence "nobody" has no
    # steps: whoever draws it gets nothing.
    Column("share", Float, nullable=False),
)

allocations = Table(
    "allocations",
    metadata,
    # Each decision about the shares of a running campaign: what they were, what they were to be, and what became of it.
    Column("allocation_id", String(64), primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.campaign_id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    # By band {sequence: share}; "nobody" among them where some are to get nothing.
    Column("before", JSON, nullable=False),
    Column("shares", JSON, nullable=False),
    # Counts, chances and the seed that it was decided by.
    Column("evidence", JSON, nullable=False),
    text("reason"),
    moment("decided_at"),
    moment("applied_at", null=True),
    text("actor", default=""),
    one_of("state", "kept", "suggested", "waiting", "applied", "declined", "rolled_back"),
)

steps = Table(
    "steps",
    metadata,
    Column("campaign_id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("sequence_key", String(64), primary_key=True),
    Column("step_key", String(64), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("body", JSON, nullable=False),
)

arrivals = Table(
    "arrivals",
    metadata,
    # Contacts whom a trigger has named and who wait at the door: written with the event, taken by a worker.
    Column("arrival_id", RowId, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.campaign_id"), nullable=False),
    Column("contact_id", ForeignKey("contacts.contact_id"), nullable=False),
    Column("event_id", String(255), nullable=False),
    moment("at"),
    # Records that the event names: {"product": "p17"}.
    Column("bindings", JSON, nullable=False, default=dict),
    UniqueConstraint("campaign_id", "event_id"),
    Index("ix_arrivals_contact_id", "contact_id"),
)

alerts = Table(
    "alerts",
    metadata,
    # Something for a person to do: about a contact in a campaign, or about the workspace, which names neither.
    Column("alert_id", RowId, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.campaign_id")),
    Column("contact_id", ForeignKey("contacts.contact_id")),
    Column("enrolment_id", ForeignKey("enrolments.enrolment_id")),
    Column("step_key", String(64), nullable=False),
    text("owner"),
    # {"en": …}: what to do.
    Column("task", JSON, nullable=False),
    moment("raised_at"),
    moment("done_at", null=True),
    text("done_by", default=""),
    text("note", default=""),
    UniqueConstraint("enrolment_id", "step_key"),
    Index("ix_alerts_done_at", "done_at"),
)

enrolments = Table(
    "enrolments",
    metadata,
    Column("enrolment_id", RowId, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.campaign_id"), nullable=False),
    Column("contact_id", ForeignKey("contacts.contact_id"), nullable=False, index=True),
    # 1 for the first entry, 2 for a re-entry, …
    Column("occurrence", Integer, nullable=False, server_default="1"),
    Column("version", Integer, nullable=False),
    Column("in_holdout", Boolean, nullable=False),
    # Which band of contacts they were in as they entered.
    Column("band", Integer, nullable=False, server_default="0"),
    # Drawn for holdout contacts too, as a shadow.
    Column("sequence_key", String(64), nullable=False),
    Column("probability", Float, nullable=False),
    Column("state", String(16), nullable=False),
    Column("step_key", String(64)),
    moment("due_at", null=True),
    moment("entered_at"),
    moment("exited_at", null=True),
    text("exit_reason", default=""),
    # Ids of records that personal values are read from at the send (product, order, …).
    Column("bindings", JSON, nullable=False, default=dict),
    UniqueConstraint("campaign_id", "contact_id", "occurrence"),
    Index("ix_enrolments_state_due_at", "state", "due_at"),
    # Holds all that the pages of campaigns count, so that nobody reads a row of the table for it.
    Index("ix_enrolments_counted", "campaign_id", "in_holdout", "sequence_key", "state", "exit_reason"),
    one_of("state", "active", "exited"),
)

time_draws = Table(
    "time_draws",
    metadata,
    # At which hour of the contact's day, or on which weekday (0 is Monday), a step was to be reached, where these are
    # drawn at random to learn of them.
    Column("enrolment_id", ForeignKey("enrolments.enrolment_id"), primary_key=True),
    Column("step_key", String(64), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("drawn", Integer, nullable=False),
    Column("own", Integer, nullable=False),
    Column("probability", Float, nullable=False),
    # Those that could have been drawn.
    Column("possible", JSON, nullable=False),
    moment("drawn_at"),
    one_of("kind", "hour", "weekday"),
)

messages = Table(
    "messages",
    metadata,
    # The send ledger: one row per intended send, the only way out.
    Column("message_id", RowId, primary_key=True),
    # SHA-256 of (campaign, contact, step, occurrence): also the idempotency key at a provider.
    Column("message_key", String(64), nullable=False, unique=True),
    Column("campaign_id", ForeignKey("campaigns.campaign_id"), nullable=False),
    Column("contact_id", ForeignKey("contacts.contact_id"), nullable=False, index=True),
    Column("enrolment_id", ForeignKey("enrolments.enrolment_id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("sequence_key", String(64), nullable=False),
    Column("step_key", String(64), nullable=False),
    Column("occurrence", Integer, nullable=False),
    Column("channel", String(32), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    # Why it is suppressed, failed, unknown or held.
    text("reason", default=""),
    # Verdicts of the gate at the last attempt: [{rule, verdict, fact, limit, sentence}].
    Column("findings", JSON, nullable=False, default=list),
    Column("pack_version", String(64), nullable=False, server_default=""),
    # That verdict in a word, the digest of its findings, and of the chunk by which the journal holds both.
    text("judged", default=""),
    Column("findings_digest", String(64), nullable=False, server_default=""),
    Column("chunk", String(64), nullable=False, server_default=""),
    moment("planned_at"),
    # Not before; moved by a hold or a send window.
    moment("due_at"),
    # After this a held row becomes suppressed.
    moment("deadline_at"),
    # Claim token of the worker that holds it; leases run on real time.
    Column("claim_token", String(64)),
    # Set before the first byte may leave: a claim without it left nothing, and may be taken back.
    Column("in_flight", Boolean, nullable=False, server_default=false()),
    moment("lease_until", null=True),
    moment("claimed_at", null=True),
    moment("sent_at", null=True),
    Column("provider", String(32), nullable=False, server_default=""),
    Column("provider_id", Text),
    # SHA-256 of the bytes that left; the bytes themselves are not kept here.
    Column("content_digest", String(64)),
    Column("attempts", Integer, nullable=False, server_default="0"),
    UniqueConstraint("campaign_id", "contact_id", "step_key", "occurrence"),
    Index("ix_messages_state_due_at", "state", "due_at"),
    Index("ix_messages_counted", "campaign_id", "state", "reason", "contact_id"),
    one_of("state", "planned", "claimed", "sent", "suppressed", "failed", "unknown", "withheld"),
)

link_targets = Table(
    "link_targets",
    metadata,
    # Addresses that messages were rendered with, each once: a click can lead nowhere else.
    Column("target_id", String(64), primary_key=True),
    text("address"),
)
