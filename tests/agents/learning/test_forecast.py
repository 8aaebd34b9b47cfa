"""Forecasts are made before the campaign and scored after it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit, logit
from scipy.stats import norm

from agents.learning.counts import MeasurementError
from agents.learning.forecast import (
    Forecast,
    ForecastScore,
    calibration,
    forecast,
    normal_crps,
    pinball_loss,
    recalibrated,
    score,
    track_record,
)
from agents.learning.intervals import Effect
from agents.learning.priors import Prior


def made(mean: float = 0.2, sd: float = 0.2, **sizes: int) -> Forecast:
    return forecast(
        Prior(mean=mean, sd=sd),
        base_rate=0.02,
        treated_contacts=sizes.get("treated", 9000),
        holdout_contacts=sizes.get("holdout", 1000),
    )


def scores(count: int, *, truth_sd: float, bias: float = 0.0, seed: int = 1) -> list[ForecastScore]:
    rng = np.random.default_rng(seed)
    seen = 0.2 + bias + np.hypot(truth_sd, 0.1) * rng.standard_normal(count)
    last = Effect(estimate=0.5, standard_error=0.1)
    return [score(made(), Effect(estimate=float(x), standard_error=0.1), last=last) for x in seen]


def test_quantiles_agree_with_a_simulation_of_the_same_belief() -> None:
    found = forecast(
        Prior(mean=0.2, sd=0.3),
        base_rate=0.05,
        treated_contacts=2000,
        holdout_contacts=200,
        margin_per_conversion_cents=1500,
        cost_cents=4000,
    )
    draws = np.random.default_rng(1).normal(0.2, 0.3, 400_000)
    lift = expit(logit(0.05) + draws) - 0.05
    assert found.margin_cents is not None
    for quantiles, values in (
        (found.lift, lift),
        (found.relative_lift, lift / 0.05),
        (found.incremental_conversions, 2000 * lift),
        (found.margin_cents, 2000 * lift * 1500 - 4000),
    ):
        for probability, value in quantiles.pairs():
            # Where 95 of 100 draws lie below the 95 % quantile, whatever its unit.
            assert np.mean(values < value) == pytest.approx(probability, abs=0.003)
    assert found.chance_of_gain == pytest.approx(np.mean(draws > 0), abs=0.003)


def test_the_chance_of_proof_agrees_with_a_simulation_of_read_outs() -> None:
    found = made(mean=0.4, sd=0.2, treated=27_000, holdout=3000)
    rng = np.random.default_rng(2)
    p1 = expit(logit(0.02) + rng.normal(0.4, 0.2, 200_000))
    x1, x0 = rng.binomial(27_000, p1), rng.binomial(3000, 0.02, 200_000)
    pooled = (x1 + x0) / 30_000
    z = (x1 / 27_000 - x0 / 3000) / np.sqrt(pooled * (1 - pooled) * (1 / 27_000 + 1 / 3000))
    assert found.chance_of_proof == pytest.approx(np.mean(z > 2.024), abs=0.05)


def test_a_tiny_list_has_hardly_any_chance_of_proof_and_no_holdout_has_none() -> None:
    assert made(treated=90, holdout=10).chance_of_proof < 0.05
    assert made(holdout=0).chance_of_proof == 0


@given(st.floats(-1, 1), st.floats(0.01, 1), st.floats(0.001, 0.9))
def test_quantiles_rise_and_the_median_has_the_sign_of_the_belief(mean: float, sd: float, base: float) -> None:
    found = forecast(Prior(mean=mean, sd=sd), base_rate=base, treated_contacts=100, holdout_contacts=10)
    values = [value for _, value in found.incremental_conversions.pairs()]
    assert values == sorted(values)
    assert -base <= found.lift.q05
    assert found.lift.q95 <= 1 - base
    if abs(mean) > 1e-6:
        assert (found.lift.q50 > 0) == (mean > 0)


@pytest.mark.parametrize(("mean", "sd", "seen"), [(0, 1, 0), (0.3, 0.2, -0.4), (-1, 2, 3)])
def test_the_closed_form_crps_is_the_integral_that_defines_it(mean: float, sd: float, seen: float) -> None:
    below, _ = quad(lambda x: norm.cdf(x, mean, sd) ** 2, -30, seen)
    above, _ = quad(lambda x: norm.sf(x, mean, sd) ** 2, seen, 30)
    assert normal_crps(mean, sd, seen) == pytest.approx(below + above, rel=1e-6)


def test_the_pinball_loss_is_least_at_its_own_quantile() -> None:
    values = np.random.default_rng(3).standard_normal(20_000)
    losses = {
        guess: float(np.mean([pinball_loss(0.75, guess, float(v)) for v in values]))
        for guess in (0.3, float(norm.ppf(0.75)), 1.1)
    }
    assert min(losses, key=lambda guess: losses[guess]) == float(norm.ppf(0.75))


def test_a_forecast_is_scored_on_the_observation_and_its_noise() -> None:
    found = score(made(mean=0.2, sd=0.3), Effect(estimate=0.7, standard_error=0.4))
    assert found.z == pytest.approx(1.0)
    assert found.crps == pytest.approx(normal_crps(0.2, 0.5, 0.7))
    assert found.crps_no_effect == pytest.approx(normal_crps(0.0, 0.4, 0.7))
    assert found.crps_same_as_last is None
    assert found.brier == pytest.approx((norm.cdf(0.4) - 1) ** 2)
    assert (found.within_50, found.within_80, found.within_95) == (False, True, True)


def test_under_ten_forecasts_only_their_number_is_told() -> None:
    record = track_record(scores(9, truth_sd=0.2))
    assert record.forecasts == 9
    assert set(record.model_dump(exclude={"forecasts"}).values()) == {None}
    assert track_record(scores(10, truth_sd=0.2)).mean_crps is not None
    assert track_record([]).forecasts == 0


def test_honest_forecasts_are_covered_as_promised_and_beat_both_references() -> None:
    record = track_record(scores(2000, truth_sd=0.2))
    assert record.covered_50 == pytest.approx(0.50, abs=0.04)
    assert record.covered_80 == pytest.approx(0.80, abs=0.03)
    assert record.covered_95 == pytest.approx(0.95, abs=0.02)
    assert record.skill_against_no_effect is not None
    assert record.skill_against_no_effect > 0.1
    assert record.skill_against_same_as_last is not None
    assert record.skill_against_same_as_last > 0.1


def test_honest_intervals_lie_on_the_line_and_nothing_is_drawn_under_ten() -> None:
    points = calibration(scores(2000, truth_sd=0.2))
    assert [one.promised for one in points] == pytest.approx([level / 10 for level in range(1, 10)])
    assert [one.kept for one in points] == pytest.approx([one.promised for one in points], abs=0.04)
    assert all(one.kept < one.promised for one in calibration(scores(2000, truth_sd=0.6)))
    assert calibration(scores(9, truth_sd=0.2)) == ()


def test_corrections_of_corrected_forecasts_do_not_add_up() -> None:
    plain = track_record(scores(2000, truth_sd=0.5, bias=-0.15)).recalibration
    assert plain is not None
    corrected = [
        score(
            forecast(
                recalibrated(Prior(mean=0.2, sd=0.2), plain), base_rate=0.03, treated_contacts=900, holdout_contacts=100
            ),
            Effect(estimate=one.observed, standard_error=0.1),
        )
        for one in scores(2000, truth_sd=0.5, bias=-0.15)
    ]
    again = track_record(corrected).recalibration
    assert again is not None
    assert again.sd_factor == pytest.approx(plain.sd_factor, rel=0.15)
    assert again.lower_mean_by == pytest.approx(plain.lower_mean_by, abs=0.02)


def test_recalibration_waits_for_twenty_forecasts() -> None:
    assert track_record(scores(19, truth_sd=0.2)).recalibration is None
    assert track_record(scores(20, truth_sd=0.2)).recalibration is not None


def test_overconfident_forecasts_are_widened_by_as_much_as_they_missed() -> None:
    found = track_record(scores(1000, truth_sd=0.5)).recalibration
    assert found is not None
    assert found.sd_factor == pytest.approx(np.hypot(0.5, 0.1) / np.hypot(0.2, 0.1), rel=0.08)
    wider = recalibrated(Prior(mean=0.2, sd=0.2), found)
    assert wider.sd == pytest.approx(0.2 * found.sd_factor)


def test_promising_too_much_lowers_the_mean_and_promising_too_little_does_not_raise_it() -> None:
    flattering = track_record(scores(200, truth_sd=0.1, bias=-0.15)).recalibration
    modest = track_record(scores(200, truth_sd=0.1, bias=0.15)).recalibration
    assert flattering is not None
    assert modest is not None
    assert flattering.lower_mean_by == pytest.approx(0.15, abs=0.04)
    assert modest.lower_mean_by == 0
    assert recalibrated(Prior(mean=0.2), flattering).mean == pytest.approx(0.2 - flattering.lower_mean_by)
    assert recalibrated(Prior(mean=0.2), None) == Prior(mean=0.2)


def test_a_forecast_survives_storage() -> None:
    found = made()
    assert Forecast.model_validate_json(found.model_dump_json()) == found


def test_a_forecast_without_base_rate_or_contacts_is_refused() -> None:
    with pytest.raises(MeasurementError):
        forecast(Prior(), base_rate=0.0, treated_contacts=10, holdout_contacts=1)
    with pytest.raises(MeasurementError):
        forecast(Prior(), base_rate=0.1, treated_contacts=0, holdout_contacts=1)
