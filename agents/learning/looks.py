"""When a read-out may be judged, and how strong the evidence must then be."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from agents.learning.counts import Counts, MeasurementError
from agents.learning.intervals import Estimate, critical_value

Verdict = Literal["works", "harms", "inconclusive", "invalid"]
Floats = NDArray[np.float64]

FOUR_LOOKS = (0.25, 0.5, 0.75, 1.0)
# Fewer conversions than this in the smaller arm, and the confidence sequence rests on a handful of people.
SEQUENCE_CONVERSIONS = 20
# Below this many expected conversions in the smaller arm the normal approximation behind z fails (Cochran 1954).
EXPECTED_CONVERSIONS = 5
_CLOSEST = 0.01


def critical_values(fractions: tuple[float, ...] = FOUR_LOOKS, alpha: float = 0.05) -> tuple[float, ...]:
    """The |z| that each look must reach for a verdict; looks are shares of the planned information, ending at 1.

    Four equally spaced looks use the O'Brien-Fleming bounds; any other plan spends alpha as Lan and DeMets do.
    """
    if len(fractions) == len(FOUR_LOOKS) and np.allclose(fractions, FOUR_LOOKS, atol=1e-9):
        return obrien_fleming(len(FOUR_LOOKS), alpha)
    return lan_demets(fractions, alpha)


@lru_cache(maxsize=64)
def obrien_fleming(looks: int = 4, alpha: float = 0.05) -> tuple[float, ...]:
    """Bounds ``C * sqrt(looks / k)`` for equally spaced looks; C is 2.024 for four looks at 5 %.

    O'Brien and Fleming (1979), "A multiple testing procedure for clinical trials".
    """
    fractions = tuple(k / looks for k in range(1, looks + 1))
    _check(fractions, alpha)

    def bounds(constant: float) -> tuple[float, ...]:
        return tuple(constant / math.sqrt(fraction) for fraction in fractions)

    constant = brentq(lambda c: crossing_probability(bounds(c), fractions) - alpha, 0.5, 12, xtol=1e-8)
    return bounds(float(constant))


def spent(fraction: float, alpha: float = 0.05) -> float:
    """The part of ``alpha`` that may be used up once this share of the information is in.

    O'Brien-Fleming-type spending of a = alpha / 2 on each side, 2 - 2 Phi(z_(a/2) / sqrt(t)): Lan and DeMets
    (1983), "Discrete sequential boundaries for clinical trials".
    """
    return float(4 * ndtr(-critical_value(alpha / 2) / math.sqrt(fraction)))


@lru_cache(maxsize=256)
def lan_demets(fractions: tuple[float, ...], alpha: float = 0.05) -> tuple[float, ...]:
    """Bounds for looks at any shares of the information; a bound depends on no later look, so looks may move.

    Solved look by look through recursive integration (see ``crossing_probability``).
    """
    _check(fractions, alpha)
    walk = _Walk()
    bounds: list[float] = []
    used = 0.0
    for index, fraction in enumerate(fractions):
        target = (alpha if index == len(fractions) - 1 else spent(fraction, alpha)) - used
        bound = walk.bound_for(target, fraction)
        used += target
        walk = walk.survive(bound, fraction, _next_gap(fractions, index))
        bounds.append(bound)
    return tuple(bounds)


def crossing_probability(bounds: tuple[float, ...], fractions: tuple[float, ...]) -> float:
    """The chance that |z| passes its bound at any look although nothing differs.

    Armitage, McPherson and Rowe (1969), "Repeated significance tests on accumulating data": the score
    ``z * sqrt(t)`` is a Brownian motion, whose density inside the bounds is carried from look to look.
    """
    walk = _Walk()
    total = 0.0
    for index, (bound, fraction) in enumerate(zip(bounds, fractions, strict=True)):
        total += walk.exits(bound, fraction)
        walk = walk.survive(bound, fraction, _next_gap(fractions, index))
    return total


def judge(z: float, difference: Estimate, critical: float) -> Verdict:
    """What a planned look may say: a direction only where z passes its bound and the interval excludes zero."""
    if abs(z) < critical or not difference.excludes_zero():
        return "inconclusive"
    return "works" if difference.value > 0 else "harms"


def confidence_sequence(
    treated: Counts, holdout: Counts, *, alpha: float = 0.05, tuned_for_contacts: int = 5000
) -> Estimate:
    """The difference of rates with an interval that holds at every moment at once, however often one looks.

    Asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), "Time-uniform
    central limit theory and asymptotic confidence sequences", with n = all contacts and V = n * variance of
    the difference; it is narrowest near ``tuned_for_contacts``. With an empty arm nothing is known: -1 to 1.
    """
    if not treated.contacts or not holdout.contacts:
        return Estimate(value=0.0, low=-1.0, high=1.0)
    n = treated.contacts + holdout.contacts
    variance = n * sum(arm.rate * (1 - arm.rate) / arm.contacts for arm in (treated, holdout))
    half = sequence_reach(variance, n, alpha=alpha, tuned_for_contacts=tuned_for_contacts)
    gap = treated.rate - holdout.rate
    return Estimate(value=gap, low=max(-1.0, gap - half), high=min(1.0, gap + half))


def sequence_reach(variance: float, contacts: int, *, alpha: float = 0.05, tuned_for_contacts: int = 5000) -> float:
    """Half the width of such an interval around a mean of so many values of this variance."""
    doubt = -2 * math.log(alpha)
    rho2 = (doubt + math.log(doubt + 1)) / max(1, tuned_for_contacts)
    root = contacts * rho2 + 1
    return math.sqrt(variance * 2 * root / (contacts * contacts * rho2) * math.log(math.sqrt(root) / alpha))


def harms_already(treated: Counts, holdout: Counts, sequence: Estimate) -> bool:
    """Whether to stop now, planned look or not: the whole confidence sequence is below zero.

    Valid only from 20 conversions in the smaller arm on; before that the answer is no.
    """
    return enough_for_sequence(treated, holdout) and sequence.high < 0


def enough_for_sequence(treated: Counts, holdout: Counts) -> bool:
    """Whether the confidence sequence may be believed: from 20 conversions in the smaller arm on."""
    return min(treated, holdout, key=lambda arm: arm.contacts).conversions >= SEQUENCE_CONVERSIONS


class _Walk:
    """Where the score of an experiment that has not been stopped may be."""

    def __init__(self, at: Floats | None = None, mass: Floats | None = None, fraction: float = 0.0) -> None:
        self.at = np.zeros(1) if at is None else at
        self.mass = np.ones(1) if mass is None else mass
        self.fraction = fraction

    def exits(self, bound: float, fraction: float) -> float:
        edge, gap = bound * math.sqrt(fraction), math.sqrt(fraction - self.fraction)
        tails = ndtr((self.at - edge) / gap) + ndtr((-self.at - edge) / gap)
        return float(self.mass @ tails)

    def bound_for(self, probability: float, fraction: float) -> float:
        return float(brentq(lambda bound: self.exits(bound, fraction) - probability, 0.0, 60.0, xtol=1e-9))

    def survive(self, bound: float, fraction: float, next_gap: float) -> _Walk:
        edge, gap = bound * math.sqrt(fraction), math.sqrt(fraction - self.fraction)
        count = 48 + math.ceil(6 * edge / min(gap, next_gap))
        nodes, weights = _legendre(count)
        at = edge * nodes
        steps = (at[:, None] - self.at[None, :]) / gap
        density = np.exp(-0.5 * steps**2) @ self.mass / (gap * math.sqrt(2 * math.pi))
        return _Walk(at, edge * weights * density, fraction)


@lru_cache(maxsize=64)
def _legendre(count: int) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


def _next_gap(fractions: tuple[float, ...], index: int) -> float:
    following = fractions[index + 1] - fractions[index] if index + 1 < len(fractions) else 1.0
    return math.sqrt(following)


def _check(fractions: tuple[float, ...], alpha: float) -> None:
    critical_value(alpha)
    gaps = [after - before for before, after in itertools.pairwise((0.0, *fractions))]
    if not fractions or abs(fractions[-1] - 1) > 1e-9 or min(gaps) < _CLOSEST - 1e-9:
        raise MeasurementError(
            f"Looks at {', '.join(f'{share:g}' for share in fractions) or 'no share'} cannot be planned.",
            remedy="Give growing shares of the planned contacts, at least 0.01 apart, the last one 1.",
        )
