"""The benchmark of allocation is fair: one market for all, nothing known too early, and nobody beats the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from evals.bench.allocation import compare, main
from evals.bench.allocators import ALLOCATORS, Hierarchical, Uniform
from evals.bench.bandits import RIVALS, missing
from evals.bench.trickle import ARMS, DAYS, REGIMES, SEGMENTS, WINDOW_DAYS, Trickle


def test_a_market_is_the_same_for_everybody_and_conversions_are_seen_only_when_they_come() -> None:
    one, other = (Trickle.draw(REGIMES["mixed"], 100, 4) for _ in range(2))
    assert np.array_equal(one.rates, other.rates)
    even = np.full((SEGMENTS, ARMS), 20)
    for day in range(3):
        seen = one.convert(day, even)
    assert seen.shape == (3, WINDOW_DAYS, SEGMENTS, ARMS)
    assert [int((seen[cohort, :, 0, 0] >= 0).sum()) for cohort in range(3)] == [3, 2, 1]


def test_the_oracle_is_out_of_reach_and_equal_shares_gain_nothing() -> None:
    names = [next(iter(ALLOCATORS)), "equal shares for ever"]
    noria, uniform = compare("main", 2000, 2, 10, names)
    assert 0 < noria.gain_percent < 100
    assert abs(uniform.gain_percent) < 1
    assert noria.regret_conversions > 0


def test_noria_learns_within_the_sixty_days() -> None:
    market, allocator = Trickle.draw(REGIMES["main"], 3000, 11), Hierarchical(11)
    rng = np.random.default_rng(1)
    for day in range(DAYS):
        shares = allocator.shares(day)
        entered = market.enter(day, shares, rng)
        allocator.learn(day, entered, market.convert(day, entered))
    last = market.rates[-1]
    assert (shares * last).sum() > 0.9 * last.max(axis=1).sum() > last.mean(axis=1).sum()
    assert shares.sum(axis=1) == pytest.approx(1)


def test_what_is_not_installed_is_named_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--runs", "2", "--regime", "null", "--per-day", "50", "--method", "equal"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in missing())
    assert set(missing()) <= set(RIVALS)


def test_every_team_made_allocator_gives_whole_shares() -> None:
    for name, make in ALLOCATORS.items():
        assert make(1).shares(0).sum(axis=1) == pytest.approx(1), name
    assert isinstance(ALLOCATORS["equal shares for ever"](1), Uniform)
