"""keep the pace of channels"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('pace',
    sa.Column('channel', sa.String(length=32), nullable=False),
    sa.Column('scope', sa.String(length=255), nullable=False),
    sa.Column('taken_until', sa.BigInteger(), nullable=False),
    sa.Column('turns_until', sa.BigInteger(), nullable=False),
    sa.Column('used', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('channel', 'scope', name=op.f('pk_pace'))
    )
