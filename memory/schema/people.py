"""People, what they allow, and how much they are written to."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
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

accounts = Table(
    "accounts",
    metadata,
    Column("account_id", RowId, primary_key=True),
    Column("external_id", Text, nullable=False, unique=True),
    text("name", default=""),
    text("domain", default=""),
    Column("attributes", JSON, nullable=False, default=dict),
)

contacts = Table(
    "contacts",
    metadata,
    # A surrogate: the only name under which the lake knows a person.
    Column("contact_id", RowId, primary_key=True),
    # Null for an anonymous contact and after erasure.
    Column("email", Text),
    # Keyed hash of the lower-cased address: joins suppressions. Null after erasure, which leaves it there alone.
    Column("email_hash", String(64), index=True),
    Column("phone", Text),
    text("first_name", default=""),
    text("last_name", default=""),
    text("company", default=""),
    Column("account_id", ForeignKey("accounts.account_id")),
    # Two-letter language and IANA zone; empty means unknown, and the workspace's fallback is used and said.
    text("language", default=""),
    text("time_zone", default=""),
    text("country", default=""),
    # Free text from people: untrusted, never shown to a model outside the quarantined extractor.
    text("notes", default=""),
    Column("attributes", JSON, nullable=False, default=dict),
    moment("created_at"),
    moment("updated_at"),
    # Hot facts, kept by intake and by the ledger so that each claim sees them fresh.
    moment("last_human_signal_at", null=True),
    moment("last_order_at", null=True),
    moment("open_cart_at", null=True),
    # What it holds, in minor units; null where the cart did not say.
    Column("open_cart_cents", BigInteger),
    # Messages sent since the last human signal; null where no tracking tells.
    Column("sent_since_signal", Integer, nullable=False, server_default="0"),
    Column("merged_into", RowId),
    moment("erased_at", null=True),
    Index("ix_contacts_email", "email", unique=True),
)
# Few were ever merged, and many a step asks who was.
Index(
    "ix_contacts_merged",
    contacts.c.merged_into,
    sqlite_where=contacts.c.merged_into.is_not(None),
    postgresql_where=contacts.c.merged_into.is_not(None),
)

contact_aliases = Table(
    "contact_aliases",
    metadata,
    # Every name under which a source knows the contact: its own id, an anonymous id, an older contact merged in.
    Column("source", String(64), primary_key=True),
    Column("alias", String(255), primary_key=True),
    Column("contact_id", ForeignKey("contacts.contact_id"), nullable=False, index=True),
    # Whoever searches for a person names no source.
    Index("ix_contact_aliases_alias", "alias"),
)

deals = Table(
    "deals",
    metadata,
    Column("deal_id", RowId, primary_key=True),
    Column("external_id", Text, nullable=False, unique=True),
    Column("account_id", ForeignKey("accounts.account_id")),
    Column("contact_id", ForeignKey("contacts.contact_id")),
    text("name", default=""),
    text("stage", default=""),
    Column("amount_cents", BigInteger),
    Column("currency", String(3)),
    moment("opened_at", null=True),
    moment("closed_at", null=True),
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
    moment("at"),
    text("source", default=""),
    # Who, when, which text: what would be shown to an authority. Empty means there is no proof.
    text("proof", default=""),
    text("wording", default=""),
    # Double opt-in: whoever reads the address said yes in answer to a message to it.
    Column("confirmed", Boolean, nullable=False, server_default=false()),
    one_of("state", "granted", "withdrawn"),
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
    moment("at"),
    Column("has_proof", Boolean, nullable=False),
    Column("confirmed", Boolean, nullable=False, server_default=false()),
)

suppressions = Table(
    "suppressions",
    metadata,
    # A channel; "import" for a name by which a source knew somebody who was erased.
    Column("channel", String(32), primary_key=True),
    Column("address_hash", String(64), primary_key=True),
    # unsubscribed, complained, hard_bounce, soft_bounces, manual, erased, imported.
    Column("reason", String(32), nullable=False),
    moment("at"),
    text("source", default=""),
)

erasures = Table(
    "erasures",
    metadata,
    # Contacts who are to be forgotten; a worker goes on with those that could not be finished at once.
    Column("contact_id", ForeignKey("contacts.contact_id"), primary_key=True, autoincrement=False),
    moment("asked_at"),
    # Who asked for it.
    text("actor"),
    # True once a person said that they took the contact off the advertising audiences.
    Column("taken_off", Boolean, nullable=False, server_default=false()),
    # When nothing of the contact was left anywhere.
    moment("finished_at", null=True),
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
    moment("paused_until", null=True),
    # Question → answer, as the contact gave it.
    Column("answers", JSON, nullable=False, default=dict),
    moment("updated_at"),
)

cap_slots = Table(
    "cap_slots",
    metadata,
    # One row per message a contact may get in the rolling window; reserved_at is when its slot was last taken.
    Column("contact_id", RowId, primary_key=True),
    Column("slot", Integer, primary_key=True),
    moment("reserved_at"),
    Column("message_key", String(64)),
)

pace = Table(
    "pace",
    metadata,
    # What each channel has taken of its limits: in all (scope ""), to one domain ("@gmail.com"), today ("day").
    Column("channel", String(32), primary_key=True),
    Column("scope", String(255), primary_key=True),
    moment("taken_until"),
    # Until when turns were given to messages that wait.
    moment("turns_until"),
    Column("used", Integer, nullable=False),
)
