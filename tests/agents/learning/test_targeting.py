"""A policy is used only as far up the ladder as the record surely carries it."""

from __future__ import annotations

import numpy as np
import pytest

from agents.learning.counts import MeasurementError
from agents.learning.ridge import Ridge
from agents.learning.targeting import Ladder, Trial, climb, one_sided, top


def trial(rates: np.ndarray, features: np.ndarray, seed: int = 1) -> Trial:
    """Arms drawn evenly; ``rates`` by contact and arm."""
    rng = np.random.default_rng(seed)
    arms = rng.integers(0, rates.shape[1], len(rates)).astype(np.intp)
    outcomes = (rng.random(len(rates)) < rates[np.arange(len(rates)), arms]).astype(float)
    return Trial(features, arms, np.full(rates.shape, 1 / rates.shape[1]), outcomes)


def known(contacts: int, columns: int = 3, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((contacts, columns))


def passed(ladder: Ladder) -> dict[str, bool]:
    return {one.step: one.passed for one in ladder.rungs}


def test_where_nothing_works_nobody_gets_anything() -> None:
    features = known(3000)
    ladder = climb(trial(np.full((3000, 3), 0.1), features))
    assert ladder.reached == "nobody"
    assert set(ladder.policy(features)) == {0}


def test_where_one_arm_is_best_for_all_everybody_gets_it_and_no_model_is_believed() -> None:
    features = known(6000)
    ladder = climb(trial(np.tile([0.10, 0.15, 0.25], (6000, 1)), features))
    assert ladder.reached == "best_arm"
    assert set(ladder.policy(features)) == {2}
    assert ladder.rungs[1].gain is not None
    assert ladder.rungs[1].gain.low < 0.15 < ladder.rungs[1].gain.high


def test_a_rule_that_splits_the_list_is_found_where_it_is_real() -> None:
    features = known(6000)
    better = np.where(features[:, 1] > 0, 1, 2)
    rates = np.full((6000, 3), 0.10)
    rates[np.arange(6000), better] = 0.30
    ladder = climb(trial(rates, features))
    assert ladder.reached == "simple_rule"
    assert passed(ladder) == {"nobody": True, "best_arm": True, "simple_rule": True, "ridge": False}
    assert (ladder.policy(features) == better).mean() > 0.95


def test_a_model_is_used_where_it_surely_beats_every_rule() -> None:
    features = known(12000)
    lean = features @ np.asarray([1.0, 1.0, -1.0])
    rates = np.column_stack([np.full(12000, 0.1), 0.3 + 0.12 * np.tanh(lean), 0.3 - 0.12 * np.tanh(lean)])
    ladder = climb(trial(rates, features))
    assert ladder.reached == "ridge"
    assert (ladder.policy(features) == np.where(lean > 0, 1, 2)).mean() > 0.9


def test_a_marketers_rule_takes_part_and_is_named() -> None:
    features = known(6000)
    rates = np.full((6000, 3), 0.10)
    better = np.where(features[:, 0] * features[:, 1] > 0, 1, 2)
    rates[np.arange(6000), better] = 0.25
    ladder = climb(trial(rates, features), {"same signs": lambda of: np.where(of[:, 0] * of[:, 1] > 0, 1, 2)})
    assert next(one.name for one in ladder.rungs if one.step == "simple_rule") == "same signs"
    assert ladder.reached == "simple_rule"


def test_the_gate_lets_hardly_any_fluke_through() -> None:
    features = known(900)
    flukes = sum(
        climb(trial(np.tile([0.1, 0.2, 0.2], (900, 1)), features, seed)).reached in {"simple_rule", "ridge"}
        for seed in range(60)
    )
    # Two steps with a level of 5 % each; 12 of 60 would be a fifth.
    assert flukes <= 12


def test_more_candidates_need_more_proof() -> None:
    assert one_sided(1) == pytest.approx(1.645, abs=0.001)
    assert one_sided(6) == pytest.approx(2.39, abs=0.005)


def test_the_same_seed_climbs_the_same() -> None:
    given = trial(np.tile([0.1, 0.2], (500, 1)), known(500))
    assert climb(given, seed=3).rungs == climb(given, seed=3).rungs


def test_a_ladder_of_nobody_alone_is_refused() -> None:
    with pytest.raises(MeasurementError):
        climb(trial(np.full((50, 1), 0.1), known(50)))


def test_ridge_agrees_with_least_squares_where_there_is_much_data_and_little_noise() -> None:
    rng = np.random.default_rng(4)
    features, arms = known(4000, 2), rng.integers(0, 2, 4000).astype(np.intp)
    truth = 1 + features @ np.asarray([0.5, -0.2]) + arms * (0.3 + 0.4 * features[:, 0])
    model = Ridge.fit(features, arms, truth + rng.normal(0, 0.01, 4000), 2)
    said = model.predict(features)[:, 1] - model.predict(features)[:, 0]
    assert said == pytest.approx(0.3 + 0.4 * features[:, 0], abs=0.01)


def test_a_capacity_goes_to_the_highest_scores() -> None:
    assert top(np.asarray([1.0, 3.0, 2.0, 3.0]), 0.5).tolist() == [False, True, False, True]


def test_what_helps_some_and_harms_the_others_is_kept_for_those_whom_it_helps() -> None:
    features = known(6000)
    helped = features[:, 1] > 0
    rates = np.column_stack([np.full(6000, 0.20), np.where(helped, 0.32, 0.12)])
    ladder = climb(trial(rates, features), stop_on=(0, 1))
    assert ladder.stopped is not None
    split, over_all = ladder.stopped
    assert (split.column, split.above, split.below) == (1, 1, 0)
    assert over_all.low < 0.04 < over_all.high
    # A column that says nothing may still do better than silence, but not than writing to all.
    elsewhere = climb(trial(rates, features), stop_on=(0,)).stopped
    assert elsewhere is None or elsewhere[1].low < 0
    assert climb(trial(rates, features)).stopped is None


def test_where_all_are_helped_alike_or_nobody_is_nothing_is_stopped() -> None:
    found = []
    for seed in range(20):
        features = known(1500, seed=seed)
        for rate in (0.10, 0.20):
            rates = np.tile([0.10, rate], (1500, 1))
            found.append(climb(trial(rates, features, seed), stop_on=(0, 1, 2), error=0.05 / 4).stopped)
    assert found.count(None) >= 39
