"""How often letters should come: what another rhythm would add, by the letters of a series and their common holdout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.learning.counts import Frozen, MeasurementError
from agents.learning.intervals import Estimate

Floats = NDArray[np.float64]

FADES_DAYS: Final = 12.0
"""So fast a letter's weight in fatigue fades. No public table calibrates it: the middle of what is held possible."""
FEWEST_LETTERS: Final = 4
"""Of fewer nobody can say whether the later ones do less than the first."""
FEWEST_REACHED: Final = 20
"""So many contacts must have reached the goal on both sides for their mean to be as good as normal."""


class Step(Frozen):
    """What one rhythm would add over another, in contacts who reach the goal for each contact and week."""

    gain: Estimate
    each_now: float
    """What one letter adds per contact it goes to, at the rhythm of today."""
    each_then: float
    """The same at the other rhythm, which counts more letters in a week or fewer."""


def fatigue(days: Sequence[float]) -> Floats:
    """What contacts carry of earlier letters when each of them comes, by the days on which they began.

    F <- F exp(-gap / FADES_DAYS) + 1 after each letter, so the first comes to 0.
    """
    at = np.asarray(days, dtype=float)
    ages = at[:, None] - at[None, :]
    carried: Floats = np.where(ages > 0, np.exp(-ages / FADES_DAYS), 0.0).sum(axis=1)
    return carried


def settled_fatigue(days_between: float) -> float:
    """Where fatigue settles if letters always come so many days apart: the sum of that geometric series."""
    return 1 / math.expm1(days_between / FADES_DAYS)


def weigh_step(
    days: Sequence[float],
    written: Sequence[float],
    treated: Floats,
    holdout: Floats,
    *,
    now_days: int,
    then_days: int,
    critical: float,
    cost: float = 0.0,
) -> Step | None:
    """What letters every ``then_days`` would add over letters every ``now_days``; None where too little was seen.

    ``treated`` and ``holdout`` have a row for each contact and a column for each letter: 1 where the contact reached
    the goal before the next letter, 0 where not, nan where they were not in the series yet. ``written`` is the share of
    the treated whom that letter went to, ``cost`` what a letter costs, in contacts who reach the goal.

    The effect of letter k, d_k, is the difference of the two means, divided by ``written`` (Bloom 1984: whom a letter
    did not go to had none of it). A line is drawn through the effects against fatigue, d(F) = a + b F, by least squares
    weighted by their size. Letters every s days are worth 7 (d(F_s) - cost) / s a week, F_s the settled fatigue, and
    the gain is the difference of two such values: a fixed linear combination of the means. So its variance is that of
    each contact's own combination, summed: the answers of one contact to many letters need not be independent (summary
    measures, Frison and Pocock 1992; by clusters, Liang and Zeger 1986). Because response falls like exp(-kF), which
    lies above its tangents, the line makes more letters look worse than they are, not better.
    """
    if then_days <= 0 or now_days <= 0 or then_days == now_days:
        raise MeasurementError(f"{now_days} and {then_days} days are not two rhythms.")
    reached = (np.nansum(treated), np.nansum(holdout))
    if len(days) < FEWEST_LETTERS or min(written) <= 0 or min(reached) < FEWEST_REACHED:
        return None
    share, felt = np.asarray(written, dtype=float), fatigue(days)
    sizes = [np.maximum((~np.isnan(arm)).sum(axis=0), 1) for arm in (treated, holdout)]
    means = [np.nansum(arm, axis=0) / size for arm, size in zip((treated, holdout), sizes, strict=True)]
    effects = (means[0] - means[1]) / share
    weights = share**2 / (1 / sizes[0] + 1 / sizes[1])
    design = np.column_stack([np.ones_like(felt), felt])
    line = np.linalg.solve(design.T @ (design * weights[:, None]), design.T * weights)
    worth = [7 / one * np.array([1.0, settled_fatigue(one)]) for one in (now_days, then_days)]
    asked = worth[1] - worth[0]
    by_letter = asked @ line
    variance = sum(
        float(np.square(np.nansum((arm - mean) / size * (by_letter / share), axis=1)).sum())
        for arm, mean, size in zip((treated, holdout), means, sizes, strict=True)
    )
    gain, reach = float(by_letter @ effects - asked[0] * cost), critical * math.sqrt(variance)
    first, slope = line @ effects
    return Step(
        gain=Estimate(value=gain, low=gain - reach, high=gain + reach),
        each_now=float(first + slope * settled_fatigue(now_days)),
        each_then=float(first + slope * settled_fatigue(then_days)),
    )
