"""mark what is in flight and keep single use codes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('offer_codes',
    sa.Column('code_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('offer_id', sa.String(length=64), nullable=False),
    sa.Column('code', sa.String(length=64), nullable=False),
    sa.Column('contact_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('message_key', sa.String(length=64), nullable=True),
    sa.Column('assigned_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.contact_id'], name=op.f('fk_offer_codes_contact_id_contacts')),
    sa.ForeignKeyConstraint(['offer_id'], ['offers.offer_id'], name=op.f('fk_offer_codes_offer_id_offers')),
    sa.PrimaryKeyConstraint('code_id', name=op.f('pk_offer_codes')),
    sa.UniqueConstraint('offer_id', 'code', name=op.f('uq_offer_codes_offer_id_code')),
    sa.UniqueConstraint('offer_id', 'contact_id', name=op.f('uq_offer_codes_offer_id_contact_id'))
    )
    with op.batch_alter_table('contacts', schema=None) as batch_op:
        batch_op.add_column(sa.Column('open_cart_cents', sa.BigInteger(), nullable=True))

    with op.batch_alter_table('messages', schema=None) as batch_op:
        batch_op.add_column(sa.Column('in_flight', sa.Boolean(), server_default=sa.false(), nullable=False))
    # Before this, every claim counted as in flight.
    op.execute("UPDATE messages SET in_flight = (1 = 1) WHERE state IN ('claimed', 'sent', 'unknown')")

