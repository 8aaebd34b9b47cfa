"""What goes to whom when: planned messages, days on which campaigns start or are looked at, and what may come."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Connection, func, select, type_coerce

from memory import campaigns, letters, proposals
from memory.campaigns import Campaign
from memory.play import Play
from memory.proposal import ProposalStatus
from memory.schema import enrolments, from_micros, messages

What = Literal["messages", "start", "review", "end", "proposed", "draft"]
DAYS: Final = 28
_QUARTER: Final = 900_000_000
"""Microseconds of 15 minutes: days of every time zone are made of them."""
_COMING: Final = (
    ProposalStatus.QUEUED,
    ProposalStatus.OPEN,
    ProposalStatus.ASKED,
    ProposalStatus.APPROVED,
    ProposalStatus.LAUNCHING,
)
_MOST: Final = 200
"""Proposals, best first, and letters, newest first, that are looked through."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a day."""

    what: What
    name: str
    path: str
    """Of the page about it."""
    play: Play | None = None
    """Whose audience it is for."""
    count: int | None = None
    """Messages planned, or contacts who would get it."""
    channel: str = ""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """A campaign that lets contacts in as they come."""

    campaign: Campaign
    play: Play
    a_day: int | None


def agenda(connection: Connection, first: date, zone: str) -> dict[date, list[Entry]]:
    """The lines of each day of four weeks, in days of ``zone``; days on which nothing happens are not in it."""
    days = [first + timedelta(days=n) for n in range(DAYS)]
    found: dict[date, list[Entry]] = {day: [] for day in days}
    live = {one.campaign_id: one for one in campaigns.list_campaigns(connection, ["live", "paused"])}
    for (campaign_id, day, channel), count in sorted(_planned(connection, days, zone).items()):
        if campaign_id in live and day in found:
            one = live[campaign_id]
            found[day].append(_entry(connection, one, "messages", count=count, channel=channel))
    for one in live.values():
        marks: tuple[tuple[What, datetime], ...] = (
            ("start", one.starts_at),
            ("review", one.review_at),
            ("end", one.ends_at),
        )
        for what, at in marks:
            day = at.astimezone(ZoneInfo(zone)).date()
            if day in found:
                found[day].append(_entry(connection, one, what))
    for stored in proposals.list_proposals(connection, _COMING, limit=_MOST):
        proposal = stored.proposal
        day = proposal.play.schedule.starts_at.astimezone(ZoneInfo(zone)).date()
        if day in found and proposal.kind == "launch_campaign":
            path = f"/proposals/{proposal.proposal_id}"
            found[day].append(Entry("proposed", proposal.title, path, proposal.play, proposal.audience.treated))
    for letter in letters.newest(connection, limit=_MOST):
        starts_at = letter.letter.starts_at
        day = starts_at.astimezone(ZoneInfo(zone)).date() if starts_at else date.min
        if day in found and letter.state != "proposed":
            found[day].append(Entry("draft", letter.letter.name, f"/letters/{letter.letter_id}"))
    return {day: lines for day, lines in found.items() if lines}


def running(connection: Connection) -> list[Running]:
    """Campaigns that let contacts in by a trigger, with whom and how many a day at most."""
    found = []
    for one in campaigns.list_campaigns(connection, ["live", "paused"]):
        if one.trigger_kind != "once":
            play = campaigns.get_version(connection, one.campaign_id, one.version).play
            found.append(Running(one, play, play.limits.contacts_per_day))
    return found


def _planned(connection: Connection, days: list[date], zone: str) -> Counter[tuple[str, date, str]]:
    """How many messages are planned by campaign, day and channel; nobody of the holdout gets one."""
    start = datetime.combine(days[0], time(), ZoneInfo(zone))
    until = datetime.combine(days[-1] + timedelta(days=1), time(), ZoneInfo(zone))
    quarter = (type_coerce(messages.c.due_at, BigInteger) // _QUARTER).label("quarter")
    query = (
        select(messages.c.campaign_id, quarter, messages.c.channel, func.count())
        .join(enrolments, enrolments.c.enrolment_id == messages.c.enrolment_id)
        .where(messages.c.state == "planned", messages.c.due_at >= start, messages.c.due_at < until)
        .where(enrolments.c.in_holdout.is_(False))
        .group_by(messages.c.campaign_id, quarter, messages.c.channel)
    )
    found: Counter[tuple[str, date, str]] = Counter()
    for campaign_id, number, channel, count in connection.execute(query):
        day = from_micros(number * _QUARTER).astimezone(ZoneInfo(zone)).date()
        found[campaign_id, day, channel] += count
    return found


def _entry(
    connection: Connection, campaign: Campaign, what: What, *, count: int | None = None, channel: str = ""
) -> Entry:
    play = campaigns.get_version(connection, campaign.campaign_id, campaign.version).play
    path = f"/campaigns/{campaign.campaign_id}"
    of_whom = play if what in ("messages", "start") else None
    return Entry(what, campaign.name, path, of_whom, count, channel, campaign.status == "paused")
