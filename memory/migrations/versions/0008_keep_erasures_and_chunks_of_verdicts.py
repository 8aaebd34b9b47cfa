"""keep erasures and chunks of verdicts"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table('erasures',
    sa.Column('contact_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('asked_at', sa.BigInteger(), nullable=False),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('taken_off', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('finished_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.contact_id'], name=op.f('fk_erasures_contact_id_contacts')),
    sa.PrimaryKeyConstraint('contact_id', name=op.f('pk_erasures'))
    )
    with op.batch_alter_table('messages', schema=None) as batch_op:
        batch_op.add_column(sa.Column('judged', sa.Text(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('findings_digest', sa.String(length=64), server_default='', nullable=False))
        batch_op.add_column(sa.Column('chunk', sa.String(length=64), server_default='', nullable=False))


