"""keep drawn weekdays"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('weekday_draws',
    sa.Column('enrolment_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('step_key', sa.String(length=64), nullable=False),
    sa.Column('weekday', sa.Integer(), nullable=False),
    sa.Column('own_weekday', sa.Integer(), nullable=False),
    sa.Column('probability', sa.Float(), nullable=False),
    sa.Column('weekdays', sa.JSON(), nullable=False),
    sa.Column('drawn_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolments.enrolment_id'], name=op.f('fk_weekday_draws_enrolment_id_enrolments')),
    sa.PrimaryKeyConstraint('enrolment_id', 'step_key', name=op.f('pk_weekday_draws'))
    )
