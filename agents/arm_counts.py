"""What became of the contacts of each arm so far, in the form from which allocation learns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from agents.learning.allocation import ArmCounts, believe, best_shares
from agents.learning.delay import delay_curve, part_in
from agents.learning.readout import HOLDOUT
from agents.outcomes import Member, Outcomes
from memory.allocations import NOBODY, Periods
from memory.canonical import digest
from memory.lessons import Lesson
from memory.proposal import Pick

_DAY_SECONDS = 86_400.0
_YEAR = timedelta(days=365)


# Contacts who drew what was hardly drawn would otherwise speak for many.
_LEAST = 0.02


@dataclass
class _Tally:
    contacts: float = 0.0
    conversions: float = 0.0
    weights: float = 0.0
    squares: float = 0.0


def so_far(outcomes: Outcomes, drawn_by: Periods, window_days: int, now: datetime) -> dict[str, tuple[float, float]]:
    """By arm, contacts counted by the part of their conversions that should be in, and conversions that are.

    Shares that move put more of an arm's contacts into some weeks than into others, and weeks differ. So each contact
    counts by the inverse of the share that the arm had then, and an arm as a whole for as many contacts as that is
    worth (Horvitz and Thompson 1952; Kish 1965).
    """
    ages = np.asarray([(now - one.since).total_seconds() / _DAY_SECONDS for one in outcomes.members])
    cohort = np.minimum(ages.astype(np.int64), window_days)
    observed = np.zeros((window_days + 1, window_days), np.int64)
    for age in range(window_days):
        observed[age, age:] = -1
    for place, one in enumerate(outcomes.members):
        if (reached := outcomes.reached_at.get(one.contact_id)) is not None:
            day = (reached - one.since) // timedelta(days=1)
            if day < cohort[place]:
                observed[cohort[place], day] += 1
    parts = part_in(delay_curve(observed), ages) if len(ages) else ages
    tallies = {one.name: _Tally() for one in outcomes.arms}
    keys = [name for name in tallies if name not in {HOLDOUT, NOBODY}]
    for one, part in zip(outcomes.members, parts.tolist(), strict=True):
        tally, weight = tallies[one.arm], 1 / max(_share(drawn_by, one, keys), _LEAST)
        converted = one.contact_id in outcomes.reached_at
        # Whoever reached the goal is a whole contact, however young: more cannot have reached it than there are.
        tally.contacts += weight * (1.0 if converted else part)
        tally.conversions += weight * converted
        tally.weights += weight
        tally.squares += weight**2
    return {name: _worth(one) for name, one in tallies.items()}


def _share(drawn_by: Periods, one: Member, keys: Iterable[str]) -> float:
    """By which a contact drew their arm; a held-out contact counts with the sequences that they did not get."""
    shares = drawn_by.shares[drawn_by.place(one.since)]
    return sum(shares.get(key, 0.0) for key in (keys if one.arm == HOLDOUT else (one.arm,)))


def _worth(tally: _Tally) -> tuple[float, float]:
    scale = tally.weights / tally.squares if tally.squares else 0.0
    return scale * tally.contacts, scale * tally.conversions


def pick_of(keys: Sequence[str], earlier: Sequence[Lesson], now: datetime) -> Pick | None:
    """Which sequence is likely best by earlier campaigns of the playbook; None where they tell none apart."""
    used = [one for one in earlier if any(len(set(keys) & arms.keys()) > 1 for _, arms in told_arms(one))]
    if not used:
        return None
    keys = sorted(keys)
    nothing = dict.fromkeys((HOLDOUT, *keys), (0.0, 0.0))
    ids = sorted(one.lesson_id for one in used)
    seed = int(digest(["pick", *ids])[:7], 16)
    chances = best_shares(believe(arm_counts(nothing, used, keys, now)), seed, explored=0.0)[0]
    told = {key: round(float(chance), 4) for key, chance in zip(keys, chances, strict=True)}
    return Pick(chances=told, lesson_ids=tuple(ids))


def told_arms(lesson: Lesson) -> list[tuple[datetime, Mapping[str, Any]]]:
    """What a lesson says of sequences: for each letter that it speaks of, until when, and the counts of each."""
    letters = lesson.evidence.get("letters", ())
    if not letters:
        return [(lesson.observed_to, lesson.evidence.get("arms", {}))]
    return [(datetime.fromisoformat(one["observed_to"]), one["arms"]) for one in letters]


def arm_counts(
    mine: Mapping[str, tuple[float, float]], earlier: Sequence[Lesson], keys: Sequence[str], now: datetime
) -> ArmCounts:
    """This campaign and, as further segments, what earlier ones of the playbook said of the same sequences.

    Their weight halves each year. What being written to adds is in the prior already, so their holdouts stay out; and
    silence is read from this holdout alone, because nobody was drawn in some weeks only.
    """
    rows = [[mine[key] for key in keys]]
    for observed_to, arms in (each for one in earlier for each in told_arms(one)):
        weight = 0.5 ** ((now - observed_to) / _YEAR)
        found = [arms.get(key, {"contacts": 0, "conversions": 0}) for key in keys]
        rows.append([(weight * each["contacts"], weight * each["conversions"]) for each in found])
    table = np.asarray(rows, float)
    silent = np.zeros((2, len(rows)))
    silent[:, 0] = mine[HOLDOUT]
    return ArmCounts(table[:, :, 0], table[:, :, 1], (silent[0], silent[1]))
