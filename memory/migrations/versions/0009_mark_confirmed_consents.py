"""mark consents that were confirmed from the address"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ('consent_current', 'consents'):
        # Never made anew, as a batch does: rows of other tables point at these.
        op.add_column(table, sa.Column('confirmed', sa.Boolean(), server_default=sa.false(), nullable=False))
    # Proofs say so: "confirmed 2024-…" where an export told it, "confirmed on 2024-…" from the page.
    consents = sa.table('consents', *(sa.column(name) for name in ('consent_id', 'state', 'proof')),
                        sa.column('confirmed', sa.Boolean()))
    current = sa.table('consent_current', sa.column('consent_id'), sa.column('confirmed', sa.Boolean()))
    said = sa.or_(consents.c.proof.like('%confirmed 2%'), consents.c.proof.like('%confirmed on 2%'))
    op.execute(sa.update(consents).where(consents.c.state == 'granted', said).values(confirmed=sa.true()))
    known = sa.select(consents.c.consent_id).where(consents.c.confirmed)
    op.execute(sa.update(current).where(current.c.consent_id.in_(known)).values(confirmed=sa.true()))
