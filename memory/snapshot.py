"""The contacts snapshot: what features need to know of each contact, without any direct identifier."""

from __future__ import annotations

import pyarrow as pa
from sqlalchemy import and_, select

from memory.lake import SCHEMAS, Lake, LakeTable
from memory.schema import consent_current, contacts, preferences, suppressions, to_micros
from memory.store import Store

CHUNK_ROWS = 50_000


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
            consent_current.c.state.label("consent_email"),
            consent_current.c.has_proof.label("consent_proof"),
            suppressions.c.reason.is_not(None).label("suppressed"),
            preferences.c.answers,
        )
        .select_from(
            contacts.outerjoin(consent_current, consented).outerjoin(suppressions, blocked).outerjoin(preferences)
        )
        .where(contacts.c.merged_into.is_(None), contacts.c.erased_at.is_(None))
        .order_by(contacts.c.contact_id)
    )
    schema = SCHEMAS[LakeTable.CONTACTS]
    chunks = []
    with store.read() as connection:
        for found in connection.execute(asked).partitions(CHUNK_ROWS):
            rows = [
                {
                    **row._asdict(),
                    "created_at": to_micros(row.created_at),
                    "has_email": bool(row.has_email),
                    "consent_email": row.consent_email or "",
                    "consent_proof": bool(row.consent_proof),
                    "suppressed": bool(row.suppressed),
                    "preferred_category": (row.answers or {}).get("preferred_category", ""),
                }
                for row in found
            ]
            chunks.append(pa.Table.from_pylist(rows, schema=schema))
    snapshot = pa.concat_tables(chunks) if chunks else schema.empty_table()
    lake.replace(LakeTable.CONTACTS, snapshot)
    return int(snapshot.num_rows)
