"""The messages of one campaign by pages, in the order in which they were planned."""

from __future__ import annotations

from sqlalchemy import Connection, select

from memory.ledger import Message, State, message_of
from memory.schema import messages


def of_campaign(
    connection: Connection,
    campaign_id: str,
    *,
    state: State | None = None,
    reason: str | None = None,
    after: int = 0,
    limit: int | None = None,
) -> list[Message]:
    """Messages of a campaign, of one state and with one reason if these are given, after the message of an id."""
    query = select(messages).where(messages.c.campaign_id == campaign_id, messages.c.message_id > after)
    if state is not None:
        query = query.where(messages.c.state == state)
    if reason is not None:
        query = query.where(messages.c.reason == reason)
    return [message_of(row) for row in connection.execute(query.order_by(messages.c.message_id).limit(limit))]
