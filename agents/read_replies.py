"""Answers that no rule understood, read by a model: each alone, in quarantine, into a closed set."""

from __future__ import annotations

from typing import Final

from agents.desk import Desk
from memory import replies
from memory.canonical import digest
from memory.replies import Objection, Reading
from tools import lookups

_AT_ONCE: Final = 20
_THREAD: Final = "replies"
_READINGS: Final[dict[str, Reading]] = {
    "stop": "opt_out",
    "objection": "objection",
    "question": "question",
    "human": "human_needed",
    "away": "out_of_office",
    "thanks": "thanks",
    "unclear": "human_needed",
}


def read_replies(desk: Desk) -> int:
    """Have a few answers read, oldest first; what follows is the worker's. Returns how many were read.

    Without a model nothing is read. What it does not understand is for a person.
    """
    with desk.store.read() as connection:
        waiting = replies.unread(connection, _AT_ONCE)
    done = 0
    for one in waiting:
        read = desk.provider.read_reply(one.words)
        if read is None:
            break
        facts, tokens = read
        reading = _READINGS[facts.wants]
        objection: Objection = (facts.objection or "other") if reading == "objection" else ""
        asks = reading in {"question", "human_needed"}
        with desk.store.write() as connection:
            lookups.keep(
                connection,
                thread_id=_THREAD,
                name=lookups.MODEL_CALL,
                arguments={"agent": "extractor", "call": digest(one.event_id)[:16]},
                result={},
                tokens=tokens,
                at=desk.clock.now(),
            )
            done += replies.understood(
                connection, one.event_id, reading=reading, objection=objection, needs_person=asks
            )
    return done
