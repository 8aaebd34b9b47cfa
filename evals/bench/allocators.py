"""Ways to allocate, written out: Noria's, and those that a team would write itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agents.learning.allocation import COOLING, ArmCounts, Spread, believe, best_shares, move
from agents.learning.delay import delay_curve, part_in
from evals.bench.trickle import ARMS, SEGMENTS, WINDOW_DAYS

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
EVEN = np.full((SEGMENTS, ARMS), 1 / ARMS)
_TRIED = 0.1
_HALF_LIFE_DAYS = 28.0


class Allocator(Protocol):
    """Decides each day's shares by segment, from what is in by the evening before."""

    def shares(self, day: int) -> Floats:
        """Segment by sequence; each row adds up to 1."""

    def learn(self, day: int, entered: Whole, arrived: Whole) -> None:
        """``entered`` today by segment and sequence; ``arrived`` as ``Trickle.convert`` returns it."""


class Counting:
    """Keeps what every allocator needs: contacts and conversions, day by day."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = np.random.default_rng([seed, 11])
        self.entered: list[Whole] = []
        self.arrived = np.zeros((0, WINDOW_DAYS, SEGMENTS, ARMS), np.int64)

    def learn(self, day: int, entered: Whole, arrived: Whole) -> None:
        self.entered.append(entered)
        self.arrived = arrived

    @property
    def conversions(self) -> Floats:
        """Segment by sequence, all that are in."""
        found: Floats = np.maximum(self.arrived, 0).sum(axis=(0, 1)).astype(float)
        return found

    @property
    def contacts(self) -> Floats:
        """Segment by sequence, whoever entered."""
        return np.sum(self.entered, axis=0).astype(float) if self.entered else np.zeros((SEGMENTS, ARMS))

    def closed(self) -> tuple[Floats, Floats]:
        """Contacts whose window is over, and their conversions."""
        whole = max(len(self.entered) - WINDOW_DAYS + 1, 0)
        contacts = np.sum(self.entered[:whole], axis=0) if whole else np.zeros((SEGMENTS, ARMS))
        return contacts.astype(float), self.arrived[:whole].sum(axis=(0, 1)).astype(float)

    def so_far(self, *, fades: bool) -> ArmCounts:
        """Contacts by the part of their conversions that should be in, and conversions; both by their age, or not."""
        pooled = np.where(self.arrived >= 0, self.arrived, 0).sum(axis=(2, 3))
        pooled[self.arrived[:, :, 0, 0] < 0] = -1
        ages = np.arange(len(self.entered), 0, -1, dtype=float)
        entered, won = np.asarray(self.entered, float), np.maximum(self.arrived, 0).sum(axis=1)
        weights = 0.5 ** (ages / _HALF_LIFE_DAYS) if fades else np.ones_like(ages)
        parts = weights * part_in(delay_curve(pooled), ages)
        return ArmCounts(np.einsum("c,csk->sk", parts, entered), np.einsum("c,csk->sk", weights, won))


class Uniform(Counting):
    """Equal shares for ever."""

    def shares(self, day: int) -> Floats:
        return EVEN


class Commit(Counting):
    """Equal shares for some days, then whatever converted best for good."""

    def __init__(self, seed: int, days: int, *, by_segment: bool) -> None:
        super().__init__(seed)
        self.days, self.by_segment = days, by_segment
        self.chosen: Floats | None = None

    def shares(self, day: int) -> Floats:
        if day < self.days:
            return EVEN
        if self.chosen is None:
            self.chosen = _all_on(_rates(self.contacts, self.conversions, by_segment=self.by_segment))
        return self.chosen


class Greedy(Counting):
    """The best so far, but for a tenth that is drawn evenly."""

    def __init__(self, seed: int, *, by_segment: bool) -> None:
        super().__init__(seed)
        self.by_segment = by_segment

    def shares(self, day: int) -> Floats:
        if not self.entered:
            return EVEN
        best = _all_on(_rates(self.contacts, self.conversions, by_segment=self.by_segment))
        return _TRIED * EVEN + (1 - _TRIED) * best


class Thompson(Counting):
    """Beta(1, 1) for each cell alone; contacts count once their window is over."""

    def shares(self, day: int) -> Floats:
        contacts, conversions = self.closed()
        misses = np.maximum(contacts - conversions, 0)
        draws = self.rng.beta(1 + conversions, 1 + misses, (400, SEGMENTS, ARMS))
        best = draws.argmax(axis=2)
        return np.stack([np.bincount(best[:, one], minlength=ARMS) for one in range(SEGMENTS)]) / len(draws)


class Hierarchical(Counting):
    """Noria's: all cells pulled together, cooled, young contacts counted in part.

    With ``most``, from a plan that gives the first sequence 80 %, and by so much of the contacts a day.
    """

    def __init__(self, seed: int, *, cooling: float = COOLING, most: float = 0.0, fades: bool = False) -> None:
        super().__init__(seed)
        self.cooling, self.most, self.fades = cooling, most, fades
        self.spread: Spread | None = None
        self.today = np.full((SEGMENTS, ARMS), 0.2 / (ARMS - 1))
        self.today[:, 0] = 0.8

    def shares(self, day: int) -> Floats:
        if not self.entered:
            return self.today if self.most else EVEN
        belief = believe(self.so_far(fades=self.fades), spread=self.spread)
        self.spread = belief.spread
        wanted = best_shares(belief, self.seed * 1000 + day, cooling=self.cooling)
        if self.most:
            self.today = np.stack([self._moved(*rows) for rows in zip(self.today, wanted, strict=True)])
            return self.today
        return wanted

    def _moved(self, today: Floats, wanted: Floats) -> Floats:
        keys = [f"{one:02}" for one in range(ARMS)]
        moved = move(
            dict(zip(keys, today.tolist(), strict=True)),
            dict(zip(keys, wanted.tolist(), strict=True)),
            dict.fromkeys(keys, (0.0, 1.0)),
            most=self.most,
        )
        return np.asarray([moved[key] for key in keys])


def _rates(contacts: Floats, conversions: Floats, *, by_segment: bool) -> Floats:
    if not by_segment:
        contacts, conversions = (np.broadcast_to(one.sum(axis=0), EVEN.shape) for one in (contacts, conversions))
    return conversions / np.maximum(contacts, 1)


def _all_on(scores: Floats) -> Floats:
    found = np.zeros_like(scores)
    found[np.arange(len(scores)), scores.argmax(axis=1)] = 1
    return found


ALLOCATORS: dict[str, Callable[[int], Allocator]] = {
    "noria: hierarchical, cooled 0.5": Hierarchical,
    "noria, from a plan with 80 % on one, 10 points a day": lambda seed: Hierarchical(seed, most=0.1),
    "hierarchical, cooled 0.5, half is forgotten in 28 days": lambda seed: Hierarchical(seed, fades=True),
    "hierarchical, cooled 0.35": lambda seed: Hierarchical(seed, cooling=0.35),
    "hierarchical, not cooled": lambda seed: Hierarchical(seed, cooling=1.0),
    "equal shares for ever": Uniform,
    "A/B 14 days, commit to the best": lambda seed: Commit(seed, 14, by_segment=False),
    "A/B 28 days, commit to the best": lambda seed: Commit(seed, 28, by_segment=False),
    "A/B 28 days, commit by segment": lambda seed: Commit(seed, 28, by_segment=True),
    "epsilon-greedy 0.1": lambda seed: Greedy(seed, by_segment=False),
    "epsilon-greedy 0.1 by segment": lambda seed: Greedy(seed, by_segment=True),
    "Thompson Beta(1, 1) by segment": Thompson,
}
