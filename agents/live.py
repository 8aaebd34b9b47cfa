"""What runs now, campaign by campaign, with what a weekly round weighs: looks, decisions about shares, lessons."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, func, select

from agents.cadence import Cadence, cadence
from agents.desk import Desk
from agents.learning.allocation import EXPLORED
from agents.learning.counts import MeasurementError
from agents.learning.readout import ReadOut
from agents.learning.targeting import ERROR
from agents.target import Stop, target
from memory import allocations, campaigns, lessons, readouts
from memory.allocations import NOBODY, Allocation
from memory.bands import Shares
from memory.campaigns import Campaign
from memory.play import Play
from memory.readouts import Verdict
from memory.schema import enrolments
from memory.schema import proposals as proposal_rows
from tools import lookups

LOOKUP: Final = "round.live"
WEIGHED: Final = 3
"""So many decisions about shares in a row have to agree before a round goes by them."""
QUIET_DAYS: Final = 28
"""So long after people rejected a change of a campaign or a playbook, or let it expire, no round asks again."""
_UNSETTLED = ("queued", "open", "asked", "approved", "launching")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class LiveArm(_Frozen):
    """One sequence of a running campaign."""

    key: str
    planned: float
    """The share that people approved."""
    share: float
    """The share by which it is drawn today."""
    share_range: tuple[float, float]
    chances: tuple[float, ...] = ()
    """In the newest decisions about shares, oldest first: in what part of the draws it was best; nobody competed. Where
    bands are told apart, in that band for which it was best most often."""
    contacts: float = 0.0
    """Behind the newest of these decisions."""
    verdict: Verdict | None = None
    """Against the holdout, at the newest look."""


class Live(_Frozen):
    """One running campaign as a round sees it; the same record says the same."""

    lookup_id: str = ""
    """Where all this was written down."""
    campaign_id: str
    version: int
    name: str
    playbook: str
    status: str
    lets_in: bool
    """Whether contacts still come in."""
    arms: tuple[LiveArm, ...]
    shares: Shares = ()
    """By which bands draw them today, where the campaign tells some apart."""
    silence: tuple[float, ...] = ()
    """In the same decisions: in what part of the draws nothing was worth sending; of bands, the least part."""
    allocation_ids: tuple[str, ...] = ()
    readout_id: str = ""
    look: int = 0
    looks_planned: int = 0
    verdict: Verdict | None = None
    difference: tuple[float, float, float] | None = None
    """Share of contacts more who reach the goal, with its interval."""
    lesson_ids: tuple[str, ...] = ()
    """What is remembered of its playbook."""
    stop: Stop | None = None
    """Whom alone it should go on for, where its own contacts surely show that."""
    cadence: Cadence | None = None
    """Of the newest letter of a series: how often letters should come, where that is surely better."""
    targeted: int = 0
    """Contacts whose goal window was over when that was looked for; 0 where nothing could be."""
    ahead: int = 0
    """Contacts who will come in until it runs out, if they come as before."""
    settled: bool = True
    """False while a proposal about it waits, or was turned down a short time ago."""


def observe(desk: Desk, thread_id: str) -> list[Live]:
    """Look at every live and paused campaign that nobody touched, and write each down for evidence to cite."""
    now = desk.clock.now()
    # Takes seconds, in which nobody else is kept from writing.
    aimed = _aimed(desk, now)
    moved = dict(one for playbook in desk.playbooks.values() if (one := cadence(desk, playbook)) is not None)
    with desk.store.write() as connection:
        asked = _before_people(connection, now)
        found = []
        for campaign in campaigns.list_campaigns(connection, ["live", "paused"]):
            version = campaigns.get_version(connection, campaign.campaign_id, campaign.version)
            if not version.is_untouched:
                continue
            weighed = {"settled": campaign.series_key not in asked, "cadence": moved.get(campaign.campaign_id)}
            seen = _look_at(connection, campaign, version.play, now).model_copy(
                update={**weighed, **aimed.get(campaign.campaign_id, {})}
            )
            lookup_id = lookups.keep(
                connection,
                thread_id=thread_id,
                name=LOOKUP,
                arguments={"campaign": campaign.campaign_id},
                result=seen.model_dump(mode="json", exclude={"lookup_id"}),
                at=now,
            )
            found.append(seen.model_copy(update={"lookup_id": lookup_id}))
    return sorted(found, key=lambda one: one.campaign_id)


def _aimed(desk: Desk, now: datetime) -> dict[str, dict[str, Any]]:
    """For whom alone campaigns that still let contacts in should go on, as far as their own contacts surely show it.

    The chance of an error is shared by all weeks for which a campaign lets contacts in, because each round looks anew.
    One whose audience was changed since it began is left alone: its contacts do not tell of one audience.
    """
    with desk.store.read() as connection:
        running = [
            (one, campaigns.versions(connection, one.campaign_id))
            for one in campaigns.list_campaigns(connection, ["live"])
            if one.trigger_kind != "once"
        ]
    found: dict[str, dict[str, Any]] = {}
    for campaign, versions in running:
        if not all(one.is_untouched for one in versions):
            continue
        play = versions[-1].play
        changed = any(one.play.audience != play.audience for one in versions)
        if changed or now >= campaign.starts_at + timedelta(days=play.trigger.runs_days):
            continue
        weeks = math.ceil(play.trigger.runs_days / 7)
        with suppress(MeasurementError):
            told = target(desk, campaign.campaign_id, error=ERROR / weeks)
            found[campaign.campaign_id] = {"stop": told.stop, "targeted": told.contacts}
    return found


def _look_at(connection: Connection, campaign: Campaign, play: Play, now: datetime) -> Live:
    by_band = campaigns.shares(connection, campaign.campaign_id, campaign.version)
    today = allocations.over_all(connection, campaign.campaign_id, by_band)
    weighed = _weighed(connection, campaign)
    looks = readouts.of_campaign(connection, campaign.campaign_id)
    found = ReadOut.model_validate(looks[-1].body) if looks else None
    verdicts = {one.name: one.verdict for one in found.arms} if found is not None else {}
    closes = campaign.starts_at + timedelta(days=play.trigger.runs_days)
    lets_in = campaign.status == "live" and bool(play.trigger.runs_days) and now < closes
    counted = weighed[-1].evidence.get("counted", {}) if weighed else {}
    keys = [one.key for one in play.sequences]
    return Live(
        campaign_id=campaign.campaign_id,
        version=campaign.version,
        name=campaign.name,
        playbook=campaign.playbook,
        status=campaign.status,
        lets_in=lets_in,
        arms=tuple(
            LiveArm(
                key=one.key,
                planned=one.share,
                share=today.get(one.key, 0.0),
                share_range=one.share_range,
                chances=tuple(_chance(each, one.key, len(keys)) for each in weighed),
                contacts=float(counted.get(one.key, [0.0])[0]),
                verdict=verdicts.get(one.key),
            )
            for one in play.sequences
        ),
        shares=by_band if play.bands else (),
        silence=tuple(_chance(each, NOBODY, len(keys)) for each in weighed),
        allocation_ids=tuple(one.allocation_id for one in weighed),
        readout_id=looks[-1].readout_id if looks else "",
        look=looks[-1].look if looks else 0,
        looks_planned=looks[-1].looks_planned if looks else 0,
        verdict=found.verdict if found is not None else None,
        difference=None if found is None else (found.difference.value, found.difference.low, found.difference.high),
        lesson_ids=tuple(one.lesson_id for one in lessons.usable(connection, now, playbook=campaign.playbook)),
        ahead=_ahead(connection, campaign, play, now, closes) if lets_in else 0,
    )


def _weighed(connection: Connection, campaign: Campaign) -> list[Allocation]:
    """The newest decisions about the shares of the newest version that rest on enough contacts."""
    past = allocations.of_campaign(connection, campaign.campaign_id)
    told = [one for one in past if one.version == campaign.version and "chance_best" in one.evidence]
    return told[-WEIGHED:]


def _chance(one: Allocation, key: str, sequences: int) -> float:
    """In what part of the draws an arm was best, without what every sequence gets so that something is learnt of it.

    A sequence has its place where one band needs it, and nothing is worth sending only where that holds for each.
    """
    chances = [float(of.get(key, 0.0)) for of in allocations.chances(one)]
    told = min(chances) if key == NOBODY else max(chances)
    return max(told - (0.0 if key == NOBODY else EXPLORED / sequences), 0.0) / (1 - EXPLORED)


def _ahead(connection: Connection, campaign: Campaign, play: Play, now: datetime, closes: datetime) -> int:
    query = select(func.count()).where(enrolments.c.campaign_id == campaign.campaign_id)
    entered = int(connection.execute(query).scalar_one())
    passed = max((now - campaign.starts_at) / timedelta(days=1), 1.0)
    a_day = min(entered / passed, float(play.limits.contacts_per_day or entered))
    return round(a_day * ((closes - now) / timedelta(days=1)))


def _before_people(connection: Connection, now: datetime) -> set[str]:
    """Campaigns, or series by their key, of which a change waits for people, or was turned down a short time ago."""
    query = select(proposal_rows.c.status, proposal_rows.c.updated_at, proposal_rows.c.body).where(
        proposal_rows.c.kind.in_(("change_campaign", "retire_campaign")),
        proposal_rows.c.status.in_((*_UNSETTLED, "rejected", "expired")),
    )
    recently = now - timedelta(days=QUIET_DAYS)
    changed = {
        row.body["play"]["replaces"]["campaign_id"]
        for row in connection.execute(query)
        if row.status in _UNSETTLED or row.updated_at > recently
    }
    return {campaigns.get(connection, one).series_key for one in changed}


def turned_down(connection: Connection, now: datetime) -> set[str]:
    """Playbooks of which people rejected a campaign, or let its proposal expire, a short time ago."""
    query = select(proposal_rows.c.playbook).where(
        proposal_rows.c.kind == "launch_campaign",
        proposal_rows.c.status.in_(("rejected", "expired")),
        proposal_rows.c.updated_at > now - timedelta(days=QUIET_DAYS),
    )
    return set(connection.execute(query).scalars())
