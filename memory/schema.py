"""The tables of the store: everything that must be transactional, one truth per datum.

Timestamps are integer UTC microseconds in storage and aware datetimes in code. Money is integer minor units with a
currency. Facts about the past (events, orders, lines, products, exported sends) live in the lake, not here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_micros(at: datetime) -> int:
    """An aware datetime as integer UTC microseconds since 1970."""
    if at.tzinfo is None:
        raise ValueError("a naive datetime names no moment; attach a time zone")
    return (at - EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """The aware UTC datetime of an integer count of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as integer microseconds so that both engines compare it alike."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_micros(value)


# SQLite only numbers rows by itself for a column of type INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str, *, null: bool = False, default: str | None = None) -> Column[Any]:
    return Column(name, Text, nullable=null, server_default=default)


def _moment(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, Moment, nullable=null)


def _one_of(column: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


workspace = Table(
    "workspace",
    metadata,
    # Single values of the organisation: salt, business clock, switch. See memory.workspace.
    Column("key", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)

# --- People and what they allow -------------------------------------------------------------------------------

accounts = Table(
    "accounts",
    metadata,
    Column("account_id", RowId, primary_key=True),
    Column("external_id", Text, nullable=False, unique=True),
    _text("name", default=""),
    _text("domain", default=""),
    Column("attributes", JSON, nullable=False, default=dict),
)

contacts = Table(
    "contacts",
    metadata,
    # A surrogate: the only name under which the lake knows a person.
    Column("contact_id", RowId, primary_key=True),
    # Null for an anonymous contact and after erasure.
    Column("email", Text),
    # Keyed hash of the lower-cased address: joins suppressions, survives erasure.
    Column("email_hash", String(64), index=True),
    Column("phone", Text),
    _text("first_name", default=""),
    _text("last_name", default=""),
    _text("company", default=""),
    Column("account_id", ForeignKey("accounts.account_id")),
    # Two-letter language and IANA zone; empty means unknown, and the workspace's fallback is used and said.
    _text("language", default=""),
    _text("time_zone", default=""),
    _text("country", default=""),
    # Free text from people: untrusted, never shown to a model outside the quarantined extractor.
    _text("notes", default=""),
    Column("attributes", JSON, nullable=False, default=dict),
    _moment("created_at"),
    _moment("updated_at"),
    # Hot facts, kept by intake and by the ledger so that each claim sees them fresh.
    _moment("last_human_signal_at", null=True),
    _moment("last_order_at", null=True),
    _moment("open_cart_at", null=True),
    # What it holds, in minor units; null where the cart did not say.
    Column("open_cart_cents", BigInteger),
    # Messages sent since the last human signal; null where no tracking tells.
    Column("sent_since_signal", Integer, nullable=False, server_default="0"),
    Column("merged_into", RowId),
    _moment("erased_at", null=True),
    Index("ix_contacts_email", "email", unique=True),
)

contact_aliases = Table(
    "contact_aliases",
    metadata,
    # Every name under which a source knows the contact: its own id, an anonymous id, an older contact merged in.
    Column("source", String(64), primary_key=True),
    Column("alias", String(255), primary_key=True),
    Column("contact_id", ForeignKey("contacts.contact_id"), nullable=False, index=True),
)

deals = Table(
    "deals",
    metadata,
    Column("deal_id", RowId, primary_key=True),
    Column("external_id", Text, nullable=False, unique=True),
    Column("account_id", ForeignKey("accounts.account_id")),
    Column("contact_id", ForeignKey("contacts.contact_id")),
    _text("name", default=""),
    _text("stage", default=""),
    Column("amount_cents", BigInteger),
    Column("currency", String(3)),
    _moment("opened_at", null=True),
    _moment("closed_at", null=True),
    # Null while open.
    Column("won", Boolean),
)

consents = Table(
    "consents",
    metadata,
    # History: rows are only ever added. The row with the latest moment (then the highest id) is in force.
    Column("consent_id", RowId, primary_key=True),
    Column("contact_id", ForeignKey("contacts.contact_id"), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    _moment("at"),
    _text("source", default=""),
    # Who, when, which text: what would be shown to an authority. Empty means there is no proof.
    _text("proof", default=""),
    _text("wording", default=""),
    _one_of("state", "granted", "withdrawn"),
    UniqueConstraint("contact_id", "channel", "purpose", "at", "state"),
)

consent_current = Table(
    "consent_current",
    metadata,
    # The row in force per channel and purpose, written in the same transaction as the history.
    Column("contact_id", ForeignKey("contacts.contact_id"), primary_key=True),
    Column("channel", String(32), primary_key=True),
    Column("purpose", String(32), primary_key=True),
    Column("consent_id", ForeignKey("consents.consent_id"), nullable=False),
    Column("state", String(16), nullable=False),
    _moment("at"),
    Column("has_proof", Boolean, nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("channel", String(32), primary_key=True),
    Column("address_hash", String(64), primary_key=True),
    # unsubscribed, complained, hard_bounce, manual, erased, imported.
    Column("reason", String(32), nullable=False),
    _moment("at"),
    _text("source", default=""),
)

preferences = Table(
    "preferences",
    metadata,
    # What contacts chose for themselves; no row for who never chose. Read by every claim.
    Column("contact_id", ForeignKey("contacts.contact_id"), primary_key=True, autoincrement=False),
    # The topics they picked; null for all of them, also those to come.
    Column("topics", JSON(none_as_null=True)),
    # At most one marketing message in so many days; 0 for as it comes.
    Column("at_most_days", Integer, nullable=False, server_default="0"),
    _moment("paused_until", null=True),
    # Question → answer, as the contact gave it.
    Column("answers", JSON, nullable=False, default=dict),
    _moment("updated_at"),
)

cap_slots = Table(
    "cap_slots",
    metadata,
    # One row per message a contact may get in the rolling window; reserved_at is when its slot was last taken.
    Column("contact_id", RowId, primary_key=True),
    Column("slot", Integer, primary_key=True),
    _moment("reserved_at"),
    Column("message_key", String(64)),
)

pace = Table(
    "pace",
    metadata,
    # What each channel has taken of its limits: in all (scope ""), to one domain ("@gmail.com"), today ("day").
    Column("channel", String(32), primary_key=True),
    Column("scope", String(255), primary_key=True),
    _moment("taken_until"),
    # Until when turns were given to messages that wait.
    _moment("turns_until"),
    Column("used", Integer, nullable=False),
)

# --- What may be offered and said -----------------------------------------------------------------------------

offers = Table(
    "offers",
    metadata,
    Column("offer_id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    # Basis points for percent (1000 = 10 %), minor units for amount, 0 otherwise.
    Column("value", Integer, nullable=False, server_default="0"),
    Column("currency", String(3), nullable=False, server_default=""),
    _text("code", default=""),
    # {"en": "10 % off your next basket", "fr": "…"}: the only words under which it may appear.
    Column("labels", JSON, nullable=False, default=dict),
    _text("category", default=""),
    Column("minimum_basket_cents", BigInteger, nullable=False, server_default="0"),
    _moment("starts_at"),
    _moment("ends_at"),
    _text("approved_by", default=""),
    _one_of("kind", "percent", "amount", "free_shipping", "gift", "points"),
)

offer_codes = Table(
    "offer_codes",
    metadata,
    # Codes that work once each. Taken in the transaction that claims a send, and never given back.
    Column("code_id", RowId, primary_key=True),
    Column("offer_id", ForeignKey("offers.offer_id"), nullable=False),
    Column("code", String(64), nullable=False),
    Column("contact_id", ForeignKey("contacts.contact_id")),
    # The message that first showed it.
    Column("message_key", String(64)),
    _moment("assigned_at", null=True),
    UniqueConstraint("offer_id", "code"),
    # One code of an offer for one contact; codes without a contact do not count against each other.
    UniqueConstraint("offer_id", "contact_id"),
)

facts = Table(
    "facts",
    metadata,
    # Claims that copy may make, each approved by a named person.
    Column("fact_id", String(64), primary_key=True),
    Column("language", String(8), primary_key=True),
    _text("text"),
    _text("approved_by", default=""),
    _moment("valid_until", null=True),
)

# --- Proposals and decisions ----------------------------------------------------------------------------------

briefs = Table(
    "briefs",
    metadata,
    Column("brief_id", String(64), primary_key=True),
    Column("body", JSON, nullable=False),
    _text("author"),
    _moment("created_at"),
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
    Column("last_editor", Text),
    # LangGraph's name of the waiting interrupt; null before and after it waits.
    Column("interrupt_id", Text),
    _moment("created_at"),
    _moment("updated_at"),
    _moment("expires_at"),
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
    _moment("created_at"),
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
    _text("reason", default=""),
    # For an edit: the changed slots and limits. For an ask: the question, then the answer.
    Column("changes", JSON, nullable=False, default=dict),
    _moment("decided_at"),
    # Set when the graph has acted on it, so that each decision counts once.
    _moment("consumed_at", null=True),
    _one_of("verdict", "approve", "edit", "reject", "ask"),
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
    _moment("made_at"),
)

forecast_scores = Table(
    "forecast_scores",
    metadata,
    Column("forecast_id", ForeignKey("forecasts.forecast_id"), primary_key=True),
    Column("readout_id", String(64), nullable=False),
    Column("body", JSON, nullable=False),
    _moment("scored_at"),
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
    _moment("at"),
)

# --- Campaigns ------------------------------------------------------------------------------------------------

campaigns = Table(
    "campaigns",
    metadata,
    Column("campaign_id", String(64), primary_key=True),
    Column("proposal_id", ForeignKey("proposals.proposal_id"), nullable=False, unique=True),
    Column("playbook", String(64), nullable=False),
    _text("name"),
    Column("status", String(16), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("holdout_share", Float, nullable=False),
    _text("owner"),
    # What lets contacts in, and for an event which one: so that intake finds who waits for it at a glance.
    Column("trigger_kind", String(16), nullable=False, server_default="once"),
    Column("trigger_event", String(64), nullable=False, server_default=""),
    # Which of several messages to one contact goes first: the higher priority, then the higher expected value.
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("value_per_message_cents", Float, nullable=False, server_default="0"),
    # When a segment or a date was last looked at.
    _moment("checked_at", null=True),
    _moment("starts_at"),
    # When the goal window of the last possible send closes: the last planned look.
    _moment("ends_at"),
    _moment("review_at"),
    _moment("created_at"),
    _one_of("status", "live", "paused", "finished", "cancelled"),
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
    _moment("approved_until"),
    _moment("activated_at"),
)

sequences = Table(
    "sequences",
    metadata,
    Column("campaign_id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("sequence_key", String(64), primary_key=True),
    # Probability with which an entering contact draws it; the sum over a version is 1.
    Column("share", Float, nullable=False),
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
    _moment("at"),
    # Records that the event names: {"product": "p17"}.
    Column("bindings", JSON, nullable=False, default=dict),
    UniqueConstraint("campaign_id", "event_id"),
    Index("ix_arrivals_contact_id", "contact_id"),
)

alerts = Table(
    "alerts",
    metadata,
    # Something for a person to do about a contact.
    Column("alert_id", RowId, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.campaign_id"), nullable=False),
    Column("contact_id", ForeignKey("contacts.contact_id"), nullable=False),
    Column("enrolment_id", ForeignKey("enrolments.enrolment_id"), nullable=False),
    Column("step_key", String(64), nullable=False),
    _text("owner"),
    # {"en": …}: what to do.
    Column("task", JSON, nullable=False),
    _moment("raised_at"),
    _moment("done_at", null=True),
    _text("done_by", default=""),
    _text("note", default=""),
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
    # Drawn for holdout contacts too, as a shadow.
    Column("sequence_key", String(64), nullable=False),
    Column("probability", Float, nullable=False),
    Column("state", String(16), nullable=False),
    Column("step_key", String(64)),
    _moment("due_at", null=True),
    _moment("entered_at"),
    _moment("exited_at", null=True),
    _text("exit_reason", default=""),
    # Ids of records that personal values are read from at the send (product, order, …).
    Column("bindings", JSON, nullable=False, default=dict),
    UniqueConstraint("campaign_id", "contact_id", "occurrence"),
    Index("ix_enrolments_state_due_at", "state", "due_at"),
    _one_of("state", "active", "exited"),
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
    _text("reason", default=""),
    # Verdicts of the gate at the last attempt: [{rule, verdict, fact, limit, sentence}].
    Column("findings", JSON, nullable=False, default=list),
    Column("pack_version", String(64), nullable=False, server_default=""),
    _moment("planned_at"),
    # Not before; moved by a hold or a send window.
    _moment("due_at"),
    # After this a held row becomes suppressed.
    _moment("deadline_at"),
    # Claim token of the worker that holds it; leases run on real time.
    Column("claim_token", String(64)),
    # Set before the first byte may leave: a claim without it left nothing, and may be taken back.
    Column("in_flight", Boolean, nullable=False, server_default=false()),
    _moment("lease_until", null=True),
    _moment("claimed_at", null=True),
    _moment("sent_at", null=True),
    Column("provider", String(32), nullable=False, server_default=""),
    Column("provider_id", Text),
    # SHA-256 of the bytes that left; the bytes themselves are not kept here.
    Column("content_digest", String(64)),
    Column("attempts", Integer, nullable=False, server_default="0"),
    UniqueConstraint("campaign_id", "contact_id", "step_key", "occurrence"),
    Index("ix_messages_state_due_at", "state", "due_at"),
    _one_of("state", "planned", "claimed", "sent", "suppressed", "failed", "unknown", "withheld"),
)

link_targets = Table(
    "link_targets",
    metadata,
    # Addresses that messages were rendered with, each once: a click can lead nowhere else.
    Column("target_id", String(64), primary_key=True),
    _text("address"),
)

# --- What was learned -----------------------------------------------------------------------------------------

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
    _moment("planned_at"),
    _moment("read_at"),
    _one_of("verdict", "works", "harms", "inconclusive", "invalid"),
    UniqueConstraint("campaign_id", "look"),
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
    _text("state_reason", default=""),
    _moment("observed_from"),
    _moment("observed_to"),
    _moment("expires_at"),
    _moment("created_at"),
    _one_of("state", "active", "withdrawn", "contradicted"),
)

# --- Taking things in -----------------------------------------------------------------------------------------

intake = Table(
    "intake",
    metadata,
    # Live events, durable and deduplicated before anything reacts to them; drained to the lake in batches.
    Column("intake_id", RowId, primary_key=True),
    Column("event_id", String(255), nullable=False, unique=True),
    Column("contact_id", RowId, index=True),
    Column("kind", String(64), nullable=False),
    _moment("at"),
    Column("properties", JSON, nullable=False, default=dict),
    _text("source", default=""),
    # False for scanners and other machines: stored, never counted.
    Column("human", Boolean, nullable=False),
    _moment("received_at"),
    Column("batch_id", String(64), index=True),
)

imports = Table(
    "imports",
    metadata,
    Column("import_id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    _text("file_name"),
    # SHA-256 of the file and the mapping: the same file twice changes nothing.
    Column("file_digest", String(64), nullable=False, index=True),
    Column("mapping", JSON, nullable=False),
    Column("rows_read", Integer, nullable=False),
    Column("rows_written", Integer, nullable=False),
    Column("rows_unchanged", Integer, nullable=False),
    Column("rows_quarantined", Integer, nullable=False),
    _moment("finished_at"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("quarantine_id", RowId, primary_key=True),
    Column("import_id", ForeignKey("imports.import_id"), nullable=False, index=True),
    Column("line", Integer, nullable=False),
    Column("column", Text, nullable=False, server_default=""),
    _text("reason"),
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
    _moment("saved_at"),
)

journal = Table(
    "journal",
    metadata,
    # Append-only and hash-chained; payloads hold ids, hashes and numbers, never personal data.
    Column("seq", RowId, primary_key=True, autoincrement=False),
    _moment("at"),
    _text("actor"),
    Column("action", String(64), nullable=False),
    _text("subject"),
    Column("payload", JSON, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
)
