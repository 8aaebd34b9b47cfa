"""Worlds are drawn from their priors by their seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from evals.market.world import World


def test_a_seed_names_one_world() -> None:
    assert World.draw("normal", 4) == World.draw("normal", 4) != World.draw("normal", 5)


def test_worlds_of_one_seed_differ_by_their_kind_only() -> None:
    normal, null, harmful = (World.draw(kind, 4) for kind in ("normal", "null", "harmful"))
    assert normal.model_copy(update={"kind": "null"}) == null
    assert normal.model_copy(update={"kind": "harmful"}) == harmful


def test_a_world_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        setattr(World.draw("normal", 4), "effect_mean", 9.0)  # noqa: B010 -- the plain spelling is refused by mypy already


def test_constants_stay_inside_their_priors() -> None:
    worlds = [World.draw("normal", seed) for seed in range(300)]
    assert 0.40 < np.mean([world.effect_mean for world in worlds]) < 0.50
    assert 0.16 < np.std([world.effect_mean for world in worlds]) < 0.24
    for name, low, high in (
        ("effect_sd", 0.1, 0.5),
        ("decay_days", 2, 6),
        ("click_share", 0.015, 0.06),
        ("scanner_share", 0.1, 0.3),
        ("unsubscribe_share", 0.0005, 0.003),
    ):
        drawn = [getattr(world, name) for world in worlds]
        assert low <= min(drawn) < max(drawn) <= high, name


def test_the_season_averages_out_over_a_year_and_knows_the_weekday() -> None:
    world = World.draw("normal", 4).model_copy(update={"wave": 0.0, "peak_lift": 0.0})
    days = np.arange(17_167, 17_167 + 364)
    season = world.season(days)
    assert season.mean() == pytest.approx(1.0)
    # 2017-10-02 was a Monday.
    assert world.season(np.array([17_441]))[0] == world.weekday[0]
    assert world.season(days[:0]).size == 0
