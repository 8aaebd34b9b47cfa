"""keep drawn hours and weekdays together"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    identity = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    together = op.create_table('time_draws',
    sa.Column('enrolment_id', identity, nullable=False),
    sa.Column('step_key', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('drawn', sa.Integer(), nullable=False),
    sa.Column('own', sa.Integer(), nullable=False),
    sa.Column('probability', sa.Float(), nullable=False),
    sa.Column('possible', sa.JSON(), nullable=False),
    sa.Column('drawn_at', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("kind IN ('hour', 'weekday')", name=op.f('ck_time_draws_kind')),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolments.enrolment_id'], name=op.f('fk_time_draws_enrolment_id_enrolments')),
    sa.PrimaryKeyConstraint('enrolment_id', 'step_key', 'kind', name=op.f('pk_time_draws'))
    )
    shared = ('enrolment_id', 'step_key', 'probability', 'drawn_at')
    names = (*shared, 'hour', 'own_hour', 'from_hour', 'until_hour')
    hours = sa.table('hour_draws', *(sa.column(name) for name in names))
    weekdays = sa.table('weekday_draws', *(sa.column(name) for name in (*shared, 'weekday', 'own_weekday')),
                        sa.column('weekdays', sa.JSON()))
    connection = op.get_bind()
    moved = [
        {**{name: row[name] for name in shared}, 'kind': 'hour', 'drawn': row['hour'], 'own': row['own_hour'],
         'possible': list(range(row['from_hour'], row['until_hour']))}
        for row in connection.execute(sa.select(hours)).mappings()
    ] + [
        {**{name: row[name] for name in shared}, 'kind': 'weekday', 'drawn': row['weekday'],
         'own': row['own_weekday'], 'possible': row['weekdays']}
        for row in connection.execute(sa.select(weekdays)).mappings()
    ]
    op.bulk_insert(together, moved)
    op.drop_table('hour_draws')
    op.drop_table('weekday_draws')
