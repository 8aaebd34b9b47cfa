"""Worlds of one seed differ by their family alone, and each family in the way that its name says."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from evals.market.demand import log_lift
from evals.market.event import Delivered
from evals.market.history import DAY_SECONDS, Histories
from evals.market.market import Market
from evals.market.noise import Floats, Ints
from evals.market.population import OPENS_AT
from evals.market.traits import draw_traits, response
from evals.market.world import Family, World

OPENS_DAY = OPENS_AT.timestamp() / DAY_SECONDS
FAMILIES: tuple[Family, ...] = ("split", "hidden", "drifting", "fading", "pulled")


def felt(
    family: Family, customers: Histories, letter: str, *, day: float = 1.0, read_before: int = 0, seed: int = 5
) -> Floats:
    """What one message adds for each contact."""
    world = World.draw("normal", seed, family)
    rows: Ints = np.arange(customers.size)
    return response(
        world,
        customers,
        draw_traits(world, customers),
        rows,
        np.full(rows.size, OPENS_DAY + day),
        np.zeros(rows.size),
        [letter] * rows.size,
        np.full(rows.size, read_before),
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_shares_every_other_constant_with_the_steady_world_of_its_seed(family: Family) -> None:
    plain, other = World.draw("normal", 5).model_dump(), World.draw("normal", 5, family).model_dump()
    assert len({name for name in plain if plain[name] != other[name]} - {"family"}) == 1


def test_in_a_split_world_a_letter_is_better_or_worse_by_the_band_and_in_a_hidden_one_is_not(
    customers: Histories,
) -> None:
    steady = felt("steady", customers, "news")
    left: dict[Family, float] = {}
    for family in FAMILIES[:2]:
        more = felt(family, customers, "news") - steady
        assert more.std() > 0.1
        left[family] = float(np.mean([more[customers.band == band].std() for band in range(3)]) / more.std())
    assert left["split"] < 0.7
    assert left["hidden"] > 0.9


def test_a_drifting_world_turns_once_and_for_every_letter(customers: Histories) -> None:
    turn = World.draw("normal", 5, "drifting").turns_after_days
    before, after = (felt("drifting", customers, "news", day=turn + step) for step in (-7.0, 7.0))
    assert np.allclose(before, felt("steady", customers, "news", day=turn - 7))
    assert not np.allclose(before, after)
    assert np.allclose(after, felt("drifting", customers, "news", day=turn + 14))


def test_a_letter_wears_out_in_a_fading_world_only(customers: Histories) -> None:
    once, thrice = (felt("fading", customers, "news", read_before=times) for times in (0, 2))
    assert np.allclose(thrice, once * World.draw("normal", 5, "fading").wear ** 2)
    assert np.allclose(felt("steady", customers, "news", read_before=2), once)


def test_the_market_counts_how_often_each_contact_read_a_letter(customers: Histories) -> None:
    world = World.draw("normal", 5, "fading").model_copy(update={"wear": 0.0})
    contact = int(customers.contact_ids[0])
    markets = [Market(world, customers, starts_at=OPENS_AT) for _ in range(2)]
    for letters, market in zip((("news", "news"), ("news", "story")), markets, strict=True):
        for day, letter in enumerate(letters):
            now = OPENS_AT + timedelta(days=day)
            message = Delivered(contact, f"m{day}", "weekly", None, now, is_offer=False, letter=letter)
            market.advance(now, now + timedelta(days=1), [message])
    again, other = (market._strength for market in markets)
    assert again[0] == other[0] != 0
    assert again[1] == 0 != other[1]


def test_in_a_pulled_world_what_a_message_adds_at_first_is_missed_later() -> None:
    world = World.draw("normal", 5, "pulled")
    ages = np.arange(0.05, 60 * world.decay_days, 0.1)
    one: Ints = np.zeros(ages.size, dtype=np.int64)
    lift = log_lift(world, one, ages, np.zeros((1, 1)), np.full((1, 1), 0.4))
    whole = log_lift(World.draw("normal", 5), one, ages, np.zeros((1, 1)), np.full((1, 1), 0.4))
    assert lift[0] > 0 > lift.min()
    assert lift.sum() / whole.sum() == pytest.approx(1 - world.pulled_share, abs=0.05)
