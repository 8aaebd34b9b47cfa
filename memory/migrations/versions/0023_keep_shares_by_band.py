"""keep shares by band"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    by_band = op.create_table('shares',
    sa.Column('campaign_id', sa.String(length=64), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('band', sa.Integer(), nullable=False),
    sa.Column('sequence_key', sa.String(length=64), nullable=False),
    sa.Column('share', sa.Float(), nullable=False),
    sa.PrimaryKeyConstraint('campaign_id', 'version', 'band', 'sequence_key', name=op.f('pk_shares'))
    )
    names = ('campaign_id', 'version', 'sequence_key', 'share')
    before = sa.table('sequences', *(sa.column(name) for name in names))
    connection = op.get_bind()
    found = sa.select(*(before.c[name] for name in names), sa.literal(0))
    connection.execute(by_band.insert().from_select([*names, 'band'], found))
    op.drop_table('sequences')
    op.add_column('enrolments', sa.Column('band', sa.Integer(), server_default='0', nullable=False))
