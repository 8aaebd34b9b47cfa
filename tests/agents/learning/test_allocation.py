"""Allocation moves towards what is likely best, never further or elsewhere than it may, and not on noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from agents.learning.allocation import EXPLORED, ArmCounts, Spread, believe, best_shares, move, worth_shares
from agents.learning.counts import MeasurementError
from agents.learning.priors import Prior


def counts(
    contacts: list[list[float]], conversions: list[list[float]], nobody: tuple[float, float] | None = None
) -> ArmCounts:
    silent = None if nobody is None else (np.asarray([float(nobody[0])]), np.asarray([float(nobody[1])]))
    return ArmCounts(np.asarray(contacts, float), np.asarray(conversions, float), silent)


def test_without_data_every_sequence_is_as_likely_to_be_best() -> None:
    shares = best_shares(believe(counts([[0, 0, 0, 0]], [[0, 0, 0, 0]])), seed=1)
    assert shares == pytest.approx(np.full((1, 4), 0.25), abs=0.1)


def test_the_clearly_better_sequence_gets_everybody_but_for_the_part_that_is_explored() -> None:
    shares = best_shares(believe(counts([[5000, 5000, 5000]], [[100, 100, 200]])), seed=1)[0]
    assert shares[2] == pytest.approx(1 - EXPLORED * 2 / 3)
    assert shares[:2] == pytest.approx(EXPLORED / 3)


def test_a_segment_with_few_contacts_leans_on_the_others() -> None:
    alone = believe(counts([[100, 100]], [[2, 3]]))
    beside = believe(counts([[100, 100], [9000, 9000], [9000, 9000]], [[2, 3], [300, 200], [290, 210]]))
    assert best_shares(alone, seed=3)[0, 1] > 0.5
    assert best_shares(beside, seed=3)[0, 0] > 0.8


def test_the_belief_is_the_mode_that_a_general_optimiser_finds() -> None:
    contacts, conversions = np.asarray([[400.0, 300.0], [50.0, 90.0]]), np.asarray([[12.0, 15.0], [1.0, 6.0]])
    belief = believe(ArmCounts(contacts, conversions, (np.asarray([100.0, 20.0]), np.asarray([2.0, 0.0]))))
    tau, sigma, prior = belief.spread.arms, belief.spread.segments, Prior()
    trials = np.asarray([[400, 300, 100], [50, 90, 20]], float)
    hits = np.asarray([[12, 15, 2], [1, 6, 0]], float)
    start = np.log((hits.sum() + 1) / (trials.sum() - hits.sum() + 50))

    def cells(beta: np.ndarray) -> np.ndarray:
        mu, added, arms, both = beta[:2], beta[2], beta[3:5], beta[5:].reshape(2, 2)
        return np.column_stack([mu[:, None] + added + arms + both, mu])

    def loss(beta: np.ndarray) -> float:
        odds = cells(beta)
        said = (hits * odds - trials * np.logaddexp(0, odds)).sum()
        held = ((beta[:2] - start + prior.mean) ** 2).sum() / 9 + (beta[2] - prior.mean) ** 2 / prior.sd**2
        held += (beta[3:5] ** 2).sum() / tau**2 + (beta[5:] ** 2).sum() / sigma**2
        return float(held / 2 - said)

    found = minimize(loss, np.concatenate([[start, start], np.zeros(7)]), method="BFGS", options={"gtol": 1e-8})
    # The spreads still move by up to a hundredth when the last mode is taken.
    assert belief.mean == pytest.approx(cells(found.x), abs=0.02)


def test_spreads_follow_what_the_sequences_show_and_stay_near_their_start_without() -> None:
    far = believe(counts([[9000] * 6] * 2, [[90, 180, 360, 90, 180, 360]] * 2)).spread
    none = believe(counts([[10] * 6] * 2, [[0] * 6] * 2)).spread
    assert far.arms > 0.35
    assert none.arms == pytest.approx(Spread().arms, rel=0.1)


def test_nobody_wins_where_every_sequence_costs_more_than_it_brings_and_not_where_one_pays() -> None:
    belief = believe(counts([[4000, 4000]], [[200, 210]], nobody=(4000, 195)))
    dear = worth_shares(belief, 1, value_cents=100, cost_cents=[50, 50])[0]
    free = worth_shares(
        believe(counts([[4000, 4000]], [[200, 320]], nobody=(4000, 195))), 1, value_cents=100, cost_cents=[0, 0]
    )[0]
    assert dear[2] > 0.9
    assert free[2] == 0
    assert dear.sum() == pytest.approx(1)


def test_the_same_seed_decides_the_same() -> None:
    belief = believe(counts([[90, 80]], [[3, 4]]))
    assert np.array_equal(best_shares(belief, seed=5), best_shares(belief, seed=5))


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(MeasurementError):
        believe(counts([[-1, 2]], [[0, 0]]))
    with pytest.raises(MeasurementError):
        believe(counts([[1, 2]], [[0]]))


@st.composite
def plans(draw: st.DrawFn) -> tuple[dict[str, float], dict[str, float], dict[str, tuple[float, float]]]:
    """Shares of today, wanted ones, and ranges that hold those of today."""
    size = draw(st.integers(2, 6))
    weights = st.lists(st.floats(0.01, 1), min_size=size, max_size=size)
    today, wanted = (np.asarray(draw(weights)) for _ in range(2))
    today, wanted = today / today.sum(), wanted / wanted.sum()
    slack = draw(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=size, max_size=size))
    keys = [f"s{place}" for place in range(size)]
    ranges = {
        key: (share * low, share + (1 - share) * high)
        for key, share, (low, high) in zip(keys, today.tolist(), slack, strict=True)
    }
    return dict(zip(keys, today.tolist(), strict=True)), dict(zip(keys, wanted.tolist(), strict=True)), ranges


@given(plan=plans(), most=st.floats(0, 1))
@settings(deadline=None)
def test_a_move_stays_a_plan_inside_its_ranges_and_its_budget(
    plan: tuple[dict[str, float], dict[str, float], dict[str, tuple[float, float]]], most: float
) -> None:
    today, wanted, ranges = plan
    moved = move(today, wanted, ranges, most=most)
    assert sum(moved.values()) == pytest.approx(1)
    assert all(ranges[key][0] - 1e-7 <= share <= ranges[key][1] + 1e-7 for key, share in moved.items())
    assert sum(abs(moved[key] - today[key]) for key in today) / 2 <= most + 1e-7


@given(plan=plans())
@settings(deadline=None)
def test_moves_arrive_where_they_are_wanted_if_the_ranges_allow_it(
    plan: tuple[dict[str, float], dict[str, float], dict[str, tuple[float, float]]],
) -> None:
    today, wanted, _ = plan
    shares = today
    for _ in range(30):
        shares = move(shares, wanted, dict.fromkeys(today, (0.0, 1.0)), most=0.1)
    assert shares == pytest.approx(wanted, abs=1e-6)


def test_shares_outside_their_range_are_no_start() -> None:
    with pytest.raises(MeasurementError, match="approved ranges"):
        move({"a": 0.9, "b": 0.1}, {"a": 0.5, "b": 0.5}, {"a": (0, 0.5), "b": (0, 1)}, most=0.1)
