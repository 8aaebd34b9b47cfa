"""The shares that a play starts with: the playbook's, moved by what earlier campaigns taught of each sequence."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import fsum
from typing import Final

from agents.arm_counts import Told, arm_counts, so_far, told_arms, told_so_far
from agents.drafting import audience_sentence
from agents.learning.allocation import believe, move, worth_shares
from agents.learning.priors import Prior
from agents.learning.readout import HOLDOUT
from agents.outcomes import campaign_outcomes
from agents.provider import Opportunity, Task
from agents.series import series_of
from memory import allocations, campaigns, lessons, readouts
from memory.allocations import NOBODY
from memory.bands import Shares
from memory.canonical import digest
from memory.sequence_check import most_sends
from memory.steps import Sequence

_MOVED_BY_EACH: Final = 0.5
"""So many contacts draw another sequence than in the playbook for each campaign that taught, at most: the next plan is
approved by people as well."""
_FEWEST_CONTACTS: Final = 50


def starting_shares(task: Task, opportunity: Opportunity, planned: Mapping[str, Sequence]) -> tuple[Shares, int]:
    """By band the share of each sequence, and how many campaigns it rests on; as planned where none taught.

    The daily allocation's own belief (``agents.learning.allocation``) before the first contact: an earlier campaign's
    weight halves each year, letters of the series that still run count as far as they have come, and silence is what
    such contacts do by themselves.
    """
    bands = task.playbook.bands
    plan = {key: one.share for key, one in planned.items()}
    if len(plan) == 1 or not (earlier := _told(task, plan)):
        return (plan,) * (len(bands) if bands else 1), 0
    keys = sorted(plan)
    nothing = [
        {**dict.fromkeys(keys, (0.0, 0.0)), HOLDOUT: alone} for alone in _alone(opportunity, len(bands) if bands else 1)
    ]
    counts = arm_counts(nothing, earlier, keys, task.desk.clock.now(), bands)
    belief = believe(counts, Prior(mean=opportunity.forecast.effect_mean, sd=opportunity.forecast.effect_sd))
    value_cents = opportunity.value_per_order_cents
    each = task.desk.settings.message_cost_micros / 1_000_000 if value_cents else 0.0
    best = worth_shares(
        belief,
        int(digest([task.lookups.thread_id, "shares"])[:8], 16),
        value_cents=value_cents or 1.0,
        cost_cents=[each * most_sends(planned[key]) for key in keys],
    )
    found = []
    for row in best[: len(nothing)].tolist():
        # Whether to write at all is decided before, and by people.
        wanted = dict(zip([*keys, NOBODY], row, strict=True))
        spoken = {key: wanted[key] / (1 - wanted[NOBODY]) for key in keys} if wanted[NOBODY] < 1 else plan
        found.append(move(plan, spoken, dict.fromkeys(keys, (0.0, 1.0)), most=_MOVED_BY_EACH * len(earlier)))
    return tuple(found), len(earlier)


def _told(task: Task, keys: Collection[str]) -> list[Told]:
    """What each campaign of the playbook says of these sequences: by its lesson, or so far where it is still read."""
    segment = audience_sentence(task.playbook)
    usable = [one for one in task.recall.lessons if not one.narrowed or one.segment == segment]
    told = [each for one in usable if _contacts(told_arms(one), keys) >= _FEWEST_CONTACTS for each in told_arms(one)]
    return [*told, *(one for one in _running(task) if _contacts([one], keys) >= _FEWEST_CONTACTS)]


def _running(task: Task) -> list[Told]:
    """What came so far of the letters that the next one follows.

    But for those of which a lesson tells, or told before it was withdrawn, and those whose arms are not what was drawn.
    """
    desk, now = task.desk, task.desk.clock.now()
    with desk.store.read() as connection:
        series = series_of(connection, task.playbook, now)
        taught = [one for one in lessons.every(connection) if one.playbook == task.playbook.id]
        known = {each.campaign_id for one in taught for each in told_arms(one)}
        letters = [
            one
            for one in (series.letters if series else ())
            if one.status == "live"
            and one.campaign_id not in known
            and readouts.last_verdict(connection, one.campaign_id) != "invalid"
        ]
        versions = [campaigns.get_version(connection, one.campaign_id, one.version) for one in letters]
        periods = [allocations.periods(connection, one.campaign_id) for one in letters]
    found = []
    for letter, version, drawn_by in zip(letters, versions, periods, strict=True):
        play = version.play
        if version.is_untouched:
            arms = sorted(one.key for one in play.sequences)
            outcomes = campaign_outcomes(
                desk.store, desk.lake, letter.campaign_id, goal=play.goal, arms=arms, as_of=now
            )
            counted = so_far(outcomes, drawn_by, play.goal.window_days, now, bands=len(play.shares))
            found.append(told_so_far(counted, letter, play, now))
    return found


def _alone(opportunity: Opportunity, bands: int) -> list[tuple[float, float]]:
    """By band, contacts whose rate without a message was measured, and how many of them reached the goal."""
    # Counted before the playbook told these bands apart, contacts are taken to be spread evenly.
    counted = opportunity.audience.bands
    reachable = counted if len(counted) == bands else (1,) * bands
    parts = [contacts / max(sum(reachable), 1) for contacts in reachable]
    return [
        (part * opportunity.base_contacts, part * opportunity.base_rate * opportunity.base_contacts) for part in parts
    ]


def _contacts(told: Iterable[Told], keys: Collection[str]) -> float:
    return fsum(each.arms[key]["contacts"] for each in told for key in keys if key in each.arms)
