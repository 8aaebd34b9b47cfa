"""How long conversions take, so that contacts who entered a moment ago are not taken for failures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.learning.counts import MeasurementError

Floats = NDArray[np.float64]
_PSEUDO = 2.0
"""Weight of the starting curve, in conversions at each age."""


def delay_curve(observed: NDArray[np.int64]) -> Floats:
    """The share of a window's conversions that are in after 1, 2, … days since the entry; the last one is 1.

    ``observed[cohort, day]`` counts conversions by the day after the entry on which they came; -1 where that day is
    not over yet. Chain-ladder estimate of right-truncated delays (Lagakos, Barraj and De Gruttola 1988): each day's
    share among those who converted up to it, over the cohorts that have seen it whole. It starts from conversions
    that come evenly, by a weight of two.
    """
    if observed.ndim != 2 or not observed.shape[1]:
        raise MeasurementError("Delays need one row for each cohort and a column for each day of the window.")
    days = observed.shape[1]
    curve = np.ones(days)
    for day in range(days - 1, 0, -1):
        whole = observed[:, day] >= 0
        new = float(observed[whole, day].sum())
        sofar = float(observed[whole, : day + 1].sum())
        # Of conversions that come evenly over day + 1 days, one in day + 1 comes on the last.
        late = (new + _PSEUDO / (day + 1)) / (sofar + _PSEUDO)
        curve[day - 1] = curve[day] * (1 - late)
    return curve


def part_in(curve: Floats, age_days: NDArray[np.float64]) -> Floats:
    """The share of conversions that should be in at some ages; in a straight line between whole days, at last 1.

    Ages are in days since the entry.
    """
    parts: Floats = np.interp(age_days, np.arange(len(curve) + 1, dtype=float), np.concatenate([[0.0], curve]))
    return parts
