"""What another rhythm of letters would add: slower where letters tire, faster only behind its bound, else neither."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.learning.cadence import FADES_DAYS, FEWEST_LETTERS, Floats, Step, fatigue, settled_fatigue, weigh_step
from agents.learning.counts import MeasurementError

WEEKLY, FORTNIGHTLY = 7, 14


def series(
    seed: int, people: int, every: int, letters: int, *, first: float, tires: float, held_out: float = 0.1
) -> tuple[list[float], list[float], Floats, Floats]:
    """People who order in 3 % of intervals, some far more often; a letter multiplies that by 1 + first - tires F."""
    rng = np.random.default_rng(seed)
    days = [float(every * one) for one in range(letters)]
    habit = np.clip(0.03 * rng.gamma(1.0, 1.0, size=people), 0, 0.5)
    out = rng.random(people) < held_out
    lift = 1 + np.where(out, 0.0, 1.0)[:, None] * (first - tires * fatigue(days))[None, :]
    reached = (rng.random((people, letters)) < np.clip(habit[:, None] * lift, 0, 1)).astype(float)
    return days, [1.0] * letters, reached[~out], reached[out]


def weigh(told: tuple[list[float], list[float], Floats, Floats], now: int, then: int, **more: Any) -> Step:
    found = weigh_step(*told, now_days=now, then_days=then, **{"critical": 3.0, **more})
    assert found is not None
    return found


def test_where_each_letter_tires_fewer_of_them_surely_bring_more_and_more_of_them_do_not() -> None:
    told = series(1, 12_000, WEEKLY, 10, first=0.8, tires=1.0)
    slower = weigh(told, WEEKLY, FORTNIGHTLY)
    assert slower.gain.low > 0
    assert slower.each_then > slower.each_now
    assert weigh(told, WEEKLY, 4).gain.high < 0


def test_where_letters_sell_again_and_again_fewer_of_them_surely_bring_less() -> None:
    assert weigh(series(2, 40_000, WEEKLY, 12, first=0.8, tires=0.0), WEEKLY, FORTNIGHTLY).gain.high < 0


def test_where_letters_sell_more_of_them_are_surely_better_on_a_large_list_and_not_shown_on_a_small_one() -> None:
    large = weigh(series(3, 60_000, FORTNIGHTLY, 6, first=4.0, tires=0.0, held_out=0.25), FORTNIGHTLY, WEEKLY)
    assert large.gain.low > 0
    small = weigh(series(3, 3_000, FORTNIGHTLY, 6, first=4.0, tires=0.0, held_out=0.25), FORTNIGHTLY, WEEKLY)
    assert small.gain.low < 0 < small.gain.value


def test_letters_without_an_effect_move_nothing_and_the_error_is_as_large_as_it_is_said_to_be() -> None:
    """Of 200 worlds without an effect a bound of 1.645 lets 5 % through by chance, either way; people differ much."""
    told = [series(100 + one, 2_000, WEEKLY, 8, first=0.0, tires=0.0, held_out=0.2) for one in range(200)]
    slower = sum(weigh(one, WEEKLY, FORTNIGHTLY, critical=1.645).gain.low > 0 for one in told)
    faster = sum(weigh(one, WEEKLY, 4, critical=1.645).gain.low > 0 for one in told)
    assert slower <= 20
    assert faster <= 20
    assert not any(weigh(one, WEEKLY, FORTNIGHTLY).gain.low > 0 for one in told)


@pytest.mark.parametrize(("cost", "better"), [(0.0, False), (0.5, True)])
def test_what_a_letter_costs_speaks_for_fewer_of_them(cost: float, better: bool) -> None:
    told = series(4, 12_000, WEEKLY, 8, first=0.2, tires=0.0)
    assert (weigh(told, WEEKLY, FORTNIGHTLY, cost=cost).gain.low > 0) is better


def test_a_letter_that_went_to_half_of_them_did_twice_as_much_to_each() -> None:
    days, _, treated, holdout = series(5, 4_000, WEEKLY, 6, first=0.5, tires=0.0)
    all_of_them = weigh((days, [1.0] * 6, treated, holdout), WEEKLY, FORTNIGHTLY)
    half_of_them = weigh((days, [0.5] * 6, treated, holdout), WEEKLY, FORTNIGHTLY)
    assert half_of_them.each_now == pytest.approx(2 * all_of_them.each_now)


def test_too_few_letters_or_buyers_say_nothing() -> None:
    told = series(6, 4_000, WEEKLY, FEWEST_LETTERS, first=0.5, tires=0.0)
    ask: Any = {"now_days": WEEKLY, "then_days": FORTNIGHTLY, "critical": 3.0}
    assert weigh_step(*told, **ask) is not None
    days, written, treated, holdout = told
    assert weigh_step(days[:-1], written[:-1], treated[:, :-1], holdout[:, :-1], **ask) is None
    assert weigh_step(days, written, treated, holdout[:50], **ask) is None
    with pytest.raises(MeasurementError, match="not two rhythms"):
        weigh_step(*told, now_days=7, then_days=7, critical=3.0)


def test_fatigue_settles_where_the_closed_form_says() -> None:
    assert fatigue([0.0])[0] == 0
    assert fatigue([0.0, FADES_DAYS])[1] == pytest.approx(np.exp(-1))
    assert fatigue([7.0 * one for one in range(60)])[-1] == pytest.approx(settled_fatigue(7))
    assert settled_fatigue(7) > settled_fatigue(14) > settled_fatigue(28)


@given(st.integers(0, 10_000), st.integers(3, 40), st.integers(3, 40), st.floats(0, 0.05))
@settings(max_examples=40)
def test_what_one_rhythm_gains_the_other_loses_so_that_never_both_are_surely_better(
    seed: int, now: int, then: int, cost: float
) -> None:
    told = series(seed, 1_500, WEEKLY, 5, first=0.5, tires=0.3, held_out=0.3)
    if now == then:
        return
    there, back = weigh(told, now, then, cost=cost), weigh(told, then, now, cost=cost)
    assert there.gain.value == pytest.approx(-back.gain.value)
    assert there.gain.low == pytest.approx(-back.gain.high)
    assert not (there.gain.low > 0 and back.gain.low > 0)
