"""Mail to people who sign in: codes that prove an address, tests of messages, and word of what waits for them.

It is in no ledger, under no cap and in no report, and each is sent at most once: what a crash leaves open is not tried
again. Whoever waits for a code or test can ask anew; what a lost notice told is told by another one.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, Row, func, insert, select, update

from memory import users
from memory.errors import ConflictError, InvalidInputError
from memory.journal import append
from memory.schema import staff_mails
from memory.users import User

MailState = Literal["waiting", "sending", "sent", "failed", "unknown"]
CODE_HOLDS: Final = timedelta(hours=24)
_WAITS: Final = timedelta(hours=1)
_TAKES: Final = timedelta(minutes=10)
# In a day, to an address that may be a stranger's; in an hour, to one's own.
_MOST_CODES, _MOST_TESTS = 5, 30


class StaffMail(BaseModel):
    """One such mail."""

    model_config = ConfigDict(frozen=True)

    mail_id: str
    name: str
    kind: Literal["code", "test", "notice"]
    address: str
    language: str
    proposal_id: str | None
    version: int | None
    step: str
    state: MailState
    problem: str
    asked_at: AwareDatetime
    settled_at: AwareDatetime | None


def ask_code(connection: Connection, user: User, address: str, at: datetime) -> None:
    """Ask for a code to an address that somebody says is theirs. Raises ConflictError for too many in a day."""
    _ask(connection, user, at, {"kind": "code", "address": address, "language": user.language}, _MOST_CODES, 24)
    append(
        connection,
        at=at,
        actor=user.actor,
        action="user.email_claimed",
        subject=f"user {user.name}",
        payload={},
    )


def ask_test(
    connection: Connection, user: User, *, proposal_id: str, version: int, step: str, language: str, at: datetime
) -> None:
    """Ask for one message of a proposal at one's own address.

    Raises ConflictError for somebody without a confirmed address, and for too many in an hour.
    """
    if user.email is None:
        raise ConflictError("Your e-mail address is not confirmed.", remedy="Confirm it on the page of your account.")
    wanted = {"kind": "test", "address": user.email, "proposal_id": proposal_id, "version": version, "step": step}
    _ask(connection, user, at, wanted | {"language": language}, _MOST_TESTS, 1)
    append(
        connection,
        at=at,
        actor=user.actor,
        action="test.asked",
        subject=proposal_id,
        payload={"version": version, "step": step, "language": language},
    )


def tell(connection: Connection, user: User, mail_id: str, at: datetime) -> None:
    """Have somebody with a confirmed address told what waits for them."""
    row = {"mail_id": mail_id, "name": user.name, "kind": "notice", "address": user.email, "language": user.language}
    connection.execute(insert(staff_mails).values(**row, state="waiting", asked_at=at))


def take(connection: Connection, at: datetime) -> list[StaffMail]:
    """Take what waits, for whoever sends it now: of two who take at once, one gets each."""
    waiting = connection.execute(
        select(staff_mails).where(staff_mails.c.state == "waiting").order_by(staff_mails.c.asked_at)
    ).all()
    return [_mail(row) for row in waiting if _move(connection, row.mail_id, "waiting", "sending", at)]


def settle(connection: Connection, mail_id: str, state: MailState, at: datetime, problem: str = "") -> None:
    """Write down how one that was taken ended."""
    _move(connection, mail_id, "sending", state, at, problem)


def keep_code(connection: Connection, mail_id: str, code_hash: str) -> None:
    """Keep the hash of a code before it leaves."""
    connection.execute(update(staff_mails).where(staff_mails.c.mail_id == mail_id).values(code_hash=code_hash))


def is_open(connection: Connection) -> bool:
    """Whether anything waits, or was left open."""
    query = select(staff_mails.c.mail_id).where(staff_mails.c.state.in_(("waiting", "sending"))).limit(1)
    return connection.execute(query).first() is not None


def give_up(connection: Connection, at: datetime) -> None:
    """Close what waited too long, and what nobody can tell of."""
    for state, end, since, problem in (
        ("waiting", "failed", _WAITS, "No worker sent it in time."),
        ("sending", "unknown", _TAKES, "The worker fell silent while it sent it."),
    ):
        connection.execute(
            update(staff_mails)
            .where(staff_mails.c.state == state)
            .where(func.coalesce(staff_mails.c.settled_at, staff_mails.c.asked_at) < at - since)
            .values(state=end, problem=problem, settled_at=at)
        )


def confirm(connection: Connection, user: User, code_hash: str, at: datetime) -> str:
    """Keep the address to which a code went, for whoever has that code; returns it. Raises InvalidInputError."""
    address = connection.execute(
        select(staff_mails.c.address).where(
            staff_mails.c.name == user.name,
            staff_mails.c.kind == "code",
            staff_mails.c.code_hash == code_hash,
            staff_mails.c.asked_at > at - CODE_HOLDS,
        )
    ).scalar()
    if address is None:
        raise InvalidInputError("This code was not sent to you, or is too old.", remedy="Ask for another one.")
    users.set_email(connection, user.name, address, at)
    return str(address)


def newest(connection: Connection, name: str, kind: str, *, proposal_id: str = "", limit: int = 5) -> list[StaffMail]:
    """What somebody asked for last, the newest first."""
    query = select(staff_mails).where(staff_mails.c.name == name, staff_mails.c.kind == kind)
    if proposal_id:
        query = query.where(staff_mails.c.proposal_id == proposal_id)
    query = query.order_by(staff_mails.c.asked_at.desc(), staff_mails.c.mail_id).limit(limit)
    return [_mail(row) for row in connection.execute(query)]


def _ask(connection: Connection, user: User, at: datetime, row: dict[str, Any], most: int, hours: int) -> None:
    since = at - timedelta(hours=hours)
    asked = connection.execute(
        select(func.count())
        .select_from(staff_mails)
        .where(staff_mails.c.name == user.name, staff_mails.c.kind == row["kind"], staff_mails.c.asked_at > since)
    ).scalar_one()
    if asked >= most:
        raise ConflictError(
            f"You asked for {most} in {hours} hours." if hours > 1 else f"You asked for {most} within an hour.",
            remedy="Wait before you ask for another.",
        )
    mail_id = f"staff-{uuid.uuid4().hex}"
    connection.execute(insert(staff_mails).values(mail_id=mail_id, name=user.name, state="waiting", asked_at=at, **row))


def _move(
    connection: Connection, mail_id: str, before: MailState, after: MailState, at: datetime, problem: str = ""
) -> bool:
    changed = connection.execute(
        update(staff_mails)
        .where(staff_mails.c.mail_id == mail_id, staff_mails.c.state == before)
        .values(state=after, settled_at=at, problem=problem)
    )
    return changed.rowcount == 1


def _mail(row: Row[Any]) -> StaffMail:
    return StaffMail.model_validate(row._asdict())
