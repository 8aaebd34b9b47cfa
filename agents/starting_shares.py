"""The shares that a play starts with: the playbook's, moved by what earlier campaigns taught of each sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agents.arm_counts import arm_counts, told_arms
from agents.drafting import audience_sentence
from agents.learning.allocation import believe, move, worth_shares
from agents.learning.priors import Prior
from agents.learning.readout import HOLDOUT
from agents.provider import Opportunity, Task
from memory.allocations import NOBODY
from memory.bands import Shares
from memory.canonical import digest
from memory.lessons import Lesson
from memory.sequence_check import most_sends
from memory.steps import Sequence

_MOVED_BY_EACH: Final = 0.5
"""So many contacts draw another sequence than in the playbook for each campaign that taught, at most: the next plan is
approved by people as well."""
_FEWEST_CONTACTS: Final = 50


def starting_shares(task: Task, opportunity: Opportunity, planned: Mapping[str, Sequence]) -> tuple[Shares, int]:
    """By band the share of each sequence, and how many earlier campaigns it rests on; as planned where none taught.

    The daily allocation's own belief (``agents.learning.allocation``) before the first contact: an earlier campaign's
    weight halves each year, and silence is what such contacts do by themselves.
    """
    bands = task.playbook.bands
    plan = {key: one.share for key, one in planned.items()}
    segment, now = audience_sentence(task.playbook), task.desk.clock.now()
    earlier = [
        one
        for one in task.recall.lessons
        if (not one.narrowed or one.segment == segment) and _contacts(one, plan) >= _FEWEST_CONTACTS
    ]
    if len(plan) == 1 or not earlier:
        return (plan,) * (len(bands) if bands else 1), 0
    keys = sorted(plan)
    nothing = [
        {**dict.fromkeys(keys, (0.0, 0.0)), HOLDOUT: alone} for alone in _alone(opportunity, len(bands) if bands else 1)
    ]
    counts = arm_counts(nothing, earlier, keys, now, bands)
    belief = believe(counts, Prior(mean=opportunity.forecast.effect_mean, sd=opportunity.forecast.effect_sd))
    value_cents = opportunity.value_per_order_cents
    each = task.desk.settings.message_cost_micros / 1_000_000 if value_cents else 0.0
    best = worth_shares(
        belief,
        int(digest([task.lookups.thread_id, "shares"])[:8], 16),
        value_cents=value_cents or 1.0,
        cost_cents=[each * most_sends(planned[key]) for key in keys],
    )
    taught = sum(len(told_arms(one)) for one in earlier)
    found = []
    for row in best[: len(nothing)].tolist():
        # Whether to write at all is decided before, and by people.
        wanted = dict(zip([*keys, NOBODY], row, strict=True))
        spoken = {key: wanted[key] / (1 - wanted[NOBODY]) for key in keys} if wanted[NOBODY] < 1 else plan
        found.append(move(plan, spoken, dict.fromkeys(keys, (0.0, 1.0)), most=_MOVED_BY_EACH * taught))
    return tuple(found), taught


def _alone(opportunity: Opportunity, bands: int) -> list[tuple[float, float]]:
    """By band, contacts whose rate without a message was measured, and how many of them reached the goal."""
    # Counted before the playbook told these bands apart, contacts are taken to be spread evenly.
    counted = opportunity.audience.bands
    reachable = counted if len(counted) == bands else (1,) * bands
    parts = [contacts / max(sum(reachable), 1) for contacts in reachable]
    return [
        (part * opportunity.base_contacts, part * opportunity.base_rate * opportunity.base_contacts) for part in parts
    ]


def _contacts(lesson: Lesson, plan: Mapping[str, float]) -> int:
    return sum(int(told.arms[key]["contacts"]) for told in told_arms(lesson) for key in plan if key in told.arms)
