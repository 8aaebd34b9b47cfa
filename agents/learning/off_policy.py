"""What another policy would have earned, from contacts whose arms were drawn by logged probabilities."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from agents.learning.counts import Frozen, MeasurementError
from agents.learning.intervals import critical_value
from agents.learning.looks import sequence_reach

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
# Contacts of the mean of all that an arm's own mean is pulled by.
_PULL = 20.0


class Value(Frozen):
    """An outcome per contact, with its 95 % interval, its standard error and the contacts behind it."""

    mean: float
    low: float
    high: float
    standard_error: float
    contacts: int


def doubly_robust(arms: Places, outcomes: Floats, probabilities: Floats, predicted: Floats) -> Floats:
    """A score for each contact (row) and arm (column) whose mean is what that arm would have earned.

    m_k(x) + 1{arm = k} (y - m_k(x)) / p_k: right if either the prediction m or the probability p is (Robins, Rotnitzky
    and Zhao 1994; Dudik, Langford and Li 2011). ``predicted`` must not have seen the contacts it is used for. Raises
    MeasurementError where an arm was drawn with a probability of zero.
    """
    rows = np.arange(len(arms))
    drawn_by = _drawn_by(arms, probabilities)
    scores = predicted.astype(np.float64, copy=True)
    scores[rows, arms] += (outcomes - predicted[rows, arms]) / drawn_by
    return scores


def value_of(scores: Floats, choice: Places) -> Value:
    """What giving each contact the chosen arm would have earned per contact, by doubly robust scores."""
    return _value(scores[np.arange(len(choice)), choice])


def difference(scores: Floats, choice: Places, other: Places) -> Value:
    """By how much one choice earns more than another, contact by contact: what both would do cancels out."""
    rows = np.arange(len(choice))
    return _value(scores[rows, choice] - scores[rows, other])


def snips(arms: Places, outcomes: Floats, probabilities: Floats, choice: Places) -> Value:
    """The same without any model: the mean of those who happened to get what they would, weighted by 1 / p.

    Self-normalised inverse propensity scores (Swaminathan and Joachims 2015), interval by the delta method.
    """
    weights = (arms == choice) / _drawn_by(arms, probabilities)
    total = float(weights.sum())
    if not total:
        raise MeasurementError(
            "Nobody got what this policy would give them, so nothing is known of it.",
            remedy="Draw every arm with some probability.",
        )
    mean = float(weights @ outcomes) / total
    error = math.sqrt(float(((weights * (outcomes - mean)) ** 2).sum())) / total
    return _interval(mean, error, len(arms))


def mixed(scores: Floats, mix: Floats) -> Floats:
    """For each contact what drawing its arm by these shares (contact by arm) would have earned."""
    each: Floats = (scores * mix).sum(axis=1)
    return each


def watched(each: Floats) -> Value:
    """The mean of a score per contact with a 95 % interval that holds however often one looks.

    Asymptotic confidence sequence, as ``looks.confidence_sequence``. Raises MeasurementError for a single contact.
    """
    found = _value(each)
    reach = sequence_reach(found.standard_error**2 * len(each), len(each))
    return found.model_copy(update={"low": found.mean - reach, "high": found.mean + reach})


def contacts_to_show(gain: Value) -> int:
    """About how many contacts it would take for the interval to leave zero out; 0 where it looks even."""
    return math.ceil(gain.contacts * ((gain.mean - gain.low) / gain.mean) ** 2) if gain.mean else 0


def arm_means(arms: Places, outcomes: Floats, number: int) -> Floats:
    """For each contact and arm the mean outcome of that arm among other contacts, as ``doubly_robust`` needs it.

    Two halves, each predicted by the other; an arm that few drew is pulled towards the mean of all. The halves are
    drawn, always alike, because the order in which contacts stand may go with their arm.
    """
    half = np.random.default_rng(len(arms)).permutation(len(arms)) % 2
    found = np.empty((len(arms), number))
    for side in (0, 1):
        seen = half != side
        overall = float(outcomes[seen].mean()) if seen.any() else 0.0
        counts = np.bincount(arms[seen], minlength=number)
        sums = np.bincount(arms[seen], weights=outcomes[seen], minlength=number)
        found[~seen] = (sums + _PULL * overall) / (counts + _PULL)
    return found


def _drawn_by(arms: Places, probabilities: Floats) -> Floats:
    drawn_by: Floats = probabilities[np.arange(len(arms)), arms]
    if not len(arms) or drawn_by.min() <= 0:
        raise MeasurementError("Every contact needs the probability above zero by which its arm was drawn.")
    return drawn_by


def _value(each: Floats) -> Value:
    error = float(each.std(ddof=1)) / math.sqrt(len(each)) if len(each) > 1 else math.inf
    if not math.isfinite(error):
        raise MeasurementError("One contact has no interval.")
    return _interval(float(each.mean()), error, len(each))


def _interval(mean: float, error: float, contacts: int) -> Value:
    reach = critical_value(0.05) * error
    return Value(mean=mean, low=mean - reach, high=mean + reach, standard_error=error, contacts=contacts)
