"""keep the reputation of senders"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('reputation_counts',
    sa.Column('sender', sa.String(length=255), nullable=False),
    sa.Column('domain', sa.String(length=255), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('messages', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('sender', 'domain', 'kind', 'at', name=op.f('pk_reputation_counts'))
    )
    op.create_table('reputation_reports',
    sa.Column('sender', sa.String(length=255), nullable=False),
    sa.Column('domain', sa.String(length=255), nullable=False),
    sa.Column('day', sa.BigInteger(), nullable=False),
    sa.Column('complaint_share', sa.Float(), nullable=False),
    sa.Column('imported_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('sender', 'domain', 'day', name=op.f('pk_reputation_reports'))
    )
    op.create_table('reputation_standings',
    sa.Column('sender', sa.String(length=255), nullable=False),
    sa.Column('domain', sa.String(length=255), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('since', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('room', sa.Integer(), nullable=True),
    sa.Column('counted_from', sa.BigInteger(), nullable=True),
    sa.CheckConstraint("state IN ('fine', 'slowed', 'stopped')", name=op.f('ck_reputation_standings_state')),
    sa.PrimaryKeyConstraint('sender', 'domain', name=op.f('pk_reputation_standings'))
    )
    with op.batch_alter_table('alerts', schema=None) as batch_op:
        batch_op.alter_column('campaign_id',
               existing_type=sa.VARCHAR(length=64),
               nullable=True)
        batch_op.alter_column('contact_id',
               existing_type=sa.INTEGER(),
               nullable=True)
        batch_op.alter_column('enrolment_id',
               existing_type=sa.INTEGER(),
               nullable=True)

