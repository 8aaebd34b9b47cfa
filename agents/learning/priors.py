"""What earlier campaigns say about the next one, before it has any result of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

from agents.learning.counts import Frozen, MeasurementError
from agents.learning.intervals import Effect

# Spread, on log-odds, of the effects of changes of wording in 2,400 public headline tests (Upworthy).
STARTING_SD = 0.21
# Spread of what one segment adds to or takes from a lever's effect.
SEGMENT_SD = 0.15
PSEUDO_CAMPAIGNS = 6
_NEIGHBOUR_HALF_WEIGHT = 5
# A prior three times too narrow was the costly mistake in simulation, one too wide was not.
_NARROWEST = 1 / 3


class Prior(Frozen):
    """What is believed of a campaign's effect on log-odds before it runs: normal(mean, sd)."""

    mean: float = 0.0
    sd: float = STARTING_SD
    campaigns: int = 0
    widened: float = 1.0
    """By what factor errors of earlier forecasts stretched the sd."""
    lowered: float = 0.0
    """By how much they lowered the mean."""


class PastEffect(Frozen):
    """One measured campaign: which lever on which segment, its effect against its own holdout, and its age."""

    segment: str
    lever: str
    effect: Effect
    months_ago: float = 0.0


class Neighbour(Frozen):
    """A measured campaign that resembles the planned one; similarity runs from 0 to 1."""

    effect: Effect
    similarity: float
    months_ago: float = 0.0


def fit_prior(past: Sequence[PastEffect], *, segment: str, lever: str, starting: Prior | None = None) -> Prior:
    """The prior for a campaign with this lever on this segment, from the campaigns that were measured.

    Normal model d ~ N(m_lever + m_segment, tau^2). Six pseudo-campaigns stand at the starting prior; tau^2 is
    the method-of-moments estimate over real and pseudo campaigns (DerSimonian and Laird 1986), the means are
    precision-weighted, and a campaign's weight halves each year so that the effect of novelty fades.
    ``starting`` is the playbook's own prior; without one it is N(0, 0.21^2).
    """
    start = starting or Prior()
    same_lever = [one for one in past if one.lever == lever]
    if not same_lever:
        return start
    weights = [_forgetting(one.months_ago) for one in same_lever]
    effects = [one.effect.estimate for one in same_lever]
    variances = [one.effect.standard_error**2 for one in same_lever]
    mean, tau2 = start.mean, start.sd**2
    pseudo = PSEUDO_CAMPAIGNS / start.sd**2
    # Mean and spread depend on each other; they settle in a few passes.
    for _ in range(30):
        precisions = [w / (v + tau2) for w, v in zip(weights, variances, strict=True)]
        weighted = math.fsum(p * d for p, d in zip(precisions, effects, strict=True))
        mean = (pseudo * start.mean + weighted) / (pseudo + math.fsum(precisions))
        tau2 = _spread(effects, variances, weights, mean, start.sd**2)
    here = [index for index, one in enumerate(same_lever) if one.segment == segment]
    precision = math.fsum(weights[i] / (variances[i] + tau2) for i in here)
    offset = math.fsum(weights[i] * (effects[i] - mean) / (variances[i] + tau2) for i in here)
    shift = SEGMENT_SD**2 * offset / (1 + SEGMENT_SD**2 * precision)
    return Prior(mean=mean + shift, sd=math.sqrt(tau2), campaigns=start.campaigns + len(same_lever))


def transfer(prior: Prior, neighbours: Sequence[Neighbour]) -> Prior:
    """Move a prior towards what similar campaigns achieved.

    They weigh k / (k + 5), k being their effective number: each counts for its similarity, its age and how
    well it was measured. The variance falls with that weight, never below half of what it was.
    """
    if any(not 0 <= one.similarity <= 1 for one in neighbours):
        raise MeasurementError("Similarity runs from 0 to 1.")
    tau2 = prior.sd**2
    counts = [
        one.similarity * _forgetting(one.months_ago) * tau2 / (tau2 + one.effect.standard_error**2)
        for one in neighbours
    ]
    k = math.fsum(counts)
    if k == 0:
        return prior
    centre = math.fsum(c * one.effect.estimate for c, one in zip(counts, neighbours, strict=True)) / k
    weight = k / (k + _NEIGHBOUR_HALF_WEIGHT)
    return Prior(
        mean=(1 - weight) * prior.mean + weight * centre,
        sd=math.sqrt(tau2 * max(0.5, 1 - weight)),
        campaigns=prior.campaigns + sum(count > 0 for count in counts),
    )


def shrink(prior: Prior, observed: Effect) -> Effect:
    """The effect to expect next time: the observed one, pulled towards the prior by as much as it is uncertain.

    prior + tau^2 / (tau^2 + v) * (observed - prior), the normal posterior mean, with its standard deviation.
    """
    tau2, v = prior.sd**2, observed.standard_error**2
    kept = tau2 / (tau2 + v)
    return Effect(estimate=prior.mean + kept * (observed.estimate - prior.mean), standard_error=math.sqrt(kept * v))


def _forgetting(months_ago: float) -> float:
    if months_ago < 0:
        raise MeasurementError("A past campaign cannot have ended in the future.")
    return float(0.5 ** (months_ago / 12))


def _spread(
    effects: Sequence[float],
    variances: Sequence[float],
    weights: Sequence[float],
    mean: float,
    starting_variance: float,
) -> float:
    moments = math.fsum(w * ((d - mean) ** 2 - v) for d, v, w in zip(effects, variances, weights, strict=True))
    tau2 = (PSEUDO_CAMPAIGNS * starting_variance + moments) / (PSEUDO_CAMPAIGNS + math.fsum(weights))
    return max(tau2, starting_variance * _NARROWEST**2)
