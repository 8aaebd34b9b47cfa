"""Who may sign in to the console, who has, and who tried in vain."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from memory.role import ROLES
from memory.schema.columns import RowId, metadata, moment, one_of, text

users = Table(
    "users",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    # Argon2; null until the invitation is taken up, and after a revocation.
    Column("password_hash", Text),
    # Shared secret of the authenticator app (RFC 6238), and the last time step that was used: each counts once.
    Column("second_factor", Text),
    Column("second_factor_step", BigInteger),
    # SHA-256 of the one-time link.
    Column("invite_hash", String(64), unique=True),
    moment("invited_until", null=True),
    text("language", default=""),
    # Where mail to them goes, once they proved that they read it there.
    text("email", null=True),
    moment("created_at"),
    moment("revoked_at", null=True),
    one_of("role", *ROLES),
)

staff_mails = Table(
    "staff_mails",
    metadata,
    # Mail to people who sign in, which they asked for themselves: in no ledger, under no cap, in no report.
    Column("mail_id", String(64), primary_key=True),
    Column("name", ForeignKey("users.name"), nullable=False, index=True),
    # code (proves that an address is theirs) or test (a message of a proposal, as it would leave).
    Column("kind", String(16), nullable=False),
    text("address"),
    text("language", default=""),
    # Of a test: which message of which version.
    Column("proposal_id", ForeignKey("proposals.proposal_id")),
    Column("version", Integer),
    text("step", default=""),
    # SHA-256 of the code that left.
    Column("code_hash", String(64)),
    Column("state", String(16), nullable=False, index=True),
    text("problem", default=""),
    moment("asked_at"),
    moment("settled_at", null=True),
    one_of("kind", "code", "test"),
    one_of("state", "waiting", "sending", "sent", "failed", "unknown"),
)

sessions = Table(
    "sessions",
    metadata,
    # SHA-256 of what the browser holds.
    Column("token_hash", String(64), primary_key=True),
    Column("name", ForeignKey("users.name"), nullable=False, index=True),
    moment("opened_at"),
    moment("expires_at"),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("failure_id", RowId, primary_key=True),
    # A salted hash of the name that was tried, or of the address it came from.
    Column("counted_by", String(64), nullable=False),
    moment("at"),
    Index("ix_sign_in_failures_counted_by_at", "counted_by", "at"),
)
