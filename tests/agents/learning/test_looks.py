"""Planned looks: published bounds, the false alarms they allow, and the sequence that may be watched daily."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.learning.counts import Counts, MeasurementError
from agents.learning.intervals import Estimate, critical_value, newcombe, pooled_z
from agents.learning.looks import (
    FOUR_LOOKS,
    confidence_sequence,
    critical_values,
    crossing_probability,
    harms_already,
    judge,
    lan_demets,
    obrien_fleming,
    spent,
)


def test_four_looks_have_the_published_bounds() -> None:
    assert critical_values() == pytest.approx([2.024 * math.sqrt(4 / k) for k in (1, 2, 3, 4)], abs=1e-3)


@pytest.mark.parametrize(
    ("looks", "constant"), [(1, 1.960), (2, 1.977), (3, 2.004), (5, 2.040), (8, 2.072), (10, 2.087)]
)
def test_other_numbers_of_looks_have_the_constants_of_jennison_and_turnbull(looks: int, constant: float) -> None:
    assert obrien_fleming(looks)[-1] == pytest.approx(constant, abs=1e-3)


def test_five_spent_looks_have_the_bounds_that_group_sequential_programs_print() -> None:
    # O'Brien-Fleming-type spending, 2.5 % on each side, five equal looks.
    published = [4.877, 3.357, 2.680, 2.290, 2.031]
    assert lan_demets((0.2, 0.4, 0.6, 0.8, 1.0)) == pytest.approx(published, abs=1e-3)


def test_two_looks_have_the_bounds_solved_by_hand() -> None:
    # First bound in closed form; the second from the bivariate normal with correlation sqrt(1/2).
    from scipy.stats import multivariate_normal

    first, second = lan_demets((0.5, 1.0))
    assert first == pytest.approx(2.963, abs=1e-3)
    root = math.sqrt(0.5)
    joint = multivariate_normal(mean=[0, 0], cov=[[1, root], [root, 1]])
    stayed = joint.cdf([first, second], lower_limit=[-first, -second])
    assert 1 - stayed == pytest.approx(0.05, abs=1e-5)


def test_the_spending_ends_at_alpha_and_is_thrifty_at_first() -> None:
    assert spent(1.0) == pytest.approx(0.05)
    assert spent(0.25) < 0.0001
    assert spent(0.5) == pytest.approx(0.00305, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(2, 98), min_size=0, max_size=6, unique=True),
    st.sampled_from([0.01, 0.05, 0.1]),
)
def test_any_plan_crosses_its_bounds_by_luck_exactly_as_often_as_allowed(cuts: list[int], alpha: float) -> None:
    fractions = (*sorted(cut / 100 for cut in cuts), 1.0)
    bounds = lan_demets(fractions, alpha)
    assert crossing_probability(bounds, fractions) == pytest.approx(alpha, abs=1e-6)
    assert min(bounds) >= critical_value(alpha) - 1e-9


def test_a_look_that_moves_changes_no_bound_before_it() -> None:
    planned, moved = lan_demets((0.2, 0.5, 1.0)), lan_demets((0.2, 0.65, 1.0))
    assert planned[0] == moved[0]
    assert moved[1] < planned[1]


@pytest.mark.parametrize("looks", [(), (0.5,), (0.5, 0.4, 1.0), (0.0, 1.0), (0.995, 1.0), (0.5, 1.2)])
def test_looks_that_make_no_plan_are_refused(looks: tuple[float, ...]) -> None:
    with pytest.raises(MeasurementError, match="cannot be planned"):
        critical_values(looks)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1])
def test_an_impossible_error_rate_is_refused(alpha: float) -> None:
    with pytest.raises(MeasurementError):
        critical_values(FOUR_LOOKS, alpha)


@pytest.mark.parametrize(
    ("z", "difference", "verdict"),
    [
        (3.0, (0.001, 0.02), "works"),
        (-3.0, (-0.02, -0.001), "harms"),
        (1.9, (0.001, 0.02), "inconclusive"),
        (3.0, (-0.001, 0.02), "inconclusive"),
    ],
)
def test_a_direction_needs_both_the_bound_and_the_interval(
    z: float, difference: tuple[float, float], verdict: str
) -> None:
    low, high = difference
    assert judge(z, Estimate(value=(low + high) / 2, low=low, high=high), 2.024) == verdict


def crossed_at_any_look(
    rng: np.random.Generator, bounds: tuple[float, ...], holdout: int, treated: int, rate: float
) -> bool:
    looks = len(bounds)
    left = np.cumsum(rng.binomial(holdout // looks, rate, looks))
    right = np.cumsum(rng.binomial(treated // looks, rate, looks))
    for k, bound in enumerate(bounds):
        one = Counts(contacts=(k + 1) * (treated // looks), conversions=int(right[k]))
        two = Counts(contacts=(k + 1) * (holdout // looks), conversions=int(left[k]))
        if judge(pooled_z(one, two), newcombe(one, two, bound), bound) != "inconclusive":
            return True
    return False


@pytest.mark.parametrize(("holdout", "treated"), [(15_000, 15_000), (3_000, 27_000)])
def test_four_looks_raise_no_more_false_alarms_than_one_would(holdout: int, treated: int) -> None:
    rng = np.random.default_rng(11)
    experiments = 2500
    bounds = critical_values()
    alarms = sum(crossed_at_any_look(rng, bounds, holdout, treated, 0.01) for _ in range(experiments))
    # Nominal 5 % with a standard error of 0.44 points.
    assert 0.030 <= alarms / experiments <= 0.063


def test_the_same_looks_judged_at_1_96_would_cry_wolf() -> None:
    rng = np.random.default_rng(12)
    alarms = sum(crossed_at_any_look(rng, (1.96,) * 4, 15_000, 15_000, 0.01) for _ in range(1000))
    assert alarms / 1000 > 0.09


def test_the_sequence_has_the_width_that_the_formula_gives_by_hand() -> None:
    treated, holdout = Counts(contacts=9000, conversions=180), Counts(contacts=1000, conversions=30)
    n, alpha = 10_000, 0.05
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / 5000
    variance = n * (0.02 * 0.98 / 9000 + 0.03 * 0.97 / 1000)
    half = math.sqrt(variance) * math.sqrt(
        2 * (n * rho2 + 1) / (n**2 * rho2) * math.log(math.sqrt(n * rho2 + 1) / alpha)
    )
    found = confidence_sequence(treated, holdout)
    assert found.high - found.value == pytest.approx(half)
    assert found.value - found.low == pytest.approx(half)


def test_the_sequence_is_wider_than_an_interval_that_is_read_once() -> None:
    treated, holdout = Counts(contacts=9000, conversions=180), Counts(contacts=1000, conversions=30)
    once, always = newcombe(treated, holdout), confidence_sequence(treated, holdout)
    assert always.low < once.low
    assert always.high > once.high


@pytest.mark.parametrize(("holdout_conversions", "stop"), [(19, False), (40, True)])
def test_harm_is_said_between_looks_only_from_twenty_conversions_on(holdout_conversions: int, stop: bool) -> None:
    holdout = Counts(contacts=holdout_conversions * 5, conversions=holdout_conversions)
    treated = Counts(contacts=5000, conversions=50)
    sequence = confidence_sequence(treated, holdout)
    assert sequence.high < 0
    assert harms_already(treated, holdout, sequence) is stop


def test_a_clear_gain_is_never_called_harm() -> None:
    treated, holdout = Counts(contacts=9000, conversions=900), Counts(contacts=1000, conversions=30)
    assert not harms_already(treated, holdout, confidence_sequence(treated, holdout))


def test_watching_a_harmless_campaign_every_day_hardly_ever_stops_it() -> None:
    rng = np.random.default_rng(3)
    stopped = 0
    for _ in range(400):
        left, right = np.cumsum(rng.binomial(100, 0.02, 30)), np.cumsum(rng.binomial(900, 0.02, 30))
        for day in range(30):
            holdout = Counts(contacts=100 * (day + 1), conversions=int(left[day]))
            treated = Counts(contacts=900 * (day + 1), conversions=int(right[day]))
            if harms_already(treated, holdout, confidence_sequence(treated, holdout)):
                stopped += 1
                break
    assert stopped / 400 <= 0.02
