"""Many arms against one holdout make no false winner."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from agents.learning.counts import MeasurementError
from agents.learning.dunnett import dunnett_critical


@pytest.mark.parametrize(("arms", "critical"), [(1, 1.96), (2, 2.21), (3, 2.35), (4, 2.44), (5, 2.51), (10, 2.72)])
def test_equal_arms_have_the_critical_values_of_dunnetts_table(arms: int, critical: float) -> None:
    # Two-sided 5 %, infinite degrees of freedom.
    assert dunnett_critical(1000, [1000] * arms) == pytest.approx(critical, abs=0.006)


def test_unequal_arms_agree_with_the_multivariate_normal() -> None:
    sizes, holdout = [3000, 5000, 900], 1000
    critical = dunnett_critical(holdout, sizes)
    loads = np.sqrt([n / (n + holdout) for n in sizes])
    cov = np.outer(loads, loads)
    np.fill_diagonal(cov, 1.0)
    joint = multivariate_normal(mean=np.zeros(3), cov=cov, seed=1)
    inside = joint.cdf([critical] * 3, lower_limit=[-critical] * 3, rng=np.random.default_rng(1))
    assert 1 - inside == pytest.approx(0.05, abs=5e-4)


def test_arms_that_dwarf_the_holdout_all_rise_and_fall_with_it() -> None:
    # Then every comparison is the same comparison, and the bound is that of one.
    assert dunnett_critical(10, [1_000_000] * 5) == pytest.approx(1.96, abs=0.01)


@settings(deadline=None, max_examples=60)
@given(st.integers(10, 10_000), st.lists(st.integers(10, 50_000), min_size=1, max_size=8), st.floats(0.0001, 0.2))
def test_the_bound_lies_between_one_comparison_and_bonferroni(holdout: int, sizes: list[int], alpha: float) -> None:
    critical = dunnett_critical(holdout, sizes, alpha)
    assert norm.isf(alpha / 2) - 1e-6 <= critical <= norm.isf(alpha / 2 / len(sizes)) + 1e-6


@pytest.mark.parametrize(("holdout", "sizes"), [(0, [10]), (10, []), (10, [5, 0])])
def test_empty_arms_are_refused(holdout: int, sizes: list[int]) -> None:
    with pytest.raises(MeasurementError):
        dunnett_critical(holdout, sizes)
