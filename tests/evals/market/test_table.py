"""The closed-loop table: worlds drawn as stated, rivals that do what their name says, and numbers that add up."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from agents.playbook import load_playbook
from evals.market.history import Histories
from evals.market.letters import LETTERS, PLANS, PLAYBOOK, letter_of, write_playbook
from evals.market.noise import Ints
from evals.market.population import OPENS_AT, write_population
from evals.market.rivals import NOTHING, AbCommit, NaiveBandit, RfmTop, Rival, Seen, ToAll, play
from evals.market.seeds import worlds
from evals.market.table import NORIA, PlayedWorld, Settings, table_of
from evals.market.world import World
from evals.market_cli import market_command
from evals.market_page import write_page


def seen(histories: Histories, day: int, bought: Ints | None = None) -> Seen:
    rows = np.zeros(histories.size, dtype=np.bool_)
    if bought is not None:
        rows[bought] = True
    orders = histories.repeat_orders + 1
    spent = np.asarray(orders * 4_000.0, dtype=np.float64)
    return Seen(day, histories, orders, -histories.recency_days, spent, rows)


def test_each_set_has_its_own_worlds_in_the_stated_proportions() -> None:
    sets = [worlds(name) for name in ("development", "validation", "sealed")]
    assert all(Counter(one.kind for one in found) == {"normal": 20, "null": 5, "harmful": 3} for found in sets)
    assert len({one.seed for found in sets for one in found}) == 3 * 28
    opened, sealed = ({one.family for one in found} for found in (sets[0] + sets[1], sets[2]))
    assert sealed - opened == {"fading", "pulled"}
    assert {"hidden", "drifting"} <= opened & sealed


def test_the_population_is_the_same_twice_and_has_customers_of_every_band(tmp_path: Path, customers: Histories) -> None:
    for name in ("one", "two"):
        write_population(tmp_path / name, 300, opens_at=OPENS_AT, seed=1)
    files = [sorted((tmp_path / name).iterdir()) for name in ("one", "two")]
    assert all(one.read_bytes() == two.read_bytes() for one, two in zip(*files, strict=True))
    assert min(np.bincount(customers.band, minlength=3)) > 30


def test_weekly_and_three_daily_plans_write_on_their_days_and_silence_never(customers: Histories) -> None:
    for plan, days in ((ToAll(), [0, 7]), (ToAll(every_days=3), [0, 3, 6, 9]), (ToAll(NOTHING), [])):
        assert [day for day in range(11) if (plan.choose(seen(customers, day)) >= 0).all()] == days


def test_rfm_writes_to_two_fifths_and_among_them_to_who_orders_most(customers: Histories) -> None:
    chosen = RfmTop().choose(seen(customers, 0)) == 0
    assert chosen.sum() == 120
    assert customers.repeat_orders[chosen].mean() > customers.repeat_orders[~chosen].mean()


def test_a_b_tries_every_letter_and_silence_and_then_keeps_the_best(customers: Histories) -> None:
    plan, best = AbCommit(seed=1), LETTERS.index("picks")
    drawn = plan.choose(seen(customers, 0))
    assert set(drawn.tolist()) == {NOTHING, *range(len(LETTERS))}
    for week in range(1, 4):
        drawn = plan.choose(seen(customers, 7 * week, np.flatnonzero(drawn == best)))
    assert set(plan.choose(seen(customers, 28, np.flatnonzero(drawn == best))).tolist()) == {best}


@pytest.mark.parametrize("plan", [AbCommit(seed=1), NaiveBandit(seed=1)])
def test_a_letter_drawn_twice_comes_again_after_three_days_to_who_has_not_ordered(
    customers: Histories, plan: Rival
) -> None:
    first = plan.choose(seen(customers, 0))
    assert not (plan.choose(seen(customers, 2)) >= 0).any()
    quiet = plan.choose(seen(customers, 3))
    assert 0.3 < (quiet >= 0).mean() < 0.6
    assert np.all((quiet == NOTHING) | (quiet == first))
    bought = replace(seen(customers, 3), last_order_day=np.full(customers.size, 1.5))
    assert (plan.choose(bought) == NOTHING).all()
    assert not (plan.choose(seen(customers, 4)) >= 0).any()


def test_the_products_playbook_has_a_sequence_for_every_plan_of_the_market(tmp_path: Path) -> None:
    write_playbook(tmp_path)
    playbook = load_playbook(tmp_path / PLAYBOOK)
    sends = {one.key: [step for step in one.steps if step.kind == "send"] for one in playbook.sequences}
    assert {(letter_of(key), len(steps) == 2) for key, steps in sends.items()} == set(PLANS)


def test_the_naive_bandit_comes_to_prefer_what_sells_in_a_band(customers: Histories) -> None:
    plan = NaiveBandit(seed=1)
    drawn = plan.choose(seen(customers, 0))
    for week in range(1, 10):
        drawn = plan.choose(seen(customers, 7 * week, np.flatnonzero(drawn == customers.band)))
    shares = [(drawn[customers.band == band] == band).mean() for band in range(3)]
    assert min(shares) > 0.5


def test_rivals_share_all_luck_so_in_a_null_world_they_differ_by_their_messages_alone(customers: Histories) -> None:
    world = World.draw("null", 4)
    silent, weekly = (play(plan, world, customers, 21) for plan in (ToAll(NOTHING), ToAll()))
    assert np.array_equal(silent.revenue_cents, weekly.revenue_cents)
    assert silent.sent.sum() == 0
    assert 2.9 < weekly.sent.mean() <= 3


def test_whoever_left_gets_nothing_more(customers: Histories) -> None:
    world = World.draw("normal", 4).model_copy(update={"unsubscribe_share": 1.0})
    assert play(ToAll(), world, customers, 21).sent.mean() < 1.5


def played(cents: float, rival: float, oracle: float, seed: int = 1) -> PlayedWorld:
    return PlayedWorld(
        seed=seed,
        kind="normal",
        family="steady",
        cents={NORIA: cents, "weekly to all": rival},
        oracle_cents=oracle,
        messages={NORIA: 9.0, "weekly to all": 12.0},
        letters={},
        verdicts={},
        withheld={},
        product_seconds=60.0,
    )


SETTINGS = Settings(count=2, contacts=1_000, days=84)


def test_the_table_by_hand(tmp_path: Path) -> None:
    found = table_of(SETTINGS, [played(80, 40, 100), played(50, 30, 100, seed=2)], date(2026, 1, 1))
    assert found.means[NORIA] == {"all": 65, "normal": 65}
    assert found.of_oracle == pytest.approx({NORIA: 0.65, "weekly to all": 0.35})
    (against,) = found.against
    assert (against.mean_cents, against.won, against.worst_cents) == (30, 1, 20)
    # t(0.975, 1 df) = 12.706; standard deviation 14.142 over the root of 2.
    assert against.low_cents == pytest.approx(30 - 127.06, abs=0.01)
    assert found.microseconds_per_contact_day == pytest.approx(2 * 60e6 / (2 * 1_000 * 84))
    page = write_page(found, tmp_path / "market.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert "proves that the loop learns, never what marketing earns" in page


def test_worlds_that_are_kept_are_not_played_again_and_a_missed_target_fails_the_command(tmp_path: Path) -> None:
    for world, cents in zip(worlds("development", 2), (30.0, 31.0), strict=True):
        kept = played(cents, 40, 100, seed=world.seed)
        (tmp_path / f"{world.kind}-{world.family}-{world.seed}-1000x84.json").write_text(kept.model_dump_json())
    options = ["--worlds", "2", "--contacts", "1000", "--folder", str(tmp_path), "--html", str(tmp_path / "page.html")]
    app = Typer()
    app.command()(market_command)
    shown, as_json = (CliRunner().invoke(app, [*options, *more]) for more in ([], ["--json"]))
    assert (shown.exit_code, as_json.exit_code) == (1, 1)
    assert "Simulated: 2 worlds of the development set" in shown.output
    assert "30% of the oracle, 60% was wanted." in shown.output
    assert json.loads(as_json.output)["of_oracle"][NORIA] == pytest.approx(0.305)
    assert (tmp_path / "page.html").exists()


def test_a_missed_target_says_by_how_much_and_a_met_one_says_nothing() -> None:
    close = [played(80 + place, 40, 100, seed=place) for place in range(3)]
    assert table_of(SETTINGS, close, date(2026, 1, 1)).failures == ()
    missed = table_of(SETTINGS, [played(30, 40, 100), played(31, 40, 100)], date(2026, 1, 1)).failures
    assert missed[0] == "30% of the oracle, 60% was wanted."
    assert "Against weekly to all the lower bound is" in missed[1]
    null = played(-5, -3, 0).model_copy(update={"kind": "null"})
    failures = table_of(SETTINGS, [*close, null], date(2026, 1, 1)).failures
    assert any("In null worlds it earns -5" in line for line in failures)
