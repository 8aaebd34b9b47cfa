"""find merged contacts by an index"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    merged = sa.text("merged_into IS NOT NULL")
    op.create_index('ix_contacts_merged', 'contacts', ['merged_into'], unique=False, sqlite_where=merged, postgresql_where=merged)
