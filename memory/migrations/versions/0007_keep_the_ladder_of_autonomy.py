"""keep the ladder of autonomy and reminders"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('autonomy',
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('level', sa.String(length=16), nullable=False),
    sa.Column('since', sa.BigInteger(), nullable=True),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('counted_from', sa.BigInteger(), nullable=False),
    sa.Column('proposed_at', sa.BigInteger(), nullable=True),
    sa.CheckConstraint("level IN ('suggest', 'approve', 'auto')", name=op.f('ck_autonomy_level')),
    sa.PrimaryKeyConstraint('kind', name=op.f('pk_autonomy'))
    )
    with op.batch_alter_table('proposals', schema=None) as batch_op:
        batch_op.add_column(sa.Column('owner', sa.Text(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('reminded_at', sa.BigInteger(), nullable=True))

    # Until now who answers for a proposal stood only inside it.
    proposals = sa.table(
        'proposals', sa.column('proposal_id', sa.String()), sa.column('owner', sa.Text()), sa.column('body', sa.JSON())
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(proposals.c.proposal_id, proposals.c.body)).all():
        mine = sa.update(proposals).where(proposals.c.proposal_id == row.proposal_id)
        connection.execute(mine.values(owner=row.body['play']['owner']))
