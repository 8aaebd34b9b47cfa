"""Values of policies that nobody ran are right on average, and their intervals hold them."""

from __future__ import annotations

import numpy as np
import pytest

from agents.learning.counts import MeasurementError
from agents.learning.off_policy import difference, doubly_robust, snips, value_of

RATES = np.asarray([0.1, 0.3])


def drawn(seed: int, contacts: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arms drawn with unequal probabilities that differ by contact, and their outcomes."""
    rng = np.random.default_rng(seed)
    often = rng.uniform(0.2, 0.8, contacts)
    probabilities = np.column_stack([often, 1 - often])
    arms = (rng.random(contacts) > often).astype(np.intp)
    return arms, (rng.random(contacts) < RATES[arms]).astype(float), probabilities


@pytest.mark.parametrize("predicted", [0.0, 0.2, 5.0], ids=["none", "near", "absurd"])
def test_doubly_robust_values_are_right_whatever_the_prediction(predicted: float) -> None:
    found = []
    for seed in range(200):
        arms, outcomes, probabilities = drawn(seed)
        scores = doubly_robust(arms, outcomes, probabilities, np.full((len(arms), 2), predicted))
        found.append(value_of(scores, np.ones(len(arms), np.intp)).mean)
    assert np.mean(found) == pytest.approx(RATES[1], abs=4 * np.std(found) / np.sqrt(len(found)))


def test_snips_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    held = 0
    for seed in range(300):
        arms, outcomes, probabilities = drawn(seed)
        value = snips(arms, outcomes, probabilities, np.zeros(len(arms), np.intp))
        held += value.low <= RATES[0] <= value.high
    assert 0.90 <= held / 300 <= 0.985


def test_a_difference_of_a_policy_with_itself_is_nothing() -> None:
    arms, outcomes, probabilities = drawn(1)
    scores = doubly_robust(arms, outcomes, probabilities, np.zeros((len(arms), 2)))
    assert difference(scores, arms, arms).model_dump() | {"contacts": 0} == dict.fromkeys(
        ("mean", "low", "high", "standard_error", "contacts"), 0
    )


def test_what_was_never_drawn_cannot_be_valued() -> None:
    arms, outcomes, probabilities = drawn(1)
    with pytest.raises(MeasurementError, match="Nobody got"):
        snips(np.zeros(len(arms), np.intp), outcomes, probabilities, np.ones(len(arms), np.intp))
    with pytest.raises(MeasurementError, match="above zero"):
        doubly_robust(arms, outcomes, np.zeros_like(probabilities), np.zeros_like(probabilities))
