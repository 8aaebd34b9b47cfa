"""How receiving domains take the mail of each sender."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, String, Table

from memory.schema.columns import metadata, moment, one_of, text

# The longest name that DNS knows has 253 characters.
_DOMAIN = 255

reputation_counts = Table(
    "reputation_counts",
    metadata,
    # What became of the e-mails that left in one hour, in numbers without names: erasing a contact leaves them true.
    Column("sender", String(_DOMAIN), primary_key=True),
    Column("domain", String(_DOMAIN), primary_key=True),
    # sent, refused, deferred (said while sending); bounced, soft_bounced, complaint, unsubscribe (said afterwards).
    Column("kind", String(16), primary_key=True),
    # The hour in which the message left that it speaks of, or the moment of a resume within that hour.
    moment("at", key=True),
    Column("messages", Integer, nullable=False),
)

reputation_standings = Table(
    "reputation_standings",
    metadata,
    # Only senders that were slowed or stopped once; the domain "*" stands for all those that have no row of their own.
    Column("sender", String(_DOMAIN), primary_key=True),
    Column("domain", String(_DOMAIN), primary_key=True),
    Column("state", String(16), nullable=False),
    moment("since"),
    text("reason"),
    # Who said so: the worker that measured, or the person who resumed it.
    text("actor"),
    # Messages a day while it is slowed.
    Column("room", Integer),
    # Nothing before counts any more: the moment of the last resume.
    moment("counted_from", null=True),
    one_of("state", "fine", "slowed", "stopped"),
)

reputation_reports = Table(
    "reputation_reports",
    metadata,
    # Complaint rates as a provider reports them, by day of UTC; imported by people.
    Column("sender", String(_DOMAIN), primary_key=True),
    Column("domain", String(_DOMAIN), primary_key=True),
    moment("day", key=True),
    Column("complaint_share", Float, nullable=False),
    moment("imported_at"),
)
