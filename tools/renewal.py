"""A campaign proves its worth by its review date, or waits until its owner says that it may go on."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from memory import alerts, campaigns, readouts
from memory.alerts import REVIEW, raise_alerts, review_alert
from memory.campaigns import Campaign
from memory.errors import ConflictError, InvalidInputError
from memory.readouts import StoredReadOut
from memory.schema import enrolments, messages
from policies.pack import Pack
from policies.rules.review_date import ReviewDateLimits
from tools import campaign as steering
from tools.workplace import Workplace


def pause_lapsed(place: Workplace) -> list[str]:
    """Pause live campaigns whose review date has come without a read-out that says they work; returns their ids.

    A read-out counts if it looked within the review period; one that works moves the date on by as much again. A
    campaign that lets nobody in any more and has nothing left to send runs out by itself.
    """
    at = place.clock.now()
    with place.store.read() as connection:
        due = [one for one in campaigns.list_campaigns(connection, ["live"]) if one.review_at <= at]
    if not due:
        return []
    with place.store.write() as connection:
        return [one.campaign_id for one in due if _review(connection, one, place.actor, at)]


def renew(
    connection: Connection, pack: Pack, campaign_id: str, *, until: datetime, at: datetime, actor: str, reason: str
) -> Campaign:
    """Let a campaign run until another review date, and go on if it is paused: the word of a person, with a reason.

    Raises InvalidInputError for a date that is past or further away than the rule ``review_date`` allows, and
    ConflictError for a campaign that is over or no longer what was approved.
    """
    found = campaigns.get(connection, campaign_id)
    if found.status not in {"live", "paused"}:
        raise ConflictError(
            f"It is {found.status}.", where=f"campaign {found.campaign_id}", remedy="Plan and approve it afresh."
        )
    most = pack.limits("review_date", ReviewDateLimits).maximum_days
    if not at < until <= at + timedelta(days=most):
        raise InvalidInputError(
            f"A campaign is renewed for a day up to {most} days from now.",
            where="--until",
            remedy=f"Name a day until {at + timedelta(days=most):%Y-%m-%d}.",
        )
    if not reason.strip():
        raise InvalidInputError("A renewal needs a reason.", where="--reason", remedy="Say what speaks for it.")
    campaigns.set_review(connection, found.campaign_id, until, at=at, actor=actor, reason=reason)
    for one in alerts.list_alerts(connection, limit=10_000):
        if (one.campaign_id, one.step_key) == (found.campaign_id, REVIEW):
            alerts.finish_alert(connection, one.alert_id, at=at, actor=actor, note=reason)
    if found.status == "paused":
        return steering.resume(connection, found.campaign_id, at=at, actor=actor, reason=reason)
    return campaigns.get(connection, found.campaign_id)


def _review(connection: Connection, one: Campaign, actor: str, at: datetime) -> bool:
    looks = readouts.of_campaign(connection, one.campaign_id)
    newest = looks[-1] if looks else None
    version = campaigns.get_version(connection, one.campaign_id, one.version)
    period = timedelta(days=version.play.review_days) if version.is_untouched else timedelta()
    if newest is not None and newest.verdict == "works" and newest.planned_at > one.review_at - period:
        reason = f"Look {newest.look} of {newest.looks_planned} says that it works."
        campaigns.set_review(connection, one.campaign_id, at + period, at=at, actor=actor, reason=reason)
        return False
    if not _goes_on(connection, one):
        return False
    why = _why(newest)
    reason = f"Its proof of value has lapsed on {one.review_at:%Y-%m-%d}: {why}."
    if not campaigns.swap_status(connection, one.campaign_id, ["live"], "paused", at=at, actor=actor, reason=reason):
        return False
    raise_alerts(connection, [review_alert(one, why, at)])
    return True


def _why(newest: StoredReadOut | None) -> str:
    if newest is None:
        return "no look was taken"
    return f"its newest look, of {newest.planned_at:%Y-%m-%d}, says {newest.verdict}"


def _goes_on(connection: Connection, one: Campaign) -> bool:
    """Whether anything of it could still reach somebody."""
    if one.trigger_kind != "once":
        return True
    waiting = select(messages.c.message_id).where(
        messages.c.campaign_id == one.campaign_id, messages.c.state.in_(["planned", "claimed"])
    )
    inside = select(enrolments.c.enrolment_id).where(
        enrolments.c.campaign_id == one.campaign_id, enrolments.c.state == "active"
    )
    return any(connection.execute(query.limit(1)).first() is not None for query in (waiting, inside))
