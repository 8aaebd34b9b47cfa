"""keep what contacts write back"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replies",
        sa.Column("event_id", sa.String(length=255), nullable=False),
        sa.Column("contact_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("reading", sa.String(length=16), nullable=False),
        sa.Column("objection", sa.String(length=16), server_default="", nullable=False),
        sa.Column("needs_person", sa.Boolean(), nullable=False),
        sa.Column("read_by", sa.String(length=8), server_default="", nullable=False),
        sa.Column("acted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_replies")),
    )
    with op.batch_alter_table("replies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_replies_contact_id"), ["contact_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_replies_reading"), ["reading"], unique=False)
