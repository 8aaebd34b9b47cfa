"""Drawing for a whole audience at once draws for each contact what is drawn for that one alone."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.assignment import (
    all_in_holdout,
    all_in_programme_holdout,
    draw_sequence,
    draw_sequences,
    draw_time,
    in_holdout,
    in_programme_holdout,
)

AT = datetime(2025, 3, 3, tzinfo=UTC)
IDS = np.arange(1, 2001)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_the_held_out_are_the_same(share: float) -> None:
    campaign = all_in_holdout("salt", "c1", IDS, share)
    programme = all_in_programme_holdout("salt", IDS, share, AT)
    assert campaign.tolist() == [in_holdout("salt", "c1", one, share) for one in IDS.tolist()]
    assert programme.tolist() == [in_programme_holdout("salt", one, share, AT) for one in IDS.tolist()]
    assert campaign.any() == programme.any() == (share > 0)


@pytest.mark.parametrize(
    "shares", [{"one": 1.0}, {"b": 0.5, "a": 0.5}, {"c": 0.2, "a": 0.7, "b": 0.1}, {"a": 0.0, "b": 0.3, "c": 0.6}]
)
def test_the_sequences_are_the_same(shares: dict[str, float]) -> None:
    keys = sorted(shares)
    drawn = [
        keys[place] for place in draw_sequences("salt", "c1", IDS, np.zeros(len(IDS), np.intp), (shares,)).tolist()
    ]
    assert drawn == [draw_sequence("salt", "c1", one, 1, shares)[0] for one in IDS.tolist()]
    assert set(drawn) == {key for key, share in shares.items() if share}


def test_each_band_draws_by_its_own_shares() -> None:
    bands = np.arange(len(IDS)) % 2
    shares = ({"a": 1.0, "b": 0.0}, {"a": 0.25, "b": 0.75})
    drawn = draw_sequences("salt", "c1", IDS, bands, shares)
    assert not drawn[bands == 0].any()
    assert drawn[bands == 1].tolist() == [
        int(draw_sequence("salt", "c1", one, 1, shares[1])[0] == "b") for one in IDS[bands == 1].tolist()
    ]


@given(own=st.integers(0, 23), first=st.integers(0, 23), hours=st.integers(1, 24), explored=st.floats(0, 0.5))
def test_a_drawn_hour_lies_in_the_window_and_comes_with_its_probability(
    own: int, first: int, hours: int, explored: float
) -> None:
    window = range(first, min(first + hours, 24))
    own = min(max(own, window.start), window.stop - 1)
    for contact in range(20):
        hour, probability = draw_time("salt", "hour", "c1", contact, 1, "step", own, window, explored)
        assert hour in window
        others = len(window) - 1
        expected = 1 - explored if hour == own else explored / others
        assert probability == pytest.approx(expected if others and explored else 1.0)


def test_as_many_are_drawn_another_hour_as_are_to_be_explored_and_each_as_often() -> None:
    drawn = [draw_time("salt", "hour", "c1", one, 1, "step", 12, range(9, 19), 0.3)[0] for one in IDS.tolist()]
    assert drawn == [draw_time("salt", "hour", "c1", one, 1, "step", 12, range(9, 19), 0.3)[0] for one in IDS.tolist()]
    counts = np.bincount(drawn, minlength=19)
    assert counts[12] / len(IDS) == pytest.approx(0.7, abs=0.04)
    others = np.delete(counts[9:], 3)
    assert others.min() > 0.6 * others.mean()


@given(own=st.integers(0, 6), others=st.sets(st.integers(0, 6), max_size=6), explored=st.floats(0, 0.5))
def test_a_drawn_weekday_is_one_of_those_approved_and_comes_with_its_probability(
    own: int, others: set[int], explored: float
) -> None:
    approved = tuple(sorted({own, *others}))
    for contact in range(30):
        weekday, probability = draw_time("salt", "weekday", "c1", contact, 1, "step", own, approved, explored)
        assert weekday in approved
        alone = not explored or len(approved) == 1
        expected = 1.0 if alone else 1 - explored if weekday == own else explored / (len(approved) - 1)
        assert probability == expected


def test_the_weekday_of_a_contact_says_nothing_of_their_hour() -> None:
    hours = [draw_time("salt", "hour", "c1", one, 1, "step", 12, range(9, 19), 0.5)[0] == 12 for one in IDS.tolist()]
    days = [draw_time("salt", "weekday", "c1", one, 1, "step", 2, range(5), 0.5)[0] == 2 for one in IDS.tolist()]
    both = sum(hour and day for hour, day in zip(hours, days, strict=True)) / len(hours)
    assert both == pytest.approx(0.25, abs=0.03)
