"""What waits, for whom and since when, and what was to arrive and does not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Connection, case, func, select

from console.wiring import Workspace
from memory.campaigns import approved_under_another
from memory.live_orders import on_the_way
from memory.proposal import ProposalStatus
from memory.quality import FRESH_DAYS
from memory.schema import (
    alerts,
    arrivals,
    decisions,
    erasures,
    imports,
    intake,
    messages,
    proposals,
    reputation_counts,
    staff_mails,
)

_QUIET: Final = timedelta(days=7)
"""So long mail may go out before its reports are missed."""


class Queue(BaseModel):
    """Rows that wait, and how long the first of them has."""

    model_config = ConfigDict(frozen=True)

    name: str
    waits_for: str
    """person or worker."""
    rows: int
    oldest_at: AwareDatetime | None
    is_late: bool
    """Whether it waits longer than it should."""


class Missing(BaseModel):
    """Something that was to arrive and does not."""

    model_config = ConfigDict(frozen=True)

    what: str
    last_at: AwareDatetime | None
    remedy: str


def queues(connection: Connection, *, policy_version: str, now: datetime, machine_now: datetime) -> list[Queue]:
    """Everything that waits for a person or a worker; ``now`` is business time."""
    other_policy = approved_under_another(connection, policy_version)
    unheard = decisions.c.consumed_at.is_(None)
    waiting = proposals.c.status.in_((ProposalStatus.OPEN, ProposalStatus.ASKED))
    due = (messages.c.state == "planned") & (messages.c.due_at <= now)
    hour, day, two_days, three_days = timedelta(hours=1), timedelta(days=1), timedelta(days=2), timedelta(days=3)
    return [
        _queue(connection, "proposals to decide on", "person", proposals.c.created_at, waiting, now - three_days),
        _queue(connection, "alerts", "person", alerts.c.raised_at, alerts.c.done_at.is_(None), now - three_days),
        _queue(
            connection,
            "proposals that wait for room",
            "person",
            proposals.c.created_at,
            proposals.c.status == ProposalStatus.QUEUED,
            None,
        ),
        Queue(
            name="campaigns to approve again under the policy in force",
            waits_for="person",
            rows=len(other_policy),
            oldest_at=None,
            is_late=bool(other_policy),
        ),
        _queue(connection, "decisions", "worker", decisions.c.decided_at, unheard, now - hour),
        _queue(connection, "messages that are due", "worker", messages.c.due_at, due, now - day),
        _queue(connection, "contacts at the door of a campaign", "worker", arrivals.c.at, None, now - day),
        _queue(
            connection,
            "live events on their way to the lake",
            "worker",
            intake.c.received_at,
            on_the_way(),
            now - two_days,
        ),
        _queue(connection, "erasures", "worker", erasures.c.asked_at, erasures.c.finished_at.is_(None), now - day),
        _queue(
            connection,
            "mail to people who asked for it",
            "worker",
            staff_mails.c.asked_at,
            staff_mails.c.state == "waiting",
            machine_now - timedelta(minutes=10),
        ),
    ]


def _queue(
    connection: Connection,
    name: str,
    waits_for: str,
    since: ColumnElement[datetime],
    where: ColumnElement[bool] | None,
    late_before: datetime | None,
) -> Queue:
    query = select(func.count().label("rows"), func.min(since).label("oldest"))
    row = connection.execute(query if where is None else query.where(where)).one()
    is_late = late_before is not None and row.oldest is not None and row.oldest < late_before
    return Queue(name=name, waits_for=waits_for, rows=row.rows, oldest_at=row.oldest, is_late=is_late)


def never_arrives(opened: Workspace, connection: Connection, now: datetime) -> list[Missing]:
    """Sources that fell silent, live events and reports of providers that never came."""
    found = [
        Missing(
            what=f"files of {row.kind}",
            last_at=row.last_at,
            remedy=f"The last import is over {FRESH_DAYS} days old: export them anew, and noria import.",
        )
        for row in connection.execute(
            select(imports.c.kind, func.max(imports.c.finished_at).label("last_at"))
            .group_by(imports.c.kind)
            .order_by(imports.c.kind)
        )
        if row.last_at < now - timedelta(days=FRESH_DAYS)
    ]
    if opened.settings.reaches_people:
        said = connection.execute(
            select(
                func.min(case((reputation_counts.c.kind == "sent", reputation_counts.c.at))).label("first"),
                func.max(case((reputation_counts.c.kind.not_in(_OWN), reputation_counts.c.at))).label("heard"),
            )
        ).one()
        if said.first is not None and said.first < now - _QUIET and said.heard is None:
            remedy = "Set up the provider's webhook, or noria mailbox for a mailbox that they come to."
            found.append(Missing(what="reports on mail that left", last_at=None, remedy=remedy))
    return found


_OWN: Final = ("sent", "refused", "deferred")
"""What is known of a message when it is handed over; the rest has to be reported."""
