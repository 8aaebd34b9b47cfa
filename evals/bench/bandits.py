"""Maintained bandit libraries as allocators: a contact's outcome is fed once its window is over, as they expect it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.bench.allocators import EVEN, Allocator, Counting
from evals.bench.trickle import ARMS, SEGMENTS, WINDOW_DAYS

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
_ASKED = 100
"""How often a library that answers with one arm is asked, to know its shares."""
_LIBRARIES = {"mabwiser": "mabwiser", "vowpal": "vowpalwabbit", "river": "river"}


class _Fed(Counting, ABC):
    """Hands each cohort on when its window closes, as rows of segment, sequence and outcome in an arbitrary order."""

    def learn(self, day: int, entered: Whole, arrived: Whole) -> None:
        super().learn(day, entered, arrived)
        over = day - WINDOW_DAYS + 1
        if over < 0:
            return
        won = arrived[over].sum(axis=0)
        rows = [
            (segment, arm, int(place < won[segment, arm]))
            for segment in range(SEGMENTS)
            for arm in range(ARMS)
            for place in range(int(self.entered[over][segment, arm]))
        ]
        self.feed(np.asarray(rows)[self.rng.permutation(len(rows))])

    @abstractmethod
    def feed(self, rows: Whole) -> None:
        """Learn from the rows of one cohort."""


class Mabwiser(_Fed):
    """One of its learning policies; the segment as context, one column for each, where the policy takes one."""

    def __init__(self, seed: int, policy: str, **settings: float) -> None:
        super().__init__(seed)
        library = import_module("mabwiser.mab")
        made = getattr(library.LearningPolicy, policy)(**settings)
        self.bandit: Any = library.MAB(list(range(ARMS)), made, seed=seed)
        self.context = policy.startswith("Lin")
        self.fitted = False

    def shares(self, day: int) -> Floats:
        if not self.fitted:
            return EVEN
        asked = np.repeat(np.eye(SEGMENTS), _ASKED, axis=0)
        said = self.bandit.predict(asked) if self.context else [self.bandit.predict() for _ in range(_ASKED)] * SEGMENTS
        return np.stack([np.bincount(row, minlength=ARMS) for row in np.reshape(said, (SEGMENTS, _ASKED))]) / _ASKED

    def feed(self, rows: Whole) -> None:
        contexts = {"contexts": np.eye(SEGMENTS)[rows[:, 0]]} if self.context else {}
        self.bandit.partial_fit(rows[:, 1], rows[:, 2], **contexts)
        self.fitted = True


class Vowpal(_Fed):
    """Contextual bandit with action-dependent features: the segment, the sequence, and both together."""

    def __init__(self, seed: int, settings: str) -> None:
        super().__init__(seed)
        library = import_module("vowpalwabbit")
        self.workspace: Any = library.Workspace(f"--cb_explore_adf {settings} -q SA --quiet --random_seed {seed}")
        self.logged: dict[int, Floats] = {}

    def shares(self, day: int) -> Floats:
        found = np.asarray([self.workspace.predict(self._lines(segment)) for segment in range(SEGMENTS)])
        self.logged[day] = found / found.sum(axis=1, keepdims=True)
        return self.logged[day]

    def feed(self, rows: Whole) -> None:
        drawn = self.logged.pop(len(self.entered) - WINDOW_DAYS)
        for segment, arm, won in rows.tolist():
            self.workspace.learn(self._lines(segment, f"0:{-won}:{drawn[segment, arm]:.6f}", arm))

    def _lines(self, segment: int, label: str = "", chosen: int = -1) -> list[str]:
        shared = f"shared |S s{segment}"
        return [shared, *(f"{label if arm == chosen else ''} |A a{arm}" for arm in range(ARMS))]


class River(_Fed):
    """One of its policies for each segment."""

    def __init__(self, seed: int, policy: str) -> None:
        super().__init__(seed)
        bandit, proba = import_module("river.bandit"), import_module("river.proba")
        self.policies: list[Any] = [
            bandit.ThompsonSampling(reward_obj=proba.Beta(), seed=seed + one)
            if policy == "thompson"
            else bandit.UCB(delta=1, seed=seed + one)
            for one in range(SEGMENTS)
        ]
        self.fitted = False

    def shares(self, day: int) -> Floats:
        if not self.fitted:
            return EVEN
        arms = list(range(ARMS))
        said = [[policy.pull(arms) for _ in range(_ASKED)] for policy in self.policies]
        return np.stack([np.bincount(row, minlength=ARMS) for row in said]) / _ASKED

    def feed(self, rows: Whole) -> None:
        for segment, arm, won in rows.tolist():
            self.policies[segment].update(arm, won)
        self.fitted = True


RIVALS: dict[str, Callable[[int], Allocator]] = {
    "mabwiser LinTS alpha 0.1": lambda seed: Mabwiser(seed, "LinTS", alpha=0.1),
    "mabwiser LinTS alpha 1 (default)": lambda seed: Mabwiser(seed, "LinTS"),
    "mabwiser LinUCB alpha 0.1": lambda seed: Mabwiser(seed, "LinUCB", alpha=0.1),
    "mabwiser Thompson, no context": lambda seed: Mabwiser(seed, "ThompsonSampling"),
    "vowpal bag 5": lambda seed: Vowpal(seed, "--bag 5"),
    "vowpal squarecb": lambda seed: Vowpal(seed, "--squarecb"),
    "vowpal bag 5, tuned by hand": lambda seed: Vowpal(seed, "--bag 5 -l 0.02 --power_t 0"),
    "river Thompson by segment": lambda seed: River(seed, "thompson"),
    "river UCB by segment": lambda seed: River(seed, "ucb"),
}


def missing() -> dict[str, str]:
    """Rivals that cannot run here, and the library that each of them needs."""
    needed = {name: _LIBRARIES[name.partition(" ")[0]] for name in RIVALS}
    return {name: library for name, library in needed.items() if find_spec(library) is None}
