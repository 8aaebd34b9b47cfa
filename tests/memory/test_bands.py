"""Bands of contacts: where they begin, what they are called, and by which shares they draw."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from memory.bands import Bands, by_label, only, together
from memory.steps import Sequence
from tests import examples

ORDERS = Bands(feature="orders_count", cuts=(3, 8))
TWO = tuple(Sequence(key=key, title=key, steps=examples.play().sequences[0].steps, share=0.5) for key in ("one", "two"))


@pytest.mark.parametrize(
    ("value", "band"), [(None, 0), (0, 0), (2, 0), (2.9, 0), (3, 1), (7, 1), (8, 2), (500, 2), ("many", 0)]
)
def test_a_contact_is_in_the_band_of_their_number_and_in_the_lowest_without_one(value: object, band: int) -> None:
    assert ORDERS.place(value) == band


def test_a_band_is_called_by_its_number_in_the_readers_language() -> None:
    english = [ORDERS.label(place, "en") for place in range(3)]
    french = [ORDERS.label(place, "fr") for place in range(3)]
    assert english[0].endswith("< 3 or unknown")
    assert french[0].endswith("< 3 ou inconnu")
    assert english[1].endswith("≥ 3, < 8")
    assert english[2].endswith("≥ 8")
    assert not set(english) & set(french)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"cuts": (8, 3)}, "from the lowest on"),
        ({"cuts": (3, 3)}, "each once"),
        ({"cuts": ()}, "at least 1"),
        ({"feature": "orders_cuont"}, "orders_count"),
        ({"feature": "email"}, "email"),
    ],
)
def test_bands_that_tell_nobody_apart_are_refused_with_the_reason(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        Bands.model_validate({"feature": "orders_count", "cuts": (3,), **changes})


def test_shares_over_all_bands_are_weighed_by_contacts_and_evenly_where_there_are_none() -> None:
    shares = ({"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0})
    assert together(shares, [30, 10]) == pytest.approx({"a": 0.75, "b": 0.25})
    assert together(shares, [0, 0]) == together(shares, []) == pytest.approx({"a": 0.5, "b": 0.5})


def test_when_a_sequence_goes_each_band_keeps_the_proportions_of_the_others() -> None:
    shares = ({"a": 0.2, "b": 0.6, "c": 0.2}, {"a": 0.0, "b": 0.0, "c": 1.0})
    kept = only(shares, ["a", "b"], total=0.8)
    assert kept[0] == pytest.approx({"a": 0.2, "b": 0.6})
    assert kept[1] == pytest.approx({"a": 0.4, "b": 0.4})


def test_a_play_without_bands_has_one_set_of_shares_and_the_digest_it_always_had() -> None:
    play = examples.play(sequences=TWO)
    assert play.shares == ({"one": 0.5, "two": 0.5},)
    assert {"bands", "band_shares"}.isdisjoint(play.model_dump())
    assert by_label(play.bands, play.shares, "en") == {}


def test_what_a_band_draws_is_part_of_what_is_approved() -> None:
    alike = examples.play(sequences=TWO, bands=ORDERS)
    assert alike.shares == ({"one": 0.5, "two": 0.5},) * 3
    apart = examples.play(sequences=TWO, bands=ORDERS, band_shares=({"one": 0.1, "two": 0.9},) * 3)
    assert len({examples.play(sequences=TWO).digest, alike.digest, apart.digest}) == 3
    assert list(by_label(apart.bands, apart.shares, "en").values()) == list(apart.band_shares)


@pytest.mark.parametrize(
    ("bands", "shares", "what"),
    [
        (None, ({"one": 0.5, "two": 0.5},), "need as many bands"),
        (ORDERS, ({"one": 0.5, "two": 0.5},), "need as many bands"),
        (ORDERS, ({"one": 1.0},) * 3, "name every sequence"),
        (ORDERS, ({"one": 1.5, "two": -0.5},) * 3, "below 0"),
        (ORDERS, ({"one": 0.5, "two": 0.4},) * 3, "add up to 1"),
    ],
)
def test_shares_that_do_not_fit_the_bands_make_no_play(
    bands: Bands | None, shares: tuple[dict[str, float], ...], what: str
) -> None:
    with pytest.raises(ValidationError, match=what):
        examples.play(sequences=TWO, bands=bands, band_shares=shares)
