"""A market in which contacts trickle in day by day and convert days later; allocation is held against its truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SEGMENTS, ARMS, DAYS, WINDOW_DAYS = 5, 10, 60, 8
_DEGREES = 5
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Regime:
    """How far sequences differ on log-odds, everywhere and in one segment more than in another, and when it changes."""

    arms: float
    segments: float
    jumps: tuple[int, ...] = ()
    """Days on which the effects are drawn anew."""


REGIMES = {
    "mixed": Regime(0.20, 0.15),
    "inter": Regime(0.05, 0.30),
    "main": Regime(0.25, 0.0),
    "drift": Regime(0.20, 0.15, (20, 40)),
    "null": Regime(0.0, 0.0),
}


@dataclass
class Trickle:
    """One drawn market; effects are Student-t with five degrees of freedom, scaled to the regime's spreads."""

    rates: Floats
    """Day, segment, sequence: the true share that converts."""
    sizes: Whole
    """Segment: how many enter a day."""
    delays: Floats
    """Share of conversions on each day after the entry."""
    rng: np.random.Generator
    _coming: Whole = field(init=False)

    def __post_init__(self) -> None:
        self._coming = np.zeros((DAYS, WINDOW_DAYS, SEGMENTS, ARMS), np.int64)

    @classmethod
    def draw(cls, regime: Regime, per_day: int, seed: int) -> Trickle:
        """The same seed is the same market, whoever allocates in it."""
        rng = np.random.default_rng([seed, 3])
        base = rng.uniform(0.01, 0.05, SEGMENTS)
        rates = np.empty((DAYS, SEGMENTS, ARMS))
        for start, end in zip((0, *regime.jumps), (*regime.jumps, DAYS), strict=True):
            arms, cells = _effects(rng, regime.arms, ARMS), _effects(rng, regime.segments, (SEGMENTS, ARMS))
            odds = np.log(base / (1 - base))[:, None] + arms + cells
            rates[start:end] = 1 / (1 + np.exp(-odds))
        shape = 0.6 ** np.arange(WINDOW_DAYS)
        sizes = np.full(SEGMENTS, per_day // SEGMENTS, np.int64)
        return cls(rates, sizes, shape / shape.sum(), np.random.default_rng([seed, 5]))

    @property
    def oracle(self) -> float:
        """Conversions if every contact got the best sequence of its segment and day."""
        return float((self.rates.max(axis=2) * self.sizes).sum())

    @property
    def even(self) -> float:
        """Conversions with equal shares."""
        return float((self.rates.mean(axis=2) * self.sizes).sum())

    def enter(self, day: int, shares: Floats, rng: np.random.Generator) -> Whole:
        """A day's contacts, drawn by segment and sequence."""
        return np.stack([rng.multinomial(size, row / row.sum()) for size, row in zip(self.sizes, shares, strict=True)])

    def convert(self, day: int, entered: Whole) -> Whole:
        """Settle who of the day's contacts will convert, and return everything that is in by the day's end.

        Cohort (day of entry), day after the entry, segment, sequence; -1 where that day is not over.
        """
        won = self.rng.binomial(entered, self.rates[day])
        left, rest = won.copy(), 1.0
        for delay, share in enumerate(self.delays):
            now = self.rng.binomial(left, min(share / rest, 1.0))
            self._coming[day, delay] = now
            left, rest = left - now, max(rest - share, 1e-12)
        seen = self._coming[: day + 1].copy()
        ages = day - np.arange(day + 1)
        seen[np.arange(WINDOW_DAYS)[None, :] > ages[:, None]] = -1
        return seen


def _effects(rng: np.random.Generator, spread: float, shape: int | tuple[int, int]) -> Floats:
    drawn: Floats = rng.standard_t(_DEGREES, shape) * (spread / np.sqrt(_DEGREES / (_DEGREES - 2)))
    return drawn
