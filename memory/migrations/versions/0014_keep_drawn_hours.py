"""keep drawn hours"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('hour_draws',
    sa.Column('enrolment_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('step_key', sa.String(length=64), nullable=False),
    sa.Column('hour', sa.Integer(), nullable=False),
    sa.Column('own_hour', sa.Integer(), nullable=False),
    sa.Column('probability', sa.Float(), nullable=False),
    sa.Column('from_hour', sa.Integer(), nullable=False),
    sa.Column('until_hour', sa.Integer(), nullable=False),
    sa.Column('drawn_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolments.enrolment_id'], name=op.f('fk_hour_draws_enrolment_id_enrolments')),
    sa.PrimaryKeyConstraint('enrolment_id', 'step_key', name=op.f('pk_hour_draws'))
    )
