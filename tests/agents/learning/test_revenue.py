"""Money is claimed late, and only where buyers carry the claim."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from agents.learning.counts import MeasurementError
from agents.learning.revenue import OrderValues, RevenueReadOut, measure_revenue


def orders(rng: np.random.Generator, buyers: int, mean_log: float = 8.0) -> tuple[int, ...]:
    return tuple(int(value) for value in np.exp(rng.normal(mean_log, 0.7, buyers)))


def read(
    holdout: tuple[int, ...], treated: tuple[int, ...], *, sizes: tuple[int, int] = (1000, 9000), **more: float
) -> RevenueReadOut:
    found = measure_revenue(
        OrderValues(holdout=holdout, treated=treated),
        holdout_contacts=sizes[0],
        treated_contacts=sizes[1],
        critical=more.get("critical", 1.959964),
        seed=int(more.get("seed", 0)),
    )
    assert found is not None
    return found


def test_more_buyers_of_equal_value_is_a_claim_made_by_the_hurdle_model() -> None:
    rng = np.random.default_rng(1)
    found = read(orders(rng, 40), orders(rng, 720))
    assert found.method == "hurdle"
    assert found.claim == "more"
    assert found.per_contact_cents.low > 0
    assert found.total_cents.value == pytest.approx(9000 * found.per_contact_cents.value)


def test_the_hurdle_estimate_is_the_gap_in_buyers_times_the_pooled_order_value() -> None:
    found = read((1000,) * 30, (1000,) * 540)
    assert found.per_contact_cents.value == pytest.approx((0.06 - 0.03) * 1000)
    assert found.order_value_difference_cents is not None
    assert found.order_value_difference_cents.value == 0


def test_equal_orders_leave_the_interval_of_two_beta_shares() -> None:
    found = read((1000,) * 30, (1000,) * 540)
    rng = np.random.default_rng(9)
    gap = rng.beta(540.5, 8460.5, 200_000) - rng.beta(30.5, 970.5, 200_000)
    low, high = 1000 * np.quantile(gap, [0.025, 0.975])
    assert found.per_contact_cents.low == pytest.approx(low, abs=0.8)
    assert found.per_contact_cents.high == pytest.approx(high, abs=0.8)


@pytest.mark.parametrize(("buyers", "claim"), [(19, "none"), (20, "more")])
def test_nothing_is_claimed_under_twenty_buyers_in_the_holdout(buyers: int, claim: str) -> None:
    found = read((1000,) * buyers, (1000,) * 900)
    assert found.per_contact_cents.low > 0
    assert found.claim == claim


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 19), st.integers(0, 400), st.integers(1, 100_000))
def test_no_list_however_lucky_makes_a_claim_under_twenty_buyers(buyers: int, treated: int, value: int) -> None:
    found = measure_revenue(
        OrderValues(holdout=(100,) * buyers, treated=(value,) * treated),
        holdout_contacts=1000,
        treated_contacts=1000,
    )
    assert found is None or found.claim == "none"


def test_a_claim_on_few_buyers_cannot_even_be_written_down() -> None:
    found = read((1000,) * 20, (1000,) * 900)
    with pytest.raises(MeasurementError):
        RevenueReadOut.model_validate({**found.model_dump(), "holdout_buyers": 19})


def test_orders_of_another_size_are_reported_apart_and_judged_by_permutation() -> None:
    rng = np.random.default_rng(2)
    found = read(orders(rng, 60, 8.0), orders(rng, 540, 9.0))
    assert found.order_value_difference_cents is not None
    assert found.order_value_difference_cents.low > 0
    assert found.method == "permutation"
    assert found.p_value is not None
    assert found.p_value < 0.01
    assert found.claim == "more"


def test_the_permutation_p_value_agrees_with_scipy() -> None:
    rng = np.random.default_rng(7)
    holdout, treated = orders(rng, 30, 8.0), orders(rng, 60, 8.5)
    found = read(holdout, treated, sizes=(400, 800))
    assert found.p_value is not None
    left = np.concatenate([holdout, np.zeros(370)])
    right = np.concatenate([treated, np.zeros(740)])
    reference = permutation_test(
        (right, left),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        vectorized=True,
        n_resamples=4000,
        rng=np.random.default_rng(1),
    )
    assert found.p_value == pytest.approx(reference.pvalue, abs=0.025)


def test_without_an_effect_hardly_any_claim_is_made() -> None:
    rng = np.random.default_rng(4)
    claims = sum(
        read(orders(rng, int(rng.binomial(1000, 0.03))), orders(rng, int(rng.binomial(9000, 0.03))), seed=number).claim
        != "none"
        for number in range(120)
    )
    assert claims / 120 <= 0.09


def test_what_sending_cost_is_taken_off() -> None:
    free = OrderValues(holdout=(1000,) * 30, treated=(1000,) * 540)
    dear = free.model_copy(update={"treated_cost_cents": 9000 * 20})
    without, with_cost = (measure_revenue(one, holdout_contacts=1000, treated_contacts=9000) for one in (free, dear))
    assert without is not None
    assert with_cost is not None
    assert with_cost.per_contact_cents.value == pytest.approx(without.per_contact_cents.value - 20)
    assert with_cost.claim == "none"


def test_a_stricter_look_widens_the_interval_and_the_seed_fixes_it() -> None:
    rng = np.random.default_rng(3)
    holdout, treated = orders(rng, 40), orders(rng, 500)
    once, again = read(holdout, treated, seed=5), read(holdout, treated, seed=5)
    strict = read(holdout, treated, seed=5, critical=4.05)
    assert once == again
    assert strict.per_contact_cents.low < once.per_contact_cents.low
    assert strict.per_contact_cents.high > once.per_contact_cents.high


def test_large_lists_take_the_normal_short_cut_to_the_same_answer() -> None:
    rng = np.random.default_rng(6)
    holdout, treated = orders(rng, 1000), orders(rng, 9000)
    found = read(holdout, treated, sizes=(30_000, 270_000))
    assert found.claim == "none"
    small = read(holdout[:500], treated[:4500], sizes=(15_000, 135_000))
    width = found.per_contact_cents.high - found.per_contact_cents.low
    assert small.per_contact_cents.high - small.per_contact_cents.low == pytest.approx(width * np.sqrt(2), rel=0.08)


def test_large_lists_with_dearer_orders_are_judged_like_small_ones() -> None:
    rng = np.random.default_rng(8)
    found = read(orders(rng, 1000, 8.0), orders(rng, 9000, 8.2), sizes=(30_000, 270_000))
    assert found.method == "permutation"
    assert found.claim == "more"
    same = read(orders(rng, 1100, 8.0), orders(rng, 8100, 8.2), sizes=(30_000, 270_000))
    assert same.method == "permutation"
    assert same.claim == "none"


def test_where_nobody_bought_there_is_nothing_to_say() -> None:
    assert measure_revenue(OrderValues(holdout=(), treated=()), treated_contacts=9, holdout_contacts=1) is None
