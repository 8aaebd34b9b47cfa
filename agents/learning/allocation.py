"""Which sequence entering contacts should draw, and how often: learnt from what earlier entries did."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.learning.counts import Frozen, MeasurementError
from agents.learning.priors import PSEUDO_CAMPAIGNS, SEGMENT_SD, Prior

COOLING = 0.5
"""By what the spread of the belief is multiplied before it is drawn from; 0.35 to 0.5 did best in simulation."""
EXPLORED = 0.04
"""Share that is drawn evenly whatever is believed, so that what was learnt can be checked later."""
DRAWS = 400
_ARM_SD = 0.20
"""Spread between sequences on log-odds before anything is known; between headlines it was 0.205 (Upworthy)."""
_RATE_SD = 3.0
_ROUNDS = 25
_SETTLED = 1e-6
Floats = NDArray[np.float64]


class Spread(Frozen):
    """How far sequences differ on log-odds: ``arms`` everywhere, ``segments`` in one segment more than in another, and
    ``campaigns`` in one campaign more than in another where segments take part in several."""

    arms: float = _ARM_SD
    segments: float = SEGMENT_SD
    campaigns: float = SEGMENT_SD


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """What became of the contacts of each segment (row) and sequence (column), and of those who got nothing.

    Each row is a segment of its own, unless ``segment`` says which one it is of and ``campaign`` in which campaign.
    ``contacts`` need not be whole: a contact who entered a moment ago counts for the part of conversions that would be
    in by now (``delay_curve``). Without ``nobody``, (contacts, conversions) by segment, silence cannot be weighed.
    """

    contacts: Floats
    conversions: Floats
    nobody: tuple[Floats, Floats] | None = None
    segment: tuple[int, ...] = ()
    campaign: tuple[int, ...] = ()

    @property
    def groupings(self) -> tuple[tuple[int, ...], ...]:
        """By what rows may differ in which sequence does better: of each, the group of every row."""
        return (self.segment, self.campaign) if self.segment else (tuple(range(len(self.contacts))),)


@dataclass(frozen=True, slots=True)
class Belief:
    """Normal belief about the log-odds of reaching the goal, by segment and sequence; the last column is nobody's."""

    mean: Floats
    factor: Floats
    """Times a vector of independent normals, the deviation from the mean of all cells in a row."""
    spread: Spread

    def draw(self, seed: int, draws: int = DRAWS, cooling: float = COOLING) -> Floats:
        """Rates drawn from the belief: draw, segment, sequence (nobody last)."""
        noise = np.random.default_rng(seed).standard_normal((draws, self.factor.shape[1]))
        odds = self.mean.ravel() + cooling * noise @ self.factor.T
        return (1 / (1 + np.exp(-odds))).reshape(draws, *self.mean.shape)


def believe(counts: ArmCounts, prior: Prior | None = None, spread: Spread | None = None) -> Belief:
    """What the counts say of each sequence in each segment, all of them pulled together by as much as they are thin.

    Conversions are Binomial(contacts, 1 / (1 + exp(-(mu_r + b + a_k + g_sk + h_ck)))); mu_r is the row's own rate, b
    what being written to adds (``prior``), a ~ N(0, spread.arms^2) the sequence, g ~ N(0, spread.segments^2) the
    sequence in that segment, h ~ N(0, spread.campaigns^2) in that campaign, where rows name them. Laplace's
    approximation at the mode by Newton's method; the spreads by empirical Bayes (EM) with six pseudo-observations at
    0.20, 0.15 and 0.15.
    """
    _check(counts)
    start, found = prior or Prior(), spread or Spread()
    rows, arms = counts.contacts.shape
    design = _design(counts.groupings, arms)
    sizes = [max(of) + 1 for of in counts.groupings]
    trials = _with_nobody(counts.contacts, counts.nobody, 0)
    hits = _with_nobody(counts.conversions, counts.nobody, 1)
    rate = math.log((hits.sum() + 1) / (trials.sum() - hits.sum() + 50))
    centre = np.zeros(design.shape[1])
    centre[:rows], centre[rows] = rate - start.mean, start.mean
    beta = centre.copy()
    for _ in range(_ROUNDS):
        beta, covariance = _mode(design, trials, hits, centre, _precision(rows, arms, sizes, start, found), beta)
        before, found = found, _refit(beta, covariance, rows, arms, sizes)
        if sum(abs(_sds(found) - _sds(before))) < 0.01:
            break
    return Belief(
        mean=(design @ beta).reshape(rows, arms + 1),
        factor=design @ np.linalg.cholesky(covariance),
        spread=found,
    )


def best_shares(belief: Belief, seed: int, *, cooling: float = COOLING, explored: float = EXPLORED) -> Floats:
    """For each segment (row), the share of draws in which each sequence is best, but for the part that is explored.

    Thompson sampling from a belief that is cooled: taken to be surer than it is.
    """
    return _with_exploration(_wins(belief.draw(seed, cooling=cooling)[:, :, :-1]), explored, belief.mean.shape[1] - 1)


def worth_shares(
    belief: Belief, seed: int, *, value_cents: float, cost_cents: Sequence[float], explored: float = EXPLORED
) -> Floats:
    """The same where silence counts as well: the last column is the share to whom nothing should be sent.

    A sequence is worth its conversions times ``value_cents``, less its cost for each contact, both in minor units.
    """
    worth = belief.draw(seed) * value_cents
    worth[:, :, :-1] -= np.asarray(cost_cents, float)
    return _with_exploration(_wins(worth), explored, belief.mean.shape[1] - 1)


def move(
    today: Mapping[str, float],
    wanted: Mapping[str, float],
    ranges: Mapping[str, tuple[float, float]],
    *,
    most: float,
) -> dict[str, float]:
    """Today's shares moved towards the wanted ones, inside the approved ranges, by at most ``most`` of all contacts.

    How far is the share of contacts who draw another sequence than they would have: half the sum of the changes.
    Raises MeasurementError where today's shares are not a plan or lie outside the ranges.
    """
    keys = sorted(today)
    low = np.asarray([ranges[key][0] for key in keys])
    high = np.asarray([ranges[key][1] for key in keys])
    now = np.asarray([today[key] for key in keys])
    if abs(now.sum() - 1) > 1e-6 or np.any(now < low - 1e-9) or np.any(now > high + 1e-9):
        raise MeasurementError(
            "The shares of today are not a plan inside the approved ranges.",
            where=", ".join(keys),
            remedy="`noria campaigns shares ID --back` returns to the approved plan.",
        )
    goal = _inside(np.asarray([wanted.get(key, 0.0) for key in keys]), low, high)
    far = np.abs(goal - now).sum() / 2
    part = 1.0 if far <= most else most / far
    return {key: float(share) for key, share in zip(keys, now + part * (goal - now), strict=True)}


def _inside(wanted: Floats, low: Floats, high: Floats) -> Floats:
    """The nearest shares that add up to 1 within bounds: all are shifted alike and cut (water filling)."""
    down, up = float(np.min(low - wanted)), float(np.max(high - wanted))
    for _ in range(80):
        middle = (down + up) / 2
        if np.clip(wanted + middle, low, high).sum() < 1:
            down = middle
        else:
            up = middle
    return np.clip(wanted + up, low, high)


def _check(counts: ArmCounts) -> None:
    if counts.contacts.shape != counts.conversions.shape or counts.contacts.ndim != 2 or not counts.contacts.size:
        raise MeasurementError("Contacts and conversions need one row for each segment, one column for each sequence.")
    if any(len(of) != len(counts.contacts) for of in counts.groupings):
        raise MeasurementError("Where rows name their segment, each names its segment and its campaign.")
    if np.any(counts.contacts < 0) or np.any(counts.conversions < 0):
        raise MeasurementError("A count cannot be below zero.")


def _with_nobody(sent: Floats, nobody: tuple[Floats, Floats] | None, which: int) -> Floats:
    left = np.zeros(len(sent)) if nobody is None else nobody[which]
    return np.concatenate([sent, left[:, None]], axis=1).ravel()


def _design(groupings: Sequence[Sequence[int]], arms: int) -> Floats:
    """One row for each cell, with nobody last in each row of the counts; columns mu, b, a, g and h."""
    rows = len(groupings[0])
    starts = np.cumsum([rows + 1 + arms, *((max(of) + 1) * arms for of in groupings)]).tolist()
    design = np.zeros((rows * (arms + 1), starts[-1]))
    for cell in range(len(design)):
        row, arm = divmod(cell, arms + 1)
        design[cell, row] = 1
        if arm < arms:
            design[cell, [rows, rows + 1 + arm]] = 1
            for start, of in zip(starts, groupings, strict=False):
                design[cell, start + of[row] * arms + arm] = 1
    return design


def _precision(rows: int, arms: int, sizes: Sequence[int], prior: Prior, spread: Spread) -> Floats:
    spreads = [_RATE_SD, prior.sd, *_sds(spread)[: 1 + len(sizes)]]
    return np.repeat(np.power(spreads, -2.0), [rows, 1, arms, *(size * arms for size in sizes)])


def _sds(spread: Spread) -> Floats:
    return np.asarray([spread.arms, spread.segments, spread.campaigns])


def _mode(
    design: Floats, trials: Floats, hits: Floats, centre: Floats, precision: Floats, beta: Floats
) -> tuple[Floats, Floats]:
    """Newton's method on a concave function, with steps that never leave the range where it is tame."""
    for _ in range(_ROUNDS):
        rate = 1 / (1 + np.exp(-(design @ beta)))
        # More conversions than contacts so far are no contradiction: young contacts count in part.
        seen = np.maximum(trials, hits)
        slope = design.T @ (hits - seen * rate) - precision * (beta - centre)
        bend = (design.T * (seen * rate * (1 - rate))) @ design + np.diag(precision)
        step = np.linalg.solve(bend, slope)
        beta = beta + step / max(1.0, float(np.abs(step).max()) / 2)
        if float(np.abs(step).max()) < _SETTLED:
            break
    return beta, np.linalg.inv(bend).astype(np.float64)


def _refit(beta: Floats, covariance: Floats, rows: int, arms: int, sizes: Sequence[int]) -> Spread:
    """The spreads that the belief itself speaks for (one step of EM), held by the pseudo-observations."""
    second = (beta**2 + np.diag(covariance))[rows + 1 :]
    parts = np.split(second, np.cumsum([arms, *(size * arms for size in sizes)])[:-1])
    found = []
    for part, at_start in zip(parts, _sds(Spread()).tolist(), strict=False):
        total = float(part.sum()) + PSEUDO_CAMPAIGNS * at_start**2
        found.append(math.sqrt(total / (len(part) + PSEUDO_CAMPAIGNS)))
    return Spread(**dict(zip(Spread.model_fields, found, strict=False)))


def _wins(scores: Floats) -> Floats:
    """Segment by option, the share of draws in which that option has the highest score."""
    best = scores.argmax(axis=2)
    return np.asarray([np.bincount(column, minlength=scores.shape[2]) for column in best.T]) / len(scores)


def _with_exploration(shares: Floats, explored: float, arms: int) -> Floats:
    """A part drawn evenly from the first columns, the sequences; nobody is never explored."""
    found = (1 - explored) * shares
    found[:, :arms] += explored / arms
    return found
