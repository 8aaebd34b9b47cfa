"""The queue of proposals: who gets a turn before people, who is about to run out of time, and who has."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from memory.alerts import Alert, raise_alerts
from memory.proposal import Proposal, ProposalStatus
from memory.proposals import WAITING, reminder_of, swap_status, waiting_by_owner
from memory.schema import proposals


def promote(connection: Connection, *, at: datetime, open_limit: int) -> list[str]:
    """Open the best queued proposals of each owner who has fewer than ``open_limit`` open; returns their ids."""
    query = (
        select(proposals.c.proposal_id, proposals.c.owner)
        .where(proposals.c.status == ProposalStatus.QUEUED)
        .order_by(proposals.c.rank_score.desc(), proposals.c.proposal_id)
    )
    waiting, opened = waiting_by_owner(connection), []
    for row in connection.execute(query).all():
        if waiting[row.owner] < open_limit:
            swap_status(connection, row.proposal_id, ProposalStatus.QUEUED, ProposalStatus.OPEN, at)
            waiting[row.owner] += 1
            opened.append(row.proposal_id)
    return opened


def remind(connection: Connection, at: datetime, *, before_hours: int) -> list[str]:
    """Raise an alert, once, for each proposal that expires undecided within so many hours; returns their ids."""
    query = (
        select(proposals)
        .where(proposals.c.status.in_(list(WAITING)), proposals.c.reminded_at.is_(None))
        .where(proposals.c.expires_at > at, proposals.c.expires_at <= at + timedelta(hours=before_hours))
        .order_by(proposals.c.proposal_id)
    )
    found = [Proposal.model_validate(row.body) for row in connection.execute(query).all()]
    for one in found:
        when = f"{one.expires_at:%Y-%m-%d %H:%M} UTC"
        look = f"noria proposals show {one.proposal_id}"
        task = {
            "en": f"“{one.title}” expires undecided on {when}: {look}",
            "fr": f"« {one.title} » expire sans décision le {when} : {look}",
        }
        raise_alerts(
            connection, [Alert(step_key=reminder_of(one.proposal_id), owner=one.play.owner, task=task, raised_at=at)]
        )
        connection.execute(update(proposals).where(proposals.c.proposal_id == one.proposal_id).values(reminded_at=at))
    return [one.proposal_id for one in found]


def expire(connection: Connection, at: datetime) -> list[str]:
    """Close every undecided proposal whose time is over; returns their ids."""
    due = connection.execute(
        select(proposals.c.proposal_id, proposals.c.status)
        .where(proposals.c.expires_at <= at, proposals.c.status.in_([*WAITING, ProposalStatus.QUEUED]))
        .order_by(proposals.c.proposal_id)
    ).all()
    return [
        row.proposal_id
        for row in due
        if swap_status(connection, row.proposal_id, ProposalStatus(row.status), ProposalStatus.EXPIRED, at)
    ]
