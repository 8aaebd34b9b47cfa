"""Numbers are told so that they say something: apart where they differ, and in points instead of log-odds."""

from __future__ import annotations

import pytest

from agents.learning.wording import Language, effect_points, percents_apart


@pytest.mark.parametrize(
    ("one", "other", "language", "told"),
    [
        (0.51, 0.55, "en", ("51 %", "55 %")),
        (0.9902, 0.9904, "en", ("99.02 %", "99.04 %")),
        (0.9902, 0.9904, "fr", ("99,02\u202f%", "99,04\u202f%")),
        (0.0123, 0.0124, "en", ("1.23 %", "1.24 %")),
        (0.99, 0.99, "en", ("99 %", "99 %")),
    ],
)
def test_two_shares_that_differ_are_never_told_alike(
    one: float, other: float, language: Language, told: tuple[str, str]
) -> None:
    assert percents_apart(one, other, language) == told


@pytest.mark.parametrize(
    ("effect", "base_rate", "told"),
    [(0.15, 0.5, "+3.74 points"), (-0.15, 0.5, "−3.74 points"), (0.0, 0.2, "+0.00 points")],
)
def test_an_effect_is_told_as_the_points_that_it_adds_to_a_rate(effect: float, base_rate: float, told: str) -> None:
    assert effect_points(effect, base_rate, "en") == told
