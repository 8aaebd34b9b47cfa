"""How far apart two conversion rates are, and how sure one can be of it."""

from __future__ import annotations

import math
from typing import Self

from pydantic import model_validator
from scipy.special import ndtr, ndtri

from agents.learning.counts import Counts, Frozen, MeasurementError

# Standard error, on log-odds, of an effect about which the data say nothing.
KNOWS_NOTHING = 10.0


class Estimate(Frozen):
    """A value with the interval around it, in the value's own unit."""

    value: float
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise MeasurementError(f"An estimate of {self.value} cannot lie outside {self.low} to {self.high}.")
        return self

    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


class Effect(Frozen):
    """A difference of log-odds between treated and holdout, with its standard error."""

    estimate: float
    standard_error: float

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if self.standard_error <= 0:
            raise MeasurementError(f"A standard error of {self.standard_error} is impossible.")
        return self


def critical_value(alpha: float) -> float:
    """The z beyond which a two-sided test at level ``alpha`` rejects (1.96 for 0.05)."""
    if not 0 < alpha < 1:
        raise MeasurementError(f"An error rate of {alpha} is not between 0 and 1.")
    return float(-ndtri(alpha / 2))


def two_sided(critical: float) -> float:
    """The two-sided error rate of a critical value (0.05 for 1.96)."""
    return float(2 * ndtr(-abs(critical)))


def wilson(arm: Counts, critical: float = 1.959964) -> Estimate:
    """The conversion rate of one arm with its score interval; 0 to 1 for an empty arm.

    Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    if not arm.contacts:
        return Estimate(value=0.0, low=0.0, high=1.0)
    n, p, z2 = arm.contacts, arm.rate, critical**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = critical * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At 0 or n conversions the limit is exactly 0 or 1; rounding must not push it past the estimate.
    return Estimate(value=p, low=min(p, max(0.0, centre - half)), high=max(p, min(1.0, centre + half)))


def newcombe(treated: Counts, holdout: Counts, critical: float = 1.959964) -> Estimate:
    """How much higher the treated rate is than the holdout's, as a share of contacts (0.01 = one point).

    Hybrid score interval, method 10 of Newcombe (1998), "Interval estimation for the difference between
    independent proportions". With an empty arm nothing is known: -1 to 1.
    """
    if not treated.contacts or not holdout.contacts:
        return Estimate(value=0.0, low=-1.0, high=1.0)
    one, two = wilson(treated, critical), wilson(holdout, critical)
    gap = one.value - two.value
    return Estimate(
        value=gap,
        low=max(-1.0, gap - math.hypot(one.value - one.low, two.high - two.value)),
        high=min(1.0, gap + math.hypot(one.high - one.value, two.value - two.low)),
    )


def relative_lift(treated: Counts, holdout: Counts, critical: float = 1.959964) -> Estimate | None:
    """The same difference as a share of the holdout's rate (0.5 = half as many again); None where it has none.

    Ratio interval from Wilson limits, Donner and Zou (2012), "Closed-form confidence intervals for functions
    of the normal mean and standard deviation" (MOVER-R). It excludes zero exactly when ``newcombe`` does.
    """
    if not treated.contacts or not holdout.conversions:
        return None
    one, two = wilson(treated, critical), wilson(holdout, critical)
    product = one.value * two.value
    low_one = one.low * (2 * one.value - one.low)
    high_one = one.high * (2 * one.value - one.high)
    high_two = two.high * (2 * two.value - two.high)
    low_two = two.low * (2 * two.value - two.low)
    low_root = product + math.sqrt(max(0.0, product**2 - low_one * high_two))
    ratio = one.value / two.value
    low = low_one / low_root if low_root > 0 else 0.0
    high = (product + math.sqrt(max(0.0, product**2 - high_one * low_two))) / low_two
    return Estimate(value=ratio - 1, low=min(ratio, low) - 1, high=max(ratio, high) - 1)


def pooled_z(treated: Counts, holdout: Counts) -> float:
    """The test statistic of "both arms have one rate", positive where the treated convert more.

    Two-proportion score test with pooled variance; 0 where nobody or everybody converted, or an arm is empty.
    """
    both = treated.plus(holdout)
    if not treated.contacts or not holdout.contacts or both.conversions in {0, both.contacts}:
        return 0.0
    variance = both.rate * (1 - both.rate) * (1 / treated.contacts + 1 / holdout.contacts)
    return (treated.rate - holdout.rate) / math.sqrt(variance)


def log_odds_effect(treated: Counts, holdout: Counts) -> Effect:
    """The treated arm's log-odds less the holdout's, with its standard error.

    Half a contact is added to each cell, which removes the bias of the logarithm on few conversions:
    Gart and Zweifel (1967), "On the bias of various estimators of the logit and its variance".
    Where nobody or everybody converted, or an arm is empty, the effect is 0 with a standard error of 10.
    """
    both = treated.plus(holdout)
    if not treated.contacts or not holdout.contacts or both.conversions in {0, both.contacts}:
        return Effect(estimate=0.0, standard_error=KNOWS_NOTHING)
    cells = [
        treated.conversions + 0.5,
        treated.contacts - treated.conversions + 0.5,
        holdout.conversions + 0.5,
        holdout.contacts - holdout.conversions + 0.5,
    ]
    estimate = math.log(cells[0] / cells[1]) - math.log(cells[2] / cells[3])
    return Effect(estimate=estimate, standard_error=math.sqrt(sum(1 / cell for cell in cells)))
