"""keep preferences and link targets"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('link_targets',
    sa.Column('target_id', sa.String(length=64), nullable=False),
    sa.Column('address', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('target_id', name=op.f('pk_link_targets'))
    )
    op.create_table('preferences',
    sa.Column('contact_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('topics', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('at_most_days', sa.Integer(), server_default='0', nullable=False),
    sa.Column('paused_until', sa.BigInteger(), nullable=True),
    sa.Column('answers', sa.JSON(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.contact_id'], name=op.f('fk_preferences_contact_id_contacts')),
    sa.PrimaryKeyConstraint('contact_id', name=op.f('pk_preferences'))
    )
