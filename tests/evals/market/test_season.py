"""The real product through a small simulated season: the gate that what it does is what the market sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evals.market.rivals import NOTHING, ToAll, play
from evals.market.season import play_season, shop
from evals.market.world import World
from memory import ledger

DAYS = 9
"""Until the last look at the first letters."""
CONTACTS = 4_000
"""A tenth of fewer orders too seldom in a week for any verdict."""


@pytest.mark.slow(seconds=60)
def test_where_letters_do_harm_the_product_says_so_and_loses_less_than_the_shops_own_plan(tmp_path: Path) -> None:
    world = World.draw("harmful", 1).model_copy(update={"effect_mean": 2.0, "effect_sd": 0.1})
    with shop(tmp_path / "shop", world, CONTACTS) as (workspace, histories):
        season = play_season(workspace, histories, world, DAYS)
        with workspace.store.read() as connection:
            balance = ledger.reconcile(connection)
    silent, weekly = (play(plan, world, histories, DAYS) for plan in (ToAll(NOTHING), ToAll()))
    assert balance.states["sent"] == season.sent.sum() > 0
    # The same luck in both markets: whom nobody wrote to does what they do in silence, the others order less.
    untouched = season.sent == 0
    assert np.array_equal(season.revenue_cents[untouched], silent.revenue_cents[untouched])
    assert weekly.revenue_cents.sum() < season.revenue_cents.sum() < silent.revenue_cents.sum()
    assert season.verdicts["harms"] >= 1
