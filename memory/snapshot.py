"""The contacts snapshot: what features need to know of each contact, without any direct identifier."""

from __future__ import annotations

import pyarrow as pa
from sqlalchemy import and_, false, func, select

from memory.columns import read_columns
from memory.lake import SCHEMAS, Lake, LakeTable
from memory.schema import consent_current, contacts, preferences, suppressions
from memory.store import Store


def refresh(store: Store, lake: Lake) -> int:
    """Write the snapshot of all contacts, except merged and erased ones, and return how many it holds."""
    consented = and_(
        consent_current.c.contact_id == contacts.c.contact_id,
        consent_current.c.channel == "email",
        consent_current.c.purpose == "marketing",
    )
    blocked = and_(suppressions.c.channel == "email", suppressions.c.address_hash == contacts.c.email_hash)
    asked = (
        select(
            contacts.c.contact_id,
            contacts.c.language,
            contacts.c.time_zone,
            contacts.c.country,
            contacts.c.created_at,
            contacts.c.email.is_not(None).label("has_email"),
            func.coalesce(consent_current.c.state, "").label("consent_email"),
            func.coalesce(consent_current.c.has_proof, false()).label("consent_proof"),
            suppressions.c.reason.is_not(None).label("suppressed"),
            func.coalesce(preferences.c.answers["preferred_category"].as_string(), "").label("preferred_category"),
        )
        .select_from(
            contacts.outerjoin(consent_current, consented).outerjoin(suppressions, blocked).outerjoin(preferences)
        )
        .where(contacts.c.merged_into.is_(None), contacts.c.erased_at.is_(None))
        .order_by(contacts.c.contact_id)
    )
    with store.read() as connection:
        snapshot = pa.concat_tables(read_columns(connection, asked)).cast(SCHEMAS[LakeTable.CONTACTS])
    lake.replace(LakeTable.CONTACTS, snapshot)
    return int(snapshot.num_rows)
