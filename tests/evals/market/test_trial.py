"""The fast path: what a null, a normal and a harmful world do to purchases, and whether customers look real."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from evals.market.history import Histories
from evals.market.trial import simulate_trial
from evals.market.world import World
from evals.shop.export import CUT_OFF, ShopCounts
from evals.shop.source import data_directory


def _half(histories: Histories, seed: int) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(histories.size) < 0.5


def _nobody(histories: Histories) -> NDArray[np.bool_]:
    return np.zeros(histories.size, dtype=np.bool_)


def test_the_same_seed_gives_the_same_outcomes_and_another_seed_others(histories: Histories) -> None:
    treated = _half(histories, 0)
    first, again, other = (
        simulate_trial(World.draw("normal", seed), histories, treated, starts_at=CUT_OFF) for seed in (3, 3, 4)
    )
    assert np.array_equal(first.orders, again.orders)
    assert np.array_equal(first.value_cents, again.value_cents)
    assert not np.array_equal(first.orders, other.orders)


def test_in_a_null_world_no_message_changes_any_purchase(histories: Histories) -> None:
    world = World.draw("null", 3)
    mailed = simulate_trial(world, histories, ~_nobody(histories), starts_at=CUT_OFF, message_days=(0, 3, 7))
    silent = simulate_trial(world, histories, _nobody(histories), starts_at=CUT_OFF)
    assert np.array_equal(mailed.orders, silent.orders)
    assert np.array_equal(mailed.value_cents, silent.value_cents)


def test_a_holdout_contact_buys_the_same_whatever_the_others_get(histories: Histories) -> None:
    world, treated = World.draw("normal", 3), _half(histories, 1)
    some = simulate_trial(world, histories, treated, starts_at=CUT_OFF)
    nobody = simulate_trial(world, histories, _nobody(histories), starts_at=CUT_OFF)
    assert np.array_equal(some.orders[~treated], nobody.orders[~treated])
    assert not np.array_equal(some.orders[treated], nobody.orders[treated])


@pytest.mark.parametrize("seed", range(5))
def test_in_a_harmful_world_messages_only_take_purchases_away(histories: Histories, seed: int) -> None:
    world = World.draw("harmful", seed)
    mailed = simulate_trial(world, histories, ~_nobody(histories), starts_at=CUT_OFF, message_days=(0, 7))
    silent = simulate_trial(world, histories, _nobody(histories), starts_at=CUT_OFF)
    assert np.all(mailed.orders <= silent.orders)
    assert mailed.orders.sum() < silent.orders.sum()
    assert mailed.converted.mean() < silent.converted.mean()


def test_in_normal_worlds_messages_help_on_average_but_not_in_every_world(histories: Histories) -> None:
    everybody, lifts = ~_nobody(histories), []
    for seed in range(40):
        world = World.draw("normal", seed)
        mailed = simulate_trial(world, histories, everybody, starts_at=CUT_OFF, window_days=14)
        silent = simulate_trial(world, histories, ~everybody, starts_at=CUT_OFF, window_days=14)
        lifts.append(mailed.orders.sum() / silent.orders.sum())
    assert 1.05 < np.mean(lifts) < 1.25
    assert min(lifts) < 1.0 < max(lifts) < 2.2


def test_without_messages_the_four_weeks_after_the_cut_off_come_out_as_they_really_did(histories: Histories) -> None:
    outcomes = [
        simulate_trial(World.draw("null", seed), histories, _nobody(histories), starts_at=CUT_OFF) for seed in range(20)
    ]
    with duckdb.connect() as db:
        real = db.execute(
            """
            SELECT count(DISTINCT basket_id) AS n FROM read_parquet($path)
            WHERE transaction_timestamp >= $start AND transaction_timestamp < $end GROUP BY household_id
            """,
            {
                "path": str(data_directory() / "transactions.parquet"),
                "start": CUT_OFF.replace(tzinfo=None),
                "end": (CUT_OFF + timedelta(days=28)).replace(tzinfo=None),
            },
        ).fetchnumpy()["n"]
    assert np.mean([outcome.orders.sum() for outcome in outcomes]) == pytest.approx(real.sum(), rel=0.06)
    assert np.mean([outcome.converted.sum() for outcome in outcomes]) == pytest.approx(real.size, rel=0.06)
    repeaters = [(outcome.orders >= 2).sum() / outcome.converted.sum() for outcome in outcomes]
    assert np.mean(repeaters) == pytest.approx((real >= 2).mean(), abs=0.06)


def test_order_values_spread_like_those_of_the_history(histories: Histories, shop: tuple[Path, ShopCounts]) -> None:
    outcome = simulate_trial(World.draw("null", 1), histories, _nobody(histories), starts_at=CUT_OFF)
    mean = outcome.value_cents.sum() / outcome.orders.sum()
    with duckdb.connect() as db:
        real = db.execute("SELECT avg(total) * 100 FROM read_csv($path)", {"path": str(shop[0] / "orders.csv")})
        assert mean == pytest.approx(real.fetchall()[0][0], rel=0.15)


def test_a_message_acts_only_after_its_delivery(histories: Histories) -> None:
    world, everybody = World.draw("normal", 3), ~_nobody(histories)
    late = simulate_trial(world, histories, everybody, starts_at=CUT_OFF, message_days=(20,), window_days=20)
    silent = simulate_trial(world, histories, ~everybody, starts_at=CUT_OFF, window_days=20)
    assert np.array_equal(late.orders, silent.orders)


def test_an_assignment_of_the_wrong_size_is_refused(histories: Histories) -> None:
    with pytest.raises(ValueError, match="one assignment per contact"):
        simulate_trial(World.draw("null", 1), histories, np.ones(3, dtype=np.bool_), starts_at=CUT_OFF)


@pytest.mark.slow
def test_over_200_null_worlds_differences_centre_on_zero_and_alarms_stay_at_their_rate(histories: Histories) -> None:
    scores = []
    for seed in range(200):
        treated = _half(histories, 1_000 + seed)
        bought = simulate_trial(World.draw("null", seed), histories, treated, starts_at=CUT_OFF).converted
        shares = np.array([bought[treated].mean(), bought[~treated].mean()])
        sizes = np.array([treated.sum(), (~treated).sum()])
        scores.append((shares[0] - shares[1]) / np.sqrt((shares * (1 - shares) / sizes).sum()))
    assert abs(np.mean(scores)) < 3 / np.sqrt(200)
    assert 0.8 < np.std(scores) < 1.2
    assert np.sum(np.abs(scores) > 1.96) <= binom.ppf(0.999, 200, 0.05)
