"""Arms of the wrong size are noticed, arms of the right size are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from agents.learning.counts import MeasurementError
from agents.learning.sample_ratio import sample_ratio

SHARES = {"holdout": 0.1, "treated": 0.9}


def test_the_p_value_is_the_bayes_factor_that_scipy_gives() -> None:
    # For two arms the Dirichlet-multinomial is the beta-binomial.
    found = sample_ratio({"holdout": 160, "treated": 840}, SHARES)
    reference = binom.pmf(160, 1000, 0.1) / betabinom.pmf(160, 1000, 100, 900)
    assert found.p_value == pytest.approx(reference, rel=1e-9)


@pytest.mark.parametrize(("holdout", "alert"), [(1000, False), (1050, False), (1400, True), (700, True)])
def test_a_broken_split_alerts_and_a_lucky_one_does_not(holdout: int, alert: bool) -> None:
    found = sample_ratio({"holdout": holdout, "treated": 10_000 - holdout}, SHARES)
    assert found.alert is alert
    assert found.expected == pytest.approx({"holdout": 1000, "treated": 9000})


def test_three_arms_are_checked_together() -> None:
    shares = {"holdout": 0.1, "a": 0.45, "b": 0.45}
    assert not sample_ratio({"holdout": 1000, "a": 4520, "b": 4480}, shares).alert
    assert sample_ratio({"holdout": 1000, "a": 5000, "b": 4000}, shares).alert


def test_a_sound_split_read_daily_for_two_months_raises_no_alarm() -> None:
    rng = np.random.default_rng(5)
    fired = 0
    for _ in range(300):
        days = np.cumsum(rng.binomial(1000, 0.1, 60))
        fired += any(
            sample_ratio({"holdout": int(x), "treated": 1000 * (day + 1) - int(x)}, SHARES).alert
            for day, x in enumerate(days)
        )
    assert fired <= 2


def test_a_split_that_is_two_points_off_is_found_within_two_weeks() -> None:
    rng = np.random.default_rng(6)
    days = np.cumsum(rng.binomial(1000, 0.12, 14))
    assert any(
        sample_ratio({"holdout": int(x), "treated": 1000 * (day + 1) - int(x)}, SHARES).alert
        for day, x in enumerate(days)
    )


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_p_value_is_a_probability_and_blind_to_the_order_of_arms(one: int, two: int) -> None:
    forth = sample_ratio({"a": one, "b": two}, {"a": 0.3, "b": 0.7})
    back = sample_ratio({"b": two, "a": one}, {"b": 0.7, "a": 0.3})
    assert 0 <= forth.p_value <= 1
    assert forth.p_value == pytest.approx(back.p_value)


def test_an_empty_campaign_is_not_suspicious() -> None:
    assert sample_ratio({"holdout": 0, "treated": 0}, SHARES).p_value == 1


@pytest.mark.parametrize(
    ("contacts", "shares"),
    [({"a": 1}, {"a": 0.5, "b": 0.5}), ({"a": 1, "b": 1}, {"a": 1.0, "b": 0.0}), ({}, {})],
)
def test_arms_without_a_share_are_refused(contacts: dict[str, int], shares: dict[str, float]) -> None:
    with pytest.raises(MeasurementError):
        sample_ratio(contacts, shares)
