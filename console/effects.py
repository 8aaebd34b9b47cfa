"""Effects as people read them: how many more of a thousand contacts reach the goal."""

from __future__ import annotations

from math import exp

from memory.lessons import Lesson
from memory.proposal import SMALLEST_RATE


def per_thousand(effect: float, base_rate: float) -> float:
    """Additional contacts who reach the goal, of a thousand of whom ``base_rate`` would anyway.

    ``effect`` is on log-odds, as it is measured and forecast.
    """
    rate = min(max(base_rate, SMALLEST_RATE), 1 - SMALLEST_RATE)
    odds = rate / (1 - rate) * exp(effect)
    return 1000 * (odds / (1 + odds) - rate)


def rate_without(lesson: Lesson) -> float:
    """The share of the holdout that reached the goal, where a lesson names it; else that of all."""
    held_out = lesson.evidence.get("holdout") or {}
    contacts, reached = held_out.get("contacts", lesson.contacts), held_out.get("conversions", lesson.conversions)
    return reached / contacts if contacts else 0.0


def lesson_per_thousand(lesson: Lesson) -> tuple[float, float, float]:
    """What a lesson says was added per thousand contacts, and the two ends that hold it nine times in ten."""
    reach, rate = 1.645 * lesson.standard_error, rate_without(lesson)
    low, middle, high = (per_thousand(lesson.effect + step, rate) for step in (-reach, 0.0, reach))
    return middle, low, high
