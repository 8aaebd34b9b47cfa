"""Young contacts are no failures: the delay curve finds how much of what will come is in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.learning.counts import MeasurementError
from agents.learning.delay import delay_curve, part_in


def seen(counts: np.ndarray, today: int) -> np.ndarray:
    """What of cohort by day is known after ``today`` days; -1 for the rest."""
    cohort, day = np.indices(counts.shape)
    return np.where(cohort + day < today, counts, -1)


def test_the_curve_finds_the_true_one_although_late_conversions_of_young_cohorts_are_missing() -> None:
    true = np.asarray([0.5, 0.25, 0.15, 0.10])
    drawn = np.random.default_rng(3).multinomial(500, true, 12)
    found = delay_curve(seen(drawn, 12))
    assert found == pytest.approx(np.cumsum(true), abs=0.02)


def test_without_conversions_they_are_taken_to_come_evenly() -> None:
    assert delay_curve(np.zeros((1, 4), np.int64)) == pytest.approx([0.25, 0.5, 0.75, 1])


def test_a_contact_counts_for_the_part_that_should_be_in() -> None:
    curve = np.asarray([0.5, 1.0])
    assert part_in(curve, np.asarray([0.0, 0.5, 1.0, 1.5, 2.0, 9.0])).tolist() == [0, 0.25, 0.5, 0.75, 1, 1]


def test_a_window_without_days_is_refused() -> None:
    with pytest.raises(MeasurementError):
        delay_curve(np.zeros((3, 0), np.int64))


@given(
    rows=st.lists(st.lists(st.integers(0, 50), min_size=5, max_size=5), min_size=1, max_size=8),
    today=st.integers(1, 12),
)
@settings(deadline=None)
def test_the_curve_rises_to_one_whatever_was_seen(rows: list[list[int]], today: int) -> None:
    found = delay_curve(seen(np.asarray(rows), today))
    assert np.all(np.diff(found) >= 0)
    assert found[-1] == 1
    assert np.all(found > 0)
