"""Rates, differences and their intervals against published numbers and other people's code."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, chi2_contingency

from agents.learning.counts import Counts, MeasurementError
from agents.learning.intervals import (
    Estimate,
    critical_value,
    log_odds_effect,
    newcombe,
    pooled_z,
    relative_lift,
    two_sided,
    wilson,
)


def counts(conversions: int, contacts: int) -> Counts:
    return Counts(contacts=contacts, conversions=conversions)


@st.composite
def arms(draw: st.DrawFn) -> Counts:
    contacts = draw(st.integers(1, 100_000))
    return counts(draw(st.integers(0, contacts)), contacts)


# Newcombe (1998), Table II, method 10: x1, n1, x2, n2, lower, upper.
PUBLISHED = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (0, 10, 0, 10, -0.2775, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0),
    (10, 10, 0, 10, 0.6075, 1.0),
]


@pytest.mark.parametrize(("x1", "n1", "x2", "n2", "low", "high"), PUBLISHED)
def test_the_difference_has_the_interval_that_newcombe_published(
    x1: int, n1: int, x2: int, n2: int, low: float, high: float
) -> None:
    found = newcombe(counts(x1, n1), counts(x2, n2))
    assert found.low == pytest.approx(low, abs=6e-5)
    assert found.high == pytest.approx(high, abs=6e-5)


@pytest.mark.parametrize(("x", "n"), [(0, 20), (1, 29), (15, 148), (81, 263), (20, 20)])
def test_the_rate_has_the_score_interval_that_scipy_gives(x: int, n: int) -> None:
    reference = binomtest(x, n).proportion_ci(0.95, method="wilson")
    found = wilson(counts(x, n), critical_value(0.05))
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=1e-12)


@pytest.mark.parametrize(("x1", "n1", "x2", "n2"), [(270, 9000, 20, 1000), (12, 500, 25, 600), (3, 50, 9, 40)])
def test_the_squared_z_is_the_chi_square_without_continuity_correction(x1: int, n1: int, x2: int, n2: int) -> None:
    reference = chi2_contingency([[x1, n1 - x1], [x2, n2 - x2]], correction=False)
    z = pooled_z(counts(x1, n1), counts(x2, n2))
    assert z**2 == pytest.approx(reference.statistic)
    assert two_sided(z) == pytest.approx(reference.pvalue)


def test_z_and_effect_agree_with_tea_tasting() -> None:
    with warnings.catch_warnings():
        # Its data frame layers announce their own deprecations; they are not ours to fix.
        warnings.simplefilter("ignore")
        import tea_tasting as tt

        treated, holdout = counts(270, 9000), counts(20, 1000)
        rows = pa.table(
            {
                "variant": np.repeat([0, 1], [holdout.contacts, treated.contacts]),
                "bought": np.concatenate(
                    [np.arange(arm.contacts) < arm.conversions for arm in (holdout, treated)]
                ).astype(int),
            }
        )
        metric = tt.Proportion("bought", method="norm", correction=False)
        result = tt.Experiment(bought=metric).analyze(rows)["bought"]
    assert two_sided(pooled_z(treated, holdout)) == pytest.approx(result.pvalue)
    lift = relative_lift(treated, holdout)
    assert lift is not None
    assert lift.value == pytest.approx(result.rel_effect_size)
    assert newcombe(treated, holdout).value == pytest.approx(result.effect_size)


def test_the_interval_covers_the_truth_as_often_as_it_says_even_with_a_small_holdout() -> None:
    # Exact: every pair of outcomes weighted by its probability, no simulation.
    n_treated, n_holdout, p_treated, p_holdout = 450, 50, 0.08, 0.05
    weights_one = binom.pmf(np.arange(n_treated + 1), n_treated, p_treated)
    weights_two = binom.pmf(np.arange(n_holdout + 1), n_holdout, p_holdout)
    covered = 0.0
    for x1 in np.flatnonzero(weights_one > 1e-7):
        for x2 in np.flatnonzero(weights_two > 1e-7):
            found = newcombe(counts(int(x1), n_treated), counts(int(x2), n_holdout))
            if found.low <= p_treated - p_holdout <= found.high:
                covered += weights_one[x1] * weights_two[x2]
    assert 0.94 <= covered <= 0.98


@given(one=arms(), two=arms(), critical=st.floats(0.5, 5))
def test_the_interval_contains_the_estimate_and_mirrors_when_the_arms_are_swapped(
    one: Counts, two: Counts, critical: float
) -> None:
    forth, back = newcombe(one, two, critical), newcombe(two, one, critical)
    assert forth.low <= forth.value <= forth.high
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low), abs=1e-9)
    assert pooled_z(one, two) == pytest.approx(-pooled_z(two, one), abs=1e-9)
    assert log_odds_effect(one, two).estimate == pytest.approx(-log_odds_effect(two, one).estimate, abs=1e-9)


@given(one=arms(), two=arms(), critical=st.floats(0.5, 4), more=st.floats(0.01, 1))
def test_more_confidence_never_narrows_an_interval(one: Counts, two: Counts, critical: float, more: float) -> None:
    narrow, wide = newcombe(one, two, critical), newcombe(one, two, critical + more)
    assert wide.low <= narrow.low + 1e-12
    assert wide.high >= narrow.high - 1e-12


@given(one=arms(), two=arms(), critical=st.floats(0.5, 4))
def test_the_relative_interval_excludes_zero_exactly_when_the_absolute_one_does(
    one: Counts, two: Counts, critical: float
) -> None:
    absolute, relative = newcombe(one, two, critical), relative_lift(one, two, critical)
    if relative is None:
        assert two.conversions == 0
        return
    assert relative.low <= relative.value <= relative.high
    if min(abs(absolute.low), abs(absolute.high)) > 1e-9:
        assert relative.excludes_zero() == absolute.excludes_zero()


@given(arm=arms())
def test_one_more_conversion_never_lowers_z(arm: Counts) -> None:
    holdout = counts(30, 1000)
    if arm.conversions < arm.contacts:
        better = counts(arm.conversions + 1, arm.contacts)
        assert pooled_z(better, holdout) > pooled_z(arm, holdout) - 1e-12


def test_the_log_odds_effect_is_nearly_unbiased_on_few_conversions() -> None:
    # Exact expectation for a holdout that expects ten conversions; the true effect is zero.
    holdout = sum(
        p * log_odds_effect(counts(180, 18000), counts(x, 1000)).estimate
        for x, p in enumerate(binom.pmf(np.arange(60), 1000, 0.01))
    )
    assert abs(float(holdout)) < 0.01


def test_an_effect_has_the_textbook_standard_error() -> None:
    effect = log_odds_effect(counts(300, 10_000), counts(200, 10_000))
    assert effect.estimate == pytest.approx(math.log(300 / 9700) - math.log(200 / 9800), abs=1e-3)
    assert effect.standard_error == pytest.approx(math.sqrt(1 / 300 + 1 / 9700 + 1 / 200 + 1 / 9800), rel=5e-3)


@pytest.mark.parametrize("pair", [((0, 0), (0, 5)), ((0, 5), (0, 0)), ((0, 90), (0, 10)), ((9, 9), (2, 2))])
def test_where_nothing_happened_nothing_is_known(pair: tuple[tuple[int, int], tuple[int, int]]) -> None:
    treated, holdout = counts(*pair[0]), counts(*pair[1])
    assert pooled_z(treated, holdout) == 0
    assert log_odds_effect(treated, holdout).estimate == 0
    assert log_odds_effect(treated, holdout).standard_error == 10
    assert not newcombe(treated, holdout).excludes_zero()


@pytest.mark.parametrize(("conversions", "contacts"), [(-1, 5), (6, 5), (0, -1)])
def test_impossible_counts_are_refused(conversions: int, contacts: int) -> None:
    with pytest.raises(MeasurementError, match="impossible"):
        counts(conversions, contacts)


def test_an_estimate_outside_its_interval_is_refused() -> None:
    with pytest.raises(MeasurementError, match="outside"):
        Estimate(value=2, low=0, high=1)
