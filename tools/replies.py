"""What follows from an answer: a stop stops at once, and whoever needs a person gets one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from memory import replies
from memory.alerts import Alert, raise_alerts
from memory.canonical import digest
from memory.replies import Reply
from memory.schema import campaigns, contacts, intake, messages
from memory.store import Store
from tools.reply_text import Read
from tools.unsubscribe import opt_out

_WHAT: Final = {
    "question": ("asks something", "pose une question"),
    "objection": ("objects to something and asks", "objecte et pose une question"),
    "opt_out": ("was taken off, and needs more than that", "a été retiré de la liste, et attend autre chose"),
}
_ELSE: Final = ("needs somebody to read what they wrote", "attend que quelqu'un lise son message")


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody wrote back: the words, which are untrusted, and what they were read as."""

    words: str
    read: Read


@dataclass(frozen=True, slots=True)
class Answered:
    """One event by which somebody on record wrote back."""

    event_id: str
    contact_id: int
    at: datetime
    channel: str
    answer: Answer
    message_key: str


def keep(connection: Connection, answered: Iterable[Answered], at: datetime) -> None:
    """Keep answers as they were read, and call a person for those who need one; a stop has been acted on already."""
    rows, calls = [], []
    for one in answered:
        read = one.answer.read
        is_read = read.reading != "unread"
        row = Reply(
            event_id=one.event_id,
            contact_id=one.contact_id,
            at=one.at,
            channel=one.channel,
            words=one.answer.words,
            reading=read.reading,
            objection=read.objection,
            needs_person=read.needs_person,
            read_by="rules" if is_read else "",
            acted_at=at if is_read else None,
        )
        rows.append(row)
        if read.needs_person:
            calls.append(_call(connection, row, one.message_key, at))
    if rows:
        replies.keep(connection, rows)
        raise_alerts(connection, calls)


def act(store: Store, at: datetime, *, a_model_reads: bool = False) -> int:
    """Do what follows from answers that were understood later, and forget old words; returns how many were acted on.

    What no rule understood waits for a model where one reads; without one, or once it gave up, for a person.
    """
    with store.write() as connection:
        done = []
        for one in replies.to_act_on(connection):
            if one.reading == "unread" and one.read_by == "" and a_model_reads:
                continue
            done.append(one.event_id)
            if one.reading == "opt_out":
                opt_out(connection, _who(connection, one), one.channel, f"answer {one.event_id}", at)
            if one.needs_person or one.reading == "unread":
                key = _message_of(connection, one.event_id)
                raise_alerts(connection, [_call(connection, one, key, at)])
        replies.settled(connection, done, at)
        replies.forget(connection, at)
    return len(done)


def _who(connection: Connection, one: Reply) -> int:
    query = select(contacts.c.merged_into).where(contacts.c.contact_id == one.contact_id)
    return connection.execute(query).scalar_one_or_none() or one.contact_id


def _message_of(connection: Connection, event_id: str) -> str:
    said = connection.execute(select(intake.c.properties).where(intake.c.event_id == event_id)).scalar_one_or_none()
    return str((said or {}).get("message_key", ""))


def _call(connection: Connection, one: Reply, message_key: str, at: datetime) -> Alert:
    """Asks whoever answers for the campaign to read; the alert says what is wanted, never the words."""
    query = (
        select(campaigns.c.campaign_id, campaigns.c.owner)
        .join(messages, messages.c.campaign_id == campaigns.c.campaign_id)
        .where(messages.c.message_key == message_key)
    )
    of = connection.execute(query).one_or_none()
    english, french = _WHAT.get(one.reading, _ELSE)
    look = f"noria replies --contact {one.contact_id}"
    return Alert(
        campaign_id=of.campaign_id if of is not None else None,
        contact_id=one.contact_id,
        step_key=f"reply {digest(one.event_id)[:12]}",
        owner=of.owner if of is not None else "",
        task={
            "en": f"Contact {one.contact_id} wrote back and {english}: `{look}`.",
            "fr": f"Le contact {one.contact_id} a répondu et {french} : `{look}`.",
        },
        raised_at=at,
    )
