"""When an address that keeps bouncing softly counts as gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, select

from memory import contacts as people
from memory.events import BOUNCE, CLICK, DELIVERED, REPLY
from memory.schema import intake, messages

IN_A_ROW: Final = 5
"""So many messages in a row that came back softly, without one that arrived (house setting)."""
_ARRIVED: Final = (DELIVERED, CLICK, REPLY)


def keeps_bouncing(connection: Connection, contact_id: int, channel: str) -> bool:
    """Whether the last five messages to a contact on a channel all came back softly, and nothing since arrived.

    A bounce that names no message is of the last one before it. A delivery, a click or a reply tells of an address that
    works; a message of which nothing is known does too, since it was not said to have come back.
    """
    names = [contact_id, *people.merged_into(connection, [contact_id])]
    last = connection.execute(
        select(messages.c.message_key, messages.c.sent_at)
        .where(messages.c.contact_id.in_(names), messages.c.channel == channel, messages.c.sent_at.is_not(None))
        .order_by(messages.c.sent_at.desc(), messages.c.message_id.desc())
        .limit(IN_A_ROW)
    ).all()
    if len(last) < IN_A_ROW:
        return False
    said = connection.execute(
        select(intake.c.kind, intake.c.at, intake.c.properties).where(
            intake.c.contact_id == contact_id,
            intake.c.kind.in_([BOUNCE, *_ARRIVED]),
            intake.c.at >= last[-1].sent_at,
        )
    ).all()
    # What was blocked for the sender's or the text's sake says nothing of the address.
    if any(row.kind != BOUNCE or row.properties.get("bounce") == "block" for row in said):
        return False
    return {_message_of(row, last) for row in said} >= {row.message_key for row in last}


def _message_of(bounce: Any, last: Sequence[Any]) -> str:
    """The message that came back; the newest first in ``last``."""
    key, at = bounce.properties.get("message_key"), bounce.at
    if isinstance(key, str) and key:
        return key
    return next((str(row.message_key) for row in last if row.sent_at <= at), "")
