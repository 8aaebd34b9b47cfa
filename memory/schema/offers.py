"""What may be offered and said."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, String, Table, UniqueConstraint

from memory.schema.columns import RowId, metadata, moment, one_of, text

offers = Table(
    "offers",
    metadata,
    Column("offer_id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    # Basis points for percent (1000 = 10 %), minor units for amount, 0 otherwise.
    Column("value", Integer, nullable=False, server_default="0"),
    Column("currency", String(3), nullable=False, server_default=""),
    text("code", default=""),
    # {"en": "10 % off your next basket", "fr": "…"}: the only words under which it may appear.
    Column("labels", JSON, nullable=False, default=dict),
    text("category", default=""),
    Column("minimum_basket_cents", BigInteger, nullable=False, server_default="0"),
    moment("starts_at"),
    moment("ends_at"),
    text("approved_by", default=""),
    one_of("kind", "percent", "amount", "free_shipping", "gift", "points"),
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
    moment("assigned_at", null=True),
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
    text("text"),
    text("approved_by", default=""),
    moment("valid_until", null=True),
)
