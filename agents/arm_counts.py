"""What became of the contacts of each arm so far, in the form from which allocation learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from agents.learning.allocation import ArmCounts
from agents.learning.delay import delay_curve, part_in
from agents.learning.readout import HOLDOUT
from agents.outcomes import Outcomes
from memory.allocations import NOBODY
from memory.lessons import Lesson

_DAY_SECONDS = 86_400.0
_YEAR = timedelta(days=365)


@dataclass
class _Tally:
    contacts: float = 0.0
    conversions: float = 0.0


def so_far(outcomes: Outcomes, window_days: int, now: datetime) -> dict[str, tuple[float, float]]:
    """By arm, contacts counted by the part of their conversions that should be in, and conversions that are."""
    ages = np.asarray([(now - one.since).total_seconds() / _DAY_SECONDS for one in outcomes.members])
    cohort = np.minimum(ages.astype(np.int64), window_days)
    observed = np.zeros((window_days + 1, window_days), np.int64)
    for age in range(window_days):
        observed[age, age:] = -1
    tallies = {one.name: _Tally() for one in outcomes.arms}
    for place, one in enumerate(outcomes.members):
        if (reached := outcomes.reached_at.get(one.contact_id)) is not None:
            tallies[one.arm].conversions += 1
            day = (reached - one.since) // timedelta(days=1)
            if day < cohort[place]:
                observed[cohort[place], day] += 1
    parts = part_in(delay_curve(observed), ages) if len(ages) else ages
    for one, part in zip(outcomes.members, parts.tolist(), strict=True):
        tallies[one.arm].contacts += part
    return {name: (one.contacts, one.conversions) for name, one in tallies.items()}


def arm_counts(
    mine: Mapping[str, tuple[float, float]], earlier: Sequence[Lesson], keys: Sequence[str], now: datetime
) -> ArmCounts:
    """This campaign and, as further segments, what earlier ones of the playbook said of the same sequences.

    Their weight halves each year. What being written to adds is in the prior already, so their holdouts stay out.
    """
    rows = [[mine[key] for key in keys]]
    for one in earlier:
        weight = 0.5 ** ((now - one.observed_to) / _YEAR)
        arms: Mapping[str, Any] = one.evidence.get("arms", {})
        found = [arms.get(key, {"contacts": 0, "conversions": 0}) for key in keys]
        rows.append([(weight * each["contacts"], weight * each["conversions"]) for each in found])
    table = np.asarray(rows, float)
    silent = np.zeros((2, len(rows)))
    silent[:, 0] = np.add(mine[HOLDOUT], mine[NOBODY])
    return ArmCounts(table[:, :, 0], table[:, :, 1], (silent[0], silent[1]))
