"""Who may sign in to the console or send programs in their name, who has, and who tried in vain."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

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
    # Whether they are told by mail what waits for them: at once, once a day, or not.
    Column("notify", String(16), nullable=False, server_default="at_once"),
    moment("created_at"),
    moment("revoked_at", null=True),
    one_of("role", *ROLES),
)

staff_mails = Table(
    "staff_mails",
    metadata,
    # Mail to people who sign in: in no ledger, under no cap, in no report.
    Column("mail_id", String(64), primary_key=True),
    Column("name", ForeignKey("users.name"), nullable=False, index=True),
    # code (proves that an address is theirs), test (a message of a proposal, as it would leave), or notice (what waits
    # for them).
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
    one_of("kind", "code", "test", "notice"),
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

api_tokens = Table(
    "api_tokens",
    metadata,
    # By what people name it; the token itself is kept as a SHA-256 alone.
    Column("token_id", String(16), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    # In whose name a program acts.
    Column("owner", ForeignKey("users.name"), nullable=False, index=True),
    text("label"),
    Column("scopes", JSON, nullable=False),
    moment("created_at"),
    moment("expires_at"),
    moment("used_at", null=True),
    moment("revoked_at", null=True),
)

api_answers = Table(
    "api_answers",
    metadata,
    # What a request was answered, by whom it came and the key it named: asked again, it is answered alike.
    Column("owner", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    # SHA-256 over method, address and body.
    Column("request_hash", String(64), nullable=False),
    moment("begun_at"),
    # Null while it is being worked on.
    Column("status", Integer),
    Column("body", Text),
    Index("ix_api_answers_begun_at", "begun_at"),
)

notices = Table(
    "notices",
    metadata,
    # What somebody is told of, once: a version of a proposal that waits, that it is about to expire, or an alert.
    Column("name", ForeignKey("users.name"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    # The proposal's id and version, or the alert's id.
    Column("subject", String(96), primary_key=True),
    moment("noted_at"),
    # The mail that tells it; null until there is one, and again where that one did not surely leave.
    Column("mail_id", ForeignKey("staff_mails.mail_id"), index=True),
    one_of("kind", "proposal", "reminder", "alert"),
)
