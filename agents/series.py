"""Letters that follow each other: one holdout for all of them, and a rhythm that none of them is ahead of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from agents.desk import Desk
from agents.playbook import Playbook
from agents.send_window import starts_from
from memory import campaigns, readouts
from memory.campaigns import Campaign
from memory.play import Goal
from memory.schema import enrolments, messages

SERIES_DAYS: Final = 91
"""A series lets no further letter in after so long, so that nobody is held out for ever."""
RUNNING: Final = "A proposal of this playbook is waiting or running."
_RUNNING: Final = frozenset({"live", "paused"})
_UNSENT: Final = ("planned", "claimed")


@dataclass(frozen=True, slots=True)
class Series:
    """The letters of a playbook so far, which the next one would follow."""

    letters: tuple[Campaign, ...]
    """In the order in which they began."""

    @property
    def key(self) -> str:
        return self.letters[0].series_key

    @property
    def share(self) -> float:
        return self.letters[0].holdout_share

    @property
    def last(self) -> Campaign:
        return self.letters[-1]

    @property
    def sentence(self) -> str:
        """Whom the next letter holds out, for whoever decides about it."""
        first, count = self.letters[0], len(self.letters)
        letters = "the letter" if count == 1 else f"the {count} letters"
        return (
            f"{self.share:.0%} held out: the same people as for {letters} before it, since "
            f"{first.starts_at:%d %B %Y}, so that what the series adds can be measured."
        )

    @property
    def is_running(self) -> bool:
        return any(one.status in _RUNNING for one in self.letters)

    @property
    def closes_at(self) -> datetime:
        return self.letters[0].starts_at + timedelta(days=SERIES_DAYS)


def series_of(connection: Connection, playbook: Playbook, now: datetime) -> Series | None:
    """The series that the next letter of a playbook belongs to; None where it begins one of its own."""
    if playbook.trigger.kind != "once" or not playbook.holdout_share:
        return None
    last = campaigns.last_letter(connection, playbook.id)
    if last is None or not last.holdout_share:
        return None
    found = Series(tuple(campaigns.letters_of(connection, last.series_key)))
    return found if found.is_running or now < found.closes_at else None


def goal_of(connection: Connection, letter: Campaign) -> Goal:
    """What a letter is for, as it was approved."""
    return campaigns.get_version(connection, letter.campaign_id, letter.version).play.goal


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the letters of a playbook come."""

    days: int
    """From one letter to the next."""
    since: datetime | None
    """Since when people want it so; None where it is what the playbook says."""


def rhythm(connection: Connection, desk: Desk, playbook: Playbook) -> Rhythm:
    """What people approved last, if the playbook still names it, else the playbook's own; never ahead of the cap."""
    approved = campaigns.approved_rhythm(connection, playbook.id)
    if approved is not None and approved[0] in playbook.rhythms:
        return Rhythm(max(approved[0], fewest_days(desk)), approved[1])
    return Rhythm(max(playbook.days_between or playbook.goal.window_days, fewest_days(desk)), None)


def fewest_days(desk: Desk) -> int:
    """Days below which the cap alone would stop some letter of a series."""
    cap = desk.pack.cap
    return math.ceil(cap.window_days / cap.messages)


def why_not_yet(connection: Connection, desk: Desk, playbook: Playbook) -> str:
    """Why no further letter of a playbook may be proposed beside those that run; empty where one may."""
    running = [one for one in campaigns.list_campaigns(connection, ["live", "paused"]) if one.playbook == playbook.id]
    now = desk.clock.now()
    series = series_of(connection, playbook, now)
    # A look that is taken late at an earlier letter speaks of the same people.
    if series is not None and readouts.any_harms(connection, [one.campaign_id for one in series.letters]):
        return f"A letter of its series does harm: none follows it before {series.closes_at:%d %B %Y}."
    if not running:
        last_one = campaigns.last_letter(connection, playbook.id)
        if last_one is None or not (playbook.days_between or _counts_in_fewer(connection, playbook, last_one)):
            return ""
        return _too_early(connection, desk, playbook, last_one)
    if series is None or any(one.series_key != series.key for one in running):
        # Whoever is held out of a running campaign must not get its mail from a second one.
        return RUNNING
    last = series.last
    if any(one.status == "paused" for one in running):
        return "A letter of this playbook is paused."
    if readouts.last_verdict(connection, last.campaign_id) == "invalid":
        return "The last letter of this playbook cannot be read: its arms do not have their planned sizes."
    if now >= series.closes_at:
        return f"Its series is {SERIES_DAYS} days old: the next one begins when its last letter has been read."
    if any(not _is_out(connection, one) for one in running):
        return "Messages of its last letter are still to leave."
    return _too_early(connection, desk, playbook, last)


def _counts_in_fewer(connection: Connection, playbook: Playbook, letter: Campaign) -> bool:
    """Whether a letter is over sooner than its playbook wants to write again, because its goal counts in fewer days."""
    return goal_of(connection, letter).window_days < playbook.goal.window_days


def _too_early(connection: Connection, desk: Desk, playbook: Playbook, last: Campaign) -> str:
    # By the day, not the hour: a letter that left in the afternoon must not move those after it by a day each.
    zone = ZoneInfo(desk.settings.fallback_zone)
    days = rhythm(connection, desk, playbook).days
    due_on = last.starts_at.astimezone(zone).date() + timedelta(days=days)
    if starts_from(desk, days_ahead=1).astimezone(zone).date() < due_on:
        return f"The next letter is due on {due_on:%d %B %Y}: {days} days lie between two."
    return ""


def _is_out(connection: Connection, letter: Campaign) -> bool:
    """Whether everybody in a letter has been sent what they were to get, or has left."""
    inside = select(func.count()).where(enrolments.c.campaign_id == letter.campaign_id, enrolments.c.state == "active")
    unsent = select(func.count()).where(messages.c.campaign_id == letter.campaign_id, messages.c.state.in_(_UNSENT))
    return not any(connection.execute(query).scalar_one() for query in (inside, unsent))
