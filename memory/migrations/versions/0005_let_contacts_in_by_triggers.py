"""let contacts in by triggers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('arrivals',
    sa.Column('arrival_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('campaign_id', sa.String(length=64), nullable=False),
    sa.Column('contact_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('event_id', sa.String(length=255), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('bindings', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.campaign_id'], name=op.f('fk_arrivals_campaign_id_campaigns')),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.contact_id'], name=op.f('fk_arrivals_contact_id_contacts')),
    sa.PrimaryKeyConstraint('arrival_id', name=op.f('pk_arrivals')),
    sa.UniqueConstraint('campaign_id', 'event_id', name=op.f('uq_arrivals_campaign_id_event_id'))
    )
    with op.batch_alter_table('arrivals', schema=None) as batch_op:
        batch_op.create_index('ix_arrivals_contact_id', ['contact_id'], unique=False)

    op.create_table('alerts',
    sa.Column('alert_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('campaign_id', sa.String(length=64), nullable=False),
    sa.Column('contact_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('enrolment_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('step_key', sa.String(length=64), nullable=False),
    sa.Column('owner', sa.Text(), nullable=False),
    sa.Column('task', sa.JSON(), nullable=False),
    sa.Column('raised_at', sa.BigInteger(), nullable=False),
    sa.Column('done_at', sa.BigInteger(), nullable=True),
    sa.Column('done_by', sa.Text(), server_default='', nullable=False),
    sa.Column('note', sa.Text(), server_default='', nullable=False),
    sa.ForeignKeyConstraint(['campaign_id'], ['campaigns.campaign_id'], name=op.f('fk_alerts_campaign_id_campaigns')),
    sa.ForeignKeyConstraint(['contact_id'], ['contacts.contact_id'], name=op.f('fk_alerts_contact_id_contacts')),
    sa.ForeignKeyConstraint(['enrolment_id'], ['enrolments.enrolment_id'], name=op.f('fk_alerts_enrolment_id_enrolments')),
    sa.PrimaryKeyConstraint('alert_id', name=op.f('pk_alerts')),
    sa.UniqueConstraint('enrolment_id', 'step_key', name=op.f('uq_alerts_enrolment_id_step_key'))
    )
    with op.batch_alter_table('alerts', schema=None) as batch_op:
        batch_op.create_index('ix_alerts_done_at', ['done_at'], unique=False)

    with op.batch_alter_table('campaign_versions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('proposal_id', sa.String(length=64), nullable=True))
        batch_op.create_foreign_key(batch_op.f('fk_campaign_versions_proposal_id_proposals'), 'proposals', ['proposal_id'], ['proposal_id'])

    with op.batch_alter_table('campaigns', schema=None) as batch_op:
        batch_op.add_column(sa.Column('trigger_kind', sa.String(length=16), server_default='once', nullable=False))
        batch_op.add_column(sa.Column('trigger_event', sa.String(length=64), server_default='', nullable=False))
        batch_op.add_column(sa.Column('priority', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('value_per_message_cents', sa.Float(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('checked_at', sa.BigInteger(), nullable=True))

