"""Messages of which nobody knows whether they left: they are never sent again, and settled by whoever knows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, func, or_, select, update

from memory.ledger import Message, chunks, held_out, message_of
from memory.schema import messages


def list_unknown(connection: Connection, key: str = "", *, limit: int | None = None) -> list[Message]:
    """Messages of which nobody knows whether they left, oldest first; optionally those whose key begins so."""
    query = (
        select(messages)
        .where(messages.c.state == "unknown", messages.c.message_key.startswith(key, autoescape=True))
        .order_by(messages.c.claimed_at, messages.c.message_id)
        .limit(limit)
    )
    return [message_of(row) for row in connection.execute(query)]


def count(connection: Connection) -> int:
    """How many messages nobody knows to have left or not."""
    query = select(func.count()).select_from(messages).where(messages.c.state == "unknown")
    return connection.execute(query).scalar_one()


def settle(connection: Connection, key: str, *, sent_at: datetime | None, reason: str) -> bool:
    """Turn an ``unknown`` message into sent (``sent_at``) or failed, on the word of a provider or a person."""
    changed = connection.execute(
        update(messages)
        .where(messages.c.message_key == key, messages.c.state == "unknown")
        .values(state="failed" if sent_at is None else "sent", reason=reason, sent_at=sent_at)
    )
    return changed.rowcount == 1


def give_up(connection: Connection, *, at: datetime, reason: str) -> list[Message]:
    """Everything that was due, or already claimed, becomes ``unknown``: it may have left without a trace here.

    Returns those. What was due to held-out contacts could never leave, and ends ``withheld``.
    """
    open_now = or_(messages.c.state == "claimed", and_(messages.c.state == "planned", messages.c.due_at <= at))
    query = select(messages).where(open_now).order_by(messages.c.message_id)
    found = [message_of(row) for row in connection.execute(query.with_for_update())]
    ghosts = set(connection.execute(select(messages.c.message_id).where(open_now, held_out())).scalars())
    lost = [row for row in found if row.message_id not in ghosts]
    for state, why, ids in (
        ("withheld", "holdout", sorted(ghosts)),
        ("unknown", reason, [one.message_id for one in lost]),
    ):
        for chunk in chunks(ids):
            connection.execute(
                update(messages)
                .where(messages.c.message_id.in_(chunk))
                .values(state=state, reason=why, lease_until=None)
            )
    return lost
