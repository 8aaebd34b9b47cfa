"""Consent per channel and purpose, with proof; its history is kept and its newest entry is in force."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, and_, case, func, or_, select

from memory.schema import consent_current, consents
from memory.store import upsert


class Consent(BaseModel):
    """One entry: what a contact allowed or withdrew, when, and how we know."""

    model_config = ConfigDict(frozen=True)

    contact_id: int
    channel: str
    purpose: str
    state: Literal["granted", "withdrawn"]
    at: AwareDatetime
    source: str = ""
    proof: str = ""
    """Who, when and which text. Empty means that there is no proof."""
    wording: str = ""
    confirmed: bool = False
    """Double opt-in: they said yes in answer to a message to the address."""


SIMILAR_PRODUCTS: Final = "similar_products"
"""The purpose under which customers are recorded who were told that they would get messages on products like those
they bought, and did not refuse."""


def record(connection: Connection, entries: Sequence[Consent]) -> int:
    """Add entries to the history and bring what is in force up to date; returns how many entries were new.

    An older entry that arrives late never overrides a newer one, except that of all grants since the last withdrawal
    the one with proof holds. At the same moment, a withdrawal wins.
    """
    written = upsert(
        connection,
        consents,
        [entry.model_dump() for entry in entries],
        keys=["contact_id", "channel", "purpose", "at", "state"],
    )
    _refresh(connection, {entry.contact_id for entry in entries})
    return written


def history(connection: Connection, contact_id: int) -> list[Consent]:
    """Every entry of a contact, oldest first."""
    query = select(consents).where(consents.c.contact_id == contact_id).order_by(consents.c.at, consents.c.consent_id)
    return [
        Consent.model_validate({name: getattr(row, name) for name in Consent.model_fields})
        for row in connection.execute(query)
    ]


class InForce(NamedTuple):
    """What a contact allows now on a channel for a purpose."""

    state: str
    at: datetime
    has_proof: bool
    confirmed: bool


def in_force(connection: Connection, contact_ids: Collection[int], channel: str, purpose: str) -> dict[int, InForce]:
    """What some contacts allow now; those who never said anything are left out."""
    query = select(consent_current).where(
        consent_current.c.contact_id.in_(contact_ids),
        consent_current.c.channel == channel,
        consent_current.c.purpose == purpose,
    )
    return {
        row.contact_id: InForce(row.state, row.at, row.has_proof, row.confirmed) for row in connection.execute(query)
    }


def count_current(connection: Connection, channel: str, purpose: str) -> dict[str, int]:
    """How many contacts have it granted with proof, granted without, or withdrawn."""
    query = (
        select(consent_current.c.state, consent_current.c.has_proof, func.count())
        .where(consent_current.c.channel == channel, consent_current.c.purpose == purpose)
        .group_by(consent_current.c.state, consent_current.c.has_proof)
    )
    counts = {"granted": 0, "granted_without_proof": 0, "withdrawn": 0}
    for state, has_proof, number in connection.execute(query):
        counts[state if state == "withdrawn" or has_proof else "granted_without_proof"] += number
    return counts


def _refresh(connection: Connection, contact_ids: Iterable[int]) -> None:
    wanted = sorted(contact_ids)
    each = (consents.c.contact_id, consents.c.channel, consents.c.purpose)
    withdrawn_at = func.max(case((consents.c.state == "withdrawn", consents.c.at))).over(partition_by=each)
    for start in range(0, len(wanted), 1000):
        chunk = wanted[start : start + 1000]
        told = select(consents, withdrawn_at.label("withdrawn_at")).where(consents.c.contact_id.in_(chunk)).subquery()
        # At the same moment a withdrawal wins.
        stands = and_(told.c.state == "granted", or_(told.c.withdrawn_at.is_(None), told.c.at > told.c.withdrawn_at))
        newest = func.row_number().over(
            partition_by=(told.c.contact_id, told.c.channel, told.c.purpose),
            order_by=(
                # A grant that is said again without its proof takes nothing from the one that has it.
                case((stands, 0), (told.c.state == "withdrawn", 1), else_=2),
                case((and_(stands, told.c.proof != ""), 0), else_=1),
                case((and_(stands, told.c.confirmed), 0), else_=1),
                told.c.at.desc(),
                told.c.consent_id.desc(),
            ),
        )
        ranked = select(told, newest.label("newest")).subquery()
        rows = connection.execute(select(ranked).where(ranked.c.newest == 1)).all()
        upsert(
            connection,
            consent_current,
            [
                {
                    "contact_id": row.contact_id,
                    "channel": row.channel,
                    "purpose": row.purpose,
                    "consent_id": row.consent_id,
                    "state": row.state,
                    "at": row.at,
                    "has_proof": bool(row.proof),
                    "confirmed": row.confirmed,
                }
                for row in rows
            ],
            update=["consent_id", "state", "at", "has_proof", "confirmed"],
        )


def withdraw(connection: Connection, contact_id: int, channel: str, purpose: str, at: datetime, source: str) -> int:
    """Record that a contact no longer wants it."""
    return record(
        connection,
        [
            Consent(
                contact_id=contact_id,
                channel=channel,
                purpose=purpose,
                state="withdrawn",
                at=at,
                source=source,
                proof=source,
            )
        ],
    )
