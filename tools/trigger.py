"""Triggers: whoever an event, a segment, a date or another system names is let into a running campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Connection

from memory import arrivals, campaigns, enrolments, workspace
from memory.arrivals import Arrival
from memory.campaigns import Campaign, CampaignVersion
from memory.canonical import bucket
from memory.enrolments import Enrolment
from memory.journal import append
from memory.play import Play, RecordKind
from memory.segments.grammar import parse
from memory.snapshot import refresh
from memory.trigger import DateTrigger, Reentry, SegmentTrigger, Trigger
from policies.table import moment
from tools.anniversaries import due_today
from tools.audience import Entrants, asks_nothing, choose, features_for
from tools.enrol import enrol
from tools.failure import Guard, aloud
from tools.workplace import Workplace

if TYPE_CHECKING:
    from memory.features.table import Features

_CHUNK = 500
_DAILY = timedelta(days=1)
_FOR_EVERY_ZONE = timedelta(hours=6)
TOO_LATE = timedelta(days=1)
"""An event that could not be acted on for so long is let go: it answers a moment that has passed."""


@dataclass(frozen=True, slots=True)
class _Caller:
    """Somebody named by a trigger, from when, and with which records."""

    at: datetime
    bindings: Mapping[RecordKind, str]


def let_in(place: Workplace, guard: Guard = aloud) -> int:
    """Let in everybody who waits at a door or came into a segment or to a date; returns how many entered.

    Campaigns fail apart: one whose door cannot be answered keeps nobody from another's.
    """
    return _answer_arrivals(place, guard) + _look_around(place, guard)


def _answer_arrivals(place: Workplace, guard: Guard) -> int:
    with place.store.read() as connection:
        doors = arrivals.doors(connection)
    entered = 0
    for campaign_id, last in doors.items():
        with guard(f"door of {campaign_id}"):
            entered += _answer(place, campaign_id, last)
    return entered


def _answer(place: Workplace, campaign_id: str, last: int) -> int:
    """Answer everybody at one door who came no later than ``last``, those who came first before the others.

    Whoever comes meanwhile waits for the next round: at a door that never falls quiet nobody would be written to.
    """
    entered, after = 0, 0
    while True:
        with place.store.read() as connection:
            waiting = arrivals.waiting(connection, campaign_id, after=after, until=last, limit=_CHUNK)
        if not waiting:
            return entered
        after = waiting[-1].arrival_id
        # Of two calls of one contact the later one counts: it names what they did last.
        callers = {one.contact_id: _Caller(one.at, one.bindings) for one in waiting}
        entered += _admit(place, campaign_id, callers, waiting)
        if len(waiting) < _CHUNK:
            return entered


def _look_around(place: Workplace, guard: Guard) -> int:
    """Segments and dates, a few times a day: what they are made of counts in days."""
    at = place.clock.now()
    with place.store.read() as connection:
        live = [
            one
            for one in campaigns.list_campaigns(connection, ["live"])
            if one.trigger_kind in ("segment", "date") and one.starts_at <= at
        ]
        versions = {one.campaign_id: campaigns.get_version(connection, one.campaign_id, one.version) for one in live}
    live = [one for one in live if _is_due(one, versions[one.campaign_id].play.trigger, at)]
    sound = {one.campaign_id: play for one in live if (play := _sound(versions[one.campaign_id])) is not None}
    if not live:
        return 0
    # Who consented or arrived since must be seen now; one computation serves every campaign.
    refresh(place.store, place.lake)
    features = place.features.at(place.lake, at, {name for play in sound.values() for name in features_for(play)})
    entered = 0
    for campaign in live:
        with guard(f"door of {campaign.campaign_id}"):
            play = sound.get(campaign.campaign_id)
            if play is not None:
                named = _named(place, play, features, at)
                callers = dict.fromkeys(named, _Caller(at, {}))
                entered += _admit(place, campaign.campaign_id, callers, features=features)
            with place.store.write() as connection:
                campaigns.checked(connection, campaign.campaign_id, at)
    return entered


def _sound(version: CampaignVersion) -> Play | None:
    return version.play if version.is_untouched else None


def _is_due(campaign: Campaign, trigger: Trigger, at: datetime) -> bool:
    """Whether it was not yet looked at in the present part of the day, counted from midnight in UTC.

    Segments and days that a feature counts change at midnight; a contact's own date begins with the day where they are,
    and is seen before its morning everywhere.
    """
    own_date = isinstance(trigger, DateTrigger) and not trigger.feature
    every = _FOR_EVERY_ZONE if own_date else _DAILY
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return campaign.checked_at is None or campaign.checked_at < midnight + (at - midnight) // every * every


def _named(place: Workplace, play: Play, features: Features, at: datetime) -> list[int]:
    """Contacts whom a segment or a date names at this moment, the audience included."""
    trigger = play.trigger
    inside = features.select(parse(play.audience))
    if isinstance(trigger, SegmentTrigger):
        return inside
    assert isinstance(trigger, DateTrigger)
    with place.store.read() as connection:
        return due_today(connection, trigger, inside, features, at=at, fallback_zone=play.schedule.fallback_zone)


def _admit(
    place: Workplace,
    campaign_id: str,
    callers: Mapping[int, _Caller],
    waiting: Sequence[Arrival] = (),
    features: Features | None = None,
) -> int:
    """Let those in whom the campaign's rules allow: audience, re-entry, entries per day; everybody else is let go."""
    at = place.clock.now()
    with place.store.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        version = campaigns.get_version(connection, campaign_id, campaign.version)
        play = _sound(version)
        free = {} if play is None else _may_enter(connection, campaign, play, callers, at)
        shares = campaigns.shares(connection, campaign_id, campaign.version)
    entrants: Entrants | None = None
    if play is not None and free:
        selection = choose(
            place.store,
            place.lake,
            place.pack,
            play,
            at=at,
            campaign_id=campaign_id,
            features=None if asks_nothing(play) else features or _features(place, play, at),
            programme_share=place.programme_share,
            currency=place.currency,
            shares=shares,
            only=free.keys(),
            named={contact_id: callers[contact_id].bindings for contact_id in free},
        )
        entrants = selection.entrants
    with place.store.write() as connection:
        # One worker at a time at each door: how many may still come in is counted and used up here.
        now = campaigns.lock(connection, campaign_id)
        if now.version != campaign.version:
            # Changed a moment ago: whoever waits is answered in the next round, by the new version.
            return 0
        if waiting:
            # What another worker took is that worker's to let in.
            taken = arrivals.take(connection, waiting)
            mine = {one.contact_id for one in waiting if one.arrival_id in taken}
            entrants = entrants and entrants.take(np.isin(entrants.contact_ids, sorted(mine)))
        if play is None or not entrants or now.status != "live":
            return 0
        return _enter(connection, place, campaign, version, entrants, callers, at)


def _enter(
    connection: Connection,
    place: Workplace,
    campaign: Campaign,
    version: CampaignVersion,
    entrants: Entrants,
    callers: Mapping[int, _Caller],
    at: datetime,
) -> int:
    play = version.play
    # Asked again under the lock: another worker may have let somebody in since.
    ids = entrants.contact_ids.tolist()
    allowed = _may_enter(connection, campaign, play, {one: callers[one] for one in ids}, at)
    salt = workspace.salt(connection)
    # First come, first served, and among those of one moment an order that nobody chose.
    coming = sorted(
        (row for row, one in enumerate(ids) if one in allowed),
        key=lambda row: (callers[ids[row]].at, bucket(salt, "entry", campaign.campaign_id, ids[row])),
    )
    rows = np.asarray(coming[: _room(connection, campaign, play, at)], np.intp)
    entering = entrants.take(rows)
    enters_at = np.asarray([moment(callers[ids[row]].at) for row in rows], "datetime64[us]")
    entered = enrol(connection, place, campaign, play, entering, enters_at, allowed)
    if entered:
        append(
            connection,
            at=at,
            actor=place.actor,
            action="campaign.let_in",
            subject=campaign.campaign_id,
            payload={
                "entered": entered,
                "holdout": int(entering.in_holdout.sum()),
            },
        )
    return entered


def _may_enter(
    connection: Connection, campaign: Campaign, play: Play, callers: Mapping[int, _Caller], at: datetime
) -> dict[int, int]:
    """Who may come in by the rules of the door, each with the number of this entry."""
    if at >= campaign.starts_at + timedelta(days=play.trigger.runs_days):
        return {}
    last = enrolments.last_entries(connection, campaign.campaign_id, callers)
    return {
        contact_id: (last[contact_id].occurrence + 1 if contact_id in last else 1)
        for contact_id, caller in callers.items()
        if campaign.starts_at <= caller.at
        and caller.at > at - TOO_LATE
        and (contact_id not in last or _again(play.reentry, last[contact_id], caller.at))
    }


def _again(rule: Reentry, last: Enrolment, at: datetime) -> bool:
    if last.state == "active" or rule.allowed == "never" or (last.exited_at is not None and last.exited_at > at):
        return False
    return rule.allowed == "after_exit" or last.entered_at <= at - timedelta(days=rule.days)


def _room(connection: Connection, campaign: Campaign, play: Play, at: datetime) -> int:
    """How many may still enter: of today's share, and of what was approved for the whole time."""
    assert play.limits.contacts_per_day is not None
    today = enrolments.count_since(connection, campaign.campaign_id, at - timedelta(days=1))
    ever = enrolments.count(connection, campaign.campaign_id)
    return max(min(play.limits.contacts_per_day - today, play.size_band[1] - ever), 0)


def _features(place: Workplace, play: Play, at: datetime) -> Features:
    return place.features.at(place.lake, at, features_for(play))
