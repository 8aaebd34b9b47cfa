"""A person's word on a message of which nobody knew whether it left."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from memory import unknown
from memory.errors import NotFoundError
from memory.journal import append
from memory.ledger import Message


def settle(connection: Connection, key: str, *, sent: bool, at: datetime, actor: str, reason: str) -> Message:
    """Turn one ``unknown`` message into sent or failed; it is never sent again either way.

    ``key`` may be shortened to an unambiguous beginning. Raises NotFoundError.
    """
    found = unknown.list_unknown(connection, key)
    if len(found) != 1:
        what = (
            f"{len(found)} unknown messages have a key that begins so." if found else "No unknown message has that key."
        )
        raise NotFoundError(what, where=f"message {key}", remedy="`noria messages unknown` lists them with their keys.")
    message = found[0]
    sent_at = (message.claimed_at or message.due_at) if sent else None
    unknown.settle(connection, message.message_key, sent_at=sent_at, reason=reason)
    state: Literal["sent", "failed"] = "sent" if sent else "failed"
    append(
        connection,
        at=at,
        actor=actor,
        action=f"message.settled_{state}",
        subject=message.message_key,
        payload={"reason": reason},
    )
    return replace(message, state=state, reason=reason, sent_at=sent_at)
