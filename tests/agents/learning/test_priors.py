"""What is carried from campaign to campaign, and how strongly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.learning.counts import MeasurementError
from agents.learning.intervals import Effect
from agents.learning.priors import Neighbour, PastEffect, Prior, fit_prior, shrink, transfer

LEVER, SEGMENT = "win_back", "at_risk"


def past(
    effect: float, se: float = 0.05, *, segment: str = SEGMENT, lever: str = LEVER, months: float = 0.0
) -> PastEffect:
    return PastEffect(
        segment=segment, lever=lever, effect=Effect(estimate=effect, standard_error=se), months_ago=months
    )


def prior_after(*campaigns: PastEffect, starting: Prior | None = None) -> Prior:
    return fit_prior(campaigns, segment=SEGMENT, lever=LEVER, starting=starting)


def test_without_campaigns_the_starting_prior_stands() -> None:
    playbook = Prior(mean=0.15, sd=0.3)
    assert prior_after(starting=playbook) == playbook
    assert prior_after() == Prior(mean=0.0, sd=0.21, campaigns=0)
    assert prior_after(past(0.9, lever="cross_sell"), starting=playbook) == playbook


def test_shrinking_follows_the_normal_formula_by_hand() -> None:
    found = shrink(Prior(mean=0.1, sd=0.2), Effect(estimate=0.7, standard_error=0.3))
    assert found.estimate == pytest.approx(0.1 + 0.04 / (0.04 + 0.09) * 0.6)
    assert found.standard_error == pytest.approx(math.sqrt(0.04 * 0.09 / 0.13))


@given(st.floats(-1, 1), st.floats(0.05, 1), st.floats(-3, 3), st.floats(0.01, 10))
def test_the_shrunken_effect_lies_between_prior_and_observation_and_is_surer_than_both(
    mean: float, sd: float, seen: float, se: float
) -> None:
    found = shrink(Prior(mean=mean, sd=sd), Effect(estimate=seen, standard_error=se))
    assert min(mean, seen) - 1e-9 <= found.estimate <= max(mean, seen) + 1e-9
    assert found.standard_error <= min(sd, se)


def test_a_first_precise_campaign_moves_the_mean_by_about_a_fifth_and_no_more() -> None:
    # One campaign beside six pseudo-campaigns of equal spread, plus its segment's own share.
    found = prior_after(past(0.4, 0.01))
    assert 0.4 / 7 < found.mean < 0.4 / 2
    assert found.campaigns == 1


def test_a_segment_learns_more_from_its_own_campaigns_than_from_others() -> None:
    own, other = prior_after(past(0.4)), prior_after(past(0.4, segment="champions"))
    assert own.mean > other.mean > 0


def test_many_campaigns_outweigh_the_pseudo_campaigns_in_mean_and_spread() -> None:
    rng = np.random.default_rng(2)
    effects = 0.3 + 0.4 * rng.standard_normal(400)
    found = prior_after(
        *(
            past(float(e + 0.1 * n), 0.1, segment=str(i))
            for i, (e, n) in enumerate(zip(effects, rng.standard_normal(400), strict=True))
        )
    )
    assert found.mean == pytest.approx(0.3, abs=0.06)
    assert found.sd == pytest.approx(0.4, abs=0.04)


def test_the_spread_is_the_moment_estimate_by_hand() -> None:
    # Two opposite campaigns keep the mean at zero, so tau^2 = (6 * 0.21^2 + 2 * (0.5^2 - 0.1^2)) / 8.
    found = prior_after(past(0.5, 0.1), past(-0.5, 0.1))
    assert found.mean == pytest.approx(0)
    assert found.sd == pytest.approx(math.sqrt((6 * 0.21**2 + 2 * (0.25 - 0.01)) / 8))


def test_agreeing_campaigns_narrow_the_spread_but_never_below_a_third() -> None:
    found = prior_after(*(past(0.0, 0.3) for _ in range(200)))
    assert found.sd == pytest.approx(0.07)


def test_old_campaigns_count_for_less() -> None:
    assert 0 < prior_after(past(0.4, months=48)).mean < prior_after(past(0.4, months=12)).mean
    assert prior_after(past(0.4, months=12)).mean < prior_after(past(0.4)).mean


def test_a_campaign_that_proved_nothing_teaches_almost_nothing() -> None:
    assert prior_after(past(3.0, 10.0)).mean == pytest.approx(0.0, abs=0.01)


def test_neighbours_weigh_k_over_k_plus_five_and_halve_the_variance_at_most() -> None:
    prior = Prior(mean=0.0, sd=0.2)
    certain = Neighbour(effect=Effect(estimate=0.4, standard_error=1e-9), similarity=1.0)
    five = transfer(prior, [certain] * 5)
    assert five.mean == pytest.approx(0.2)
    assert five.sd == pytest.approx(0.2 * math.sqrt(0.5))
    assert transfer(prior, [certain] * 95).mean == pytest.approx(0.38)
    assert transfer(prior, [certain] * 95).sd == pytest.approx(0.2 * math.sqrt(0.5))
    one = transfer(prior, [certain])
    assert one.mean == pytest.approx(0.4 / 6)
    assert one.sd == pytest.approx(0.2 * math.sqrt(5 / 6))


def test_unlike_or_badly_measured_neighbours_hardly_count() -> None:
    prior = Prior(mean=0.0, sd=0.2)
    unlike = Neighbour(effect=Effect(estimate=0.4, standard_error=0.05), similarity=0.02)
    vague = Neighbour(effect=Effect(estimate=0.4, standard_error=3.0), similarity=1.0)
    assert transfer(prior, [unlike]).mean < 0.002
    assert transfer(prior, [vague]).mean < 0.002
    assert transfer(prior, []) == prior


def test_a_similarity_above_one_or_a_campaign_from_the_future_is_refused() -> None:
    with pytest.raises(MeasurementError):
        transfer(Prior(), [Neighbour(effect=Effect(estimate=0.4, standard_error=0.1), similarity=1.2)])
    with pytest.raises(MeasurementError):
        prior_after(past(0.4, months=-1))


def test_shrinking_removes_the_winners_curse_that_raw_effects_have() -> None:
    rng = np.random.default_rng(4)
    truth = 0.21 * rng.standard_normal((2000, 4))
    seen = truth + 0.3 * rng.standard_normal((2000, 4))
    winner = seen.argmax(axis=1)
    rows = np.arange(2000)
    raw = seen[rows, winner] - truth[rows, winner]
    shrunken = [shrink(Prior(), Effect(estimate=float(s), standard_error=0.3)).estimate for s in seen[rows, winner]]
    assert raw.mean() > 0.15
    assert abs(np.mean(np.array(shrunken) - truth[rows, winner])) < 0.02
