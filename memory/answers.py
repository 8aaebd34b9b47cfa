"""What requests that named a key were answered, so that the same request again is answered alike and done once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, select, update

from memory.schema import api_answers
from memory.store import upsert

KEPT: Final = timedelta(hours=24)
"""How long an answer is kept."""
GIVEN_UP: Final = timedelta(minutes=2)
"""A request that has no answer for so long was cut off; asked again, it is worked on again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of a request with a key; without a status it is still being worked on."""

    request_hash: str
    status: int | None
    body: str


def begin(connection: Connection, owner: str, key: str, request_hash: str, at: datetime) -> Answer | None:
    """Begin a request; None if it is new and ours to work on, else what is known of the one before."""
    outdated = api_answers.c.begun_at <= at - KEPT
    cut_off = api_answers.c.status.is_(None) & (api_answers.c.begun_at <= at - GIVEN_UP)
    connection.execute(delete(api_answers).where(outdated | cut_off))
    row = {"owner": owner, "key": key, "request_hash": request_hash, "begun_at": at}
    if upsert(connection, api_answers, [row]):
        return None
    mine = (api_answers.c.owner == owner) & (api_answers.c.key == key)
    known = connection.execute(select(api_answers).where(mine)).one()
    return Answer(known.request_hash, known.status, known.body or "")


def finish(connection: Connection, owner: str, key: str, status: int, body: str) -> None:
    """Keep the answer."""
    mine = (api_answers.c.owner == owner) & (api_answers.c.key == key)
    connection.execute(update(api_answers).where(mine).values(status=status, body=body))


def forget(connection: Connection, owner: str, key: str) -> None:
    """Let a request that was not carried out be made again under its key."""
    connection.execute(delete(api_answers).where((api_answers.c.owner == owner) & (api_answers.c.key == key)))
