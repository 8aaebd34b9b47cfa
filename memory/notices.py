"""What people are told by mail: each version of a proposal that waits, that it is about to expire, alerts; once each.

A row is written once for a person and a thing, and names the mail that tells it. Where that mail did not surely leave,
the row is free again and goes with another one: nothing is lost, and a crash in the middle of a hand-over may tell it
twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection, String, cast, exists, func, insert, literal, select, update
from sqlalchemy.sql.elements import ColumnElement

from memory import staff_mail
from memory.canonical import keyed_hash
from memory.proposals import WAITING
from memory.schema import alerts, notices, proposals, staff_mails
from memory.users import User
from memory.workspace import salt

Kind = Literal["proposal", "reminder", "alert"]
DAY: Final = timedelta(days=1)
AGAIN: Final = timedelta(minutes=15)
"""How long after a mail that did not leave another is tried."""
_VERSION: Final[ColumnElement[str]] = proposals.c.proposal_id + literal(" ") + cast(proposals.c.version, String)
"""What is told of: an edit voids what was approved, so the next version waits anew."""


def note(
    connection: Connection, deciders: Iterable[str], admins: Iterable[str], at: datetime, real_at: datetime
) -> None:
    """Write down what is new: proposals for whoever may say yes, and alerts for admins."""
    waits = proposals.c.status.in_(list(WAITING)) & (proposals.c.expires_at > at)
    for name in deciders:
        _add(connection, name, "proposal", _VERSION, waits, real_at)
        _add(connection, name, "reminder", _VERSION, waits & proposals.c.reminded_at.is_not(None), real_at)
    for name in admins:
        # That a proposal expires is told as a reminder.
        task = alerts.c.done_at.is_(None) & ~alerts.c.step_key.startswith("decide ")
        _add(connection, name, "alert", cast(alerts.c.alert_id, String), task, real_at)


def gather(connection: Connection, user: User, at: datetime, real_at: datetime) -> str:
    """Have somebody told, in one mail, what they were not told yet and still waits; its id, empty where nothing does.

    Whoever asked for one a day gets none within a day of the last.
    """
    lost = select(staff_mails.c.mail_id).where(
        staff_mails.c.name == user.name, staff_mails.c.kind == "notice", staff_mails.c.state.in_(("failed", "unknown"))
    )
    connection.execute(update(notices).where(notices.c.mail_id.in_(lost)).values(mail_id=None))
    open_ones = (notices.c.name == user.name) & notices.c.mail_id.is_(None) & still_waits(at)
    if connection.execute(select(notices.c.subject).where(open_ones).limit(1)).first() is None:
        return ""
    mine = (staff_mails.c.name == user.name) & (staff_mails.c.kind == "notice")
    wait = DAY if user.notify == "daily" else AGAIN
    recent = select(func.count()).select_from(staff_mails).where(mine, staff_mails.c.asked_at > real_at - wait)
    if user.notify != "daily":
        recent = recent.where(staff_mails.c.state != "sent")
    if connection.execute(recent).scalar_one():
        return ""
    mail_id = f"staff-{uuid.uuid4().hex}"
    staff_mail.tell(connection, user, mail_id, real_at)
    connection.execute(update(notices).where(open_ones).values(mail_id=mail_id))
    return mail_id


def told_by(connection: Connection, mail_id: str, at: datetime) -> tuple[list[Any], set[str], int]:
    """What a mail tells, if it still waits: proposals by deadline, subjects about to expire, how many alerts."""
    rows = connection.execute(select(notices).where(notices.c.mail_id == mail_id, still_waits(at))).all()
    by_kind = {kind: {row.subject for row in rows if row.kind == kind} for kind in ("proposal", "reminder", "alert")}
    wanted = sorted(by_kind["proposal"] | by_kind["reminder"])
    query = select(
        proposals.c.proposal_id,
        _VERSION.label("subject"),
        proposals.c.expires_at,
        proposals.c.body["title"].as_string().label("title"),
    ).where(_VERSION.in_(wanted))
    found = connection.execute(query.order_by(proposals.c.expires_at, proposals.c.proposal_id)).all()
    return list(found), by_kind["reminder"], len(by_kind["alert"])


def still_waits(at: datetime) -> ColumnElement[bool]:
    """Whether what a row tells of still waits for somebody."""
    proposal = exists().where(
        notices.c.subject == _VERSION,
        proposals.c.status.in_(list(WAITING)),
        proposals.c.expires_at > at,
    )
    alert = exists().where(cast(alerts.c.alert_id, String) == notices.c.subject, alerts.c.done_at.is_(None))
    return ((notices.c.kind != "alert") & proposal) | ((notices.c.kind == "alert") & alert)


def seal(connection: Connection, name: str, proposal_id: str) -> str:
    """What shows that a link to a proposal was written by this workspace, to this person."""
    return keyed_hash(salt(connection), f"notice\0{name}\0{proposal_id}")[:32]


def _add(
    connection: Connection, name: str, kind: Kind, subject: ColumnElement[str], where: ColumnElement[bool], at: datetime
) -> None:
    known = exists().where(notices.c.name == name, notices.c.kind == kind, notices.c.subject == subject)
    new = select(literal(name), literal(kind), subject, literal(at, notices.c.noted_at.type)).where(where, ~known)
    connection.execute(insert(notices).from_select(["name", "kind", "subject", "noted_at"], new))
