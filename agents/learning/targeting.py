"""Who should get which arm: nobody, the best for all, a simple rule, a model; each only if it surely does better."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from agents.learning.counts import Frozen, MeasurementError
from agents.learning.off_policy import Value, difference, doubly_robust, snips, value_of
from agents.learning.ridge import Ridge

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Policy = Callable[[Floats], Places]
"""Features of contacts (rows) in, the place of each one's arm out."""
NOBODY_PLACE: Final = 0
FOLDS = 3
ERROR: Final = 0.05
_STOP: Final = "best split or nobody"
_SPLITS = (0.25, 0.5, 0.75)
Step = Literal["nobody", "best_arm", "simple_rule", "ridge"]


@dataclass(frozen=True)
class Trial:
    """Contacts whose arms were drawn by known probabilities, and what became of them; arm 0 is nobody."""

    features: Floats
    arms: Places
    probabilities: Floats
    """Contact by arm."""
    outcomes: Floats
    """What policies are judged on: the goal, reached or not."""

    @property
    def arm_count(self) -> int:
        return int(self.probabilities.shape[1])

    def take(self, rows: Places) -> Trial:
        """Some of the contacts."""
        return Trial(self.features[rows], self.arms[rows], self.probabilities[rows], self.outcomes[rows])


@dataclass(frozen=True)
class Split:
    """A rule on one column: one arm above a threshold, another up to it; either may be nobody."""

    column: int
    threshold: float
    above: int
    below: int

    def __call__(self, features: Floats) -> Places:
        return np.where(features[:, self.column] > self.threshold, self.above, self.below).astype(np.intp)


class Rung(Frozen):
    """One step of the ladder, valued on contacts that it was not learnt from; outcomes per contact."""

    step: Step
    name: str
    value: Value
    snips: Value
    gain: Value | None
    """Over the step below that holds; None for the first."""
    lower_bound: float | None
    """One-sided, at a level that allows for the number of candidates tried."""
    passed: bool


@dataclass(frozen=True)
class Ladder:
    """How far up the record carries, and the policy of the highest step that passed."""

    rungs: tuple[Rung, ...]
    policy: Policy
    reached: Step
    arms: Mapping[Step, Policy] = field(repr=False)
    stopped: tuple[Split, Value] | None = None
    """Where the simple rule that holds gives one side nothing: the rule, and its gain over the best arm for all."""


def climb(
    trial: Trial,
    rules: Mapping[str, Policy] | None = None,
    *,
    stop_on: Sequence[int] = (),
    error: float = ERROR,
    seed: int = 0,
    folds: int = FOLDS,
) -> Ladder:
    """Climb the ladder by cross-fitting: each candidate is learnt on some contacts and valued on the others.

    A step holds only if the one-sided lower bound of its gain over the last step that held is above zero. The level
    ``error`` is shared by the candidates of a step (Sidak 1967: at 5 % 1.64 standard errors for one, 2.39 for six).
    ``rules`` are a marketer's own, beside the best split on one column that is found here. With ``stop_on``, columns, a
    split of these of which one side gets nothing is a candidate too.
    """
    if trial.arm_count < 2 or len(trial.arms) < folds * 2:
        raise MeasurementError("A ladder needs an arm beside nobody, and a few contacts.")
    given = dict(rules or {})
    names: list[tuple[Step, str]] = [("nobody", "nobody"), ("best_arm", "best arm")]
    names += [("simple_rule", name) for name in (*given, "best split", *([_STOP] if len(stop_on) else []))]
    names += [("ridge", "ridge")]
    scores = np.zeros((len(trial.arms), trial.arm_count))
    choices = {name: np.zeros(len(trial.arms), np.intp) for _, name in names}
    parts = np.array_split(np.random.default_rng(seed).permutation(len(trial.arms)), folds)
    for part in parts:
        train = trial.take(np.setdiff1d(np.arange(len(trial.arms)), part))
        held = trial.take(part)
        model = Ridge.fit(train.features, train.arms, train.outcomes, trial.arm_count)
        scores[part] = doubly_robust(held.arms, held.outcomes, held.probabilities, model.predict(held.features))
        for name, policy in _learn(train, model, given, stop_on).items():
            choices[name][part] = policy(held.features)
    final = _learn(trial, Ridge.fit(trial.features, trial.arms, trial.outcomes, trial.arm_count), given, stop_on)
    rungs: list[Rung] = []
    holds = "nobody"
    for step in dict.fromkeys(one for one, _ in names):
        candidates = [name for of, name in names if of == step]
        best, holds_next = _judge(trial, scores, choices, candidates, holds, step, error)
        rungs.append(best)
        holds = holds_next
    reached = next(one.step for one in reversed(rungs) if one.passed)
    by_step = {one.step: final[one.name] for one in rungs}
    rule = next(one for one in rungs if one.step == "simple_rule")
    split = final[rule.name]
    stops = rule.passed and rule.name == _STOP and isinstance(split, Split)
    over_all = difference(scores, choices[_STOP], choices["best arm"]) if stops else None
    stopped = (split, over_all) if isinstance(split, Split) and over_all is not None else None
    return Ladder(tuple(rungs), final[holds], reached, by_step, stopped)


def top(scores: Floats, share: float) -> NDArray[np.bool_]:
    """Who gets it where only a share of the list may: the highest scores, those of equal ones that come first."""
    chosen = np.zeros(len(scores), bool)
    chosen[np.argsort(-scores, kind="stable")[: round(share * len(scores))]] = True
    return chosen


def one_sided(candidates: int, error: float = ERROR) -> float:
    """How many standard errors a gain must lie above zero where so many candidates were tried."""
    return float(ndtri((1 - error) ** (1 / candidates)))


def _judge(
    trial: Trial,
    scores: Floats,
    choices: Mapping[str, Places],
    candidates: Sequence[str],
    holds: str,
    step: Step,
    error: float,
) -> tuple[Rung, str]:
    """The best candidate of a step, and the name of the policy that holds after it."""
    if step == "nobody":
        gains: dict[str, Value] = {}
        name = "nobody"
    else:
        gains = {one: difference(scores, choices[one], choices[holds]) for one in candidates}
        name = max(gains, key=lambda one: gains[one].mean)
    gain = gains.get(name)
    lower = None if gain is None else gain.mean - one_sided(len(candidates), error) * gain.standard_error
    passed = lower is None or lower > 0
    rung = Rung(
        step=step,
        name=name,
        value=value_of(scores, choices[name]),
        snips=snips(trial.arms, trial.outcomes, trial.probabilities, choices[name]),
        gain=gain,
        lower_bound=lower,
        passed=passed,
    )
    return rung, name if passed else holds


def _learn(train: Trial, model: Ridge, rules: Mapping[str, Policy], stop_on: Sequence[int]) -> dict[str, Policy]:
    """Every candidate, from the contacts that it may learn from."""
    scores = doubly_robust(train.arms, train.outcomes, train.probabilities, model.predict(train.features))
    best = int(scores[:, NOBODY_PLACE + 1 :].mean(axis=0).argmax()) + 1
    return {
        "nobody": lambda features: np.full(len(features), NOBODY_PLACE, np.intp),
        "best arm": lambda features: np.full(len(features), best, np.intp),
        **rules,
        "best split": _split(train.features, scores[:, 1:], 1),
        **({_STOP: _stop(train.features, scores, stop_on)} if len(stop_on) else {}),
        "ridge": lambda features: model.predict(features)[:, 1:].argmax(axis=1) + 1,
    }


def _split(features: Floats, scores: Floats, first: int) -> Split:
    """Whatever one column, cut at a quartile, promises most with the best arm on each side, counted from ``first``."""
    best, found = -np.inf, Split(0, 0.0, first, first)
    for column, threshold, high in _cuts(features, range(features.shape[1])):
        sums = [scores[side].sum(axis=0) for side in (high, ~high)]
        total = float(sum(one.max() for one in sums))
        if total > best + 1e-9:
            above, below = (int(one.argmax()) + first for one in sums)
            best, found = total, Split(column, threshold, above, below)
    return found


def _stop(features: Floats, scores: Floats, columns: Sequence[int]) -> Split:
    """Whatever one of these columns promises most where one side gets its best arm and the other nothing."""
    best, found = -np.inf, Split(columns[0], np.inf, NOBODY_PLACE, NOBODY_PLACE)
    for column, threshold, high in _cuts(features, columns):
        for side in (high, ~high):
            sums = scores[side, 1:].sum(axis=0)
            arm = int(sums.argmax()) + 1
            total = float(sums.max() + scores[~side, NOBODY_PLACE].sum())
            if total > best + 1e-9:
                given = (arm, NOBODY_PLACE) if side is high else (NOBODY_PLACE, arm)
                best, found = total, Split(column, threshold, *given)
    return found


def _cuts(features: Floats, columns: Iterable[int]) -> Iterator[tuple[int, float, NDArray[np.bool_]]]:
    """Each column with each of its quartiles that has somebody on both sides, and who is above."""
    for column in columns:
        for threshold in np.unique(np.quantile(features[:, column], _SPLITS)).tolist():
            high = features[:, column] > threshold
            if high.any() and not high.all():
                yield column, threshold, high
