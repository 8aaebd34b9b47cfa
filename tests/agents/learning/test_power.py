"""What a list can prove, before anything is sent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.learning.counts import Counts, MeasurementError
from agents.learning.intervals import pooled_z
from agents.learning.power import contacts_needed, detection_limit

LISTS = (2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 500_000)
# Smallest relative lift in %, 10 % holdout, 80 % power, two-sided 5 %.
TABLE = {
    0.005: (294, 186, 132, 93, 59, 42, 19),
    0.01: (208, 131, 93, 66, 42, 29, 13),
    0.02: (146, 92, 65, 46, 29, 21, 9),
    0.05: (91, 58, 41, 29, 18, 13, 6),
}


@pytest.mark.parametrize("base_rate", TABLE)
def test_the_limits_are_those_of_the_published_table(base_rate: float) -> None:
    found = [100 * detection_limit(base_rate, n // 10, n - n // 10).relative for n in LISTS]
    assert found == pytest.approx(TABLE[base_rate], abs=0.6)


def test_a_lift_at_the_limit_is_seen_in_four_cases_out_of_five() -> None:
    limit = detection_limit(0.1, 10_000, 10_000)
    rng = np.random.default_rng(8)
    left = rng.binomial(10_000, 0.1, 3000)
    right = rng.binomial(10_000, 0.1 + limit.absolute, 3000)
    seen = sum(
        pooled_z(Counts(contacts=10_000, conversions=int(b)), Counts(contacts=10_000, conversions=int(a))) > 1.96
        for a, b in zip(left, right, strict=True)
    )
    assert seen / 3000 == pytest.approx(0.80, abs=0.03)


@given(st.floats(0.001, 0.5), st.integers(100, 100_000), st.integers(100, 100_000), st.integers(1, 10_000))
def test_a_larger_holdout_sees_smaller_lifts(base: float, holdout: int, treated: int, more: int) -> None:
    assert detection_limit(base, holdout + more, treated).absolute < detection_limit(base, holdout, treated).absolute


@given(st.floats(0.001, 0.5), st.integers(1000, 100_000))
def test_the_contacts_that_a_limit_needs_are_the_contacts_it_came_from(base: float, holdout: int) -> None:
    limit = detection_limit(base, holdout, 9 * holdout)
    assert contacts_needed(base, limit.absolute, 0.1) == pytest.approx(10 * holdout, abs=1)
    assert contacts_needed(base, -limit.absolute, 0.1) == contacts_needed(base, limit.absolute, 0.1)


def test_the_sentence_says_what_the_list_can_prove_in_both_languages() -> None:
    limit = detection_limit(0.02, 200, 1800)
    assert limit.sentence() == (
        "With 2,000 contacts, 200 of them in the holdout, we can only prove lifts of at least "
        "146 % (+2.92 points on a rate of 2.0 %)."
    )
    assert "146\u202f% (+2,92 points sur un taux de 2,0\u202f%)" in limit.sentence("fr")


@pytest.mark.parametrize(("base", "holdout", "treated"), [(0.0, 10, 10), (1.0, 10, 10), (0.1, 0, 10), (0.1, 10, 0)])
def test_what_cannot_be_measured_is_refused(base: float, holdout: int, treated: int) -> None:
    with pytest.raises(MeasurementError):
        detection_limit(base, holdout, treated)


@pytest.mark.parametrize(("lift", "share"), [(0.0, 0.1), (0.01, 0.0), (0.01, 1.0)])
def test_a_test_without_lift_or_holdout_has_no_size(lift: float, share: float) -> None:
    with pytest.raises(MeasurementError):
        contacts_needed(0.02, lift, share)
