"""Numbers as people write them, in English and French."""

from __future__ import annotations

import math
from typing import Literal

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = ("en", "fr")
_NARROW = "\u202f"
_MOST_EXTRA = 4


def number(value: float, language: Language, decimals: int = 0, *, sign: bool = False) -> str:
    """12,345.6 in English, 12 345,6 in French."""
    # A value that rounds to zero must not be shown as -0.
    rounded = round(value, decimals) + 0.0
    text = f"{rounded:{'+' if sign else ''},.{decimals}f}"
    if language == "fr":
        text = text.replace(",", _NARROW).replace(".", ",")
    return text.replace("-", "\u2212")


def percent(share: float, language: Language) -> str:
    """A share as a percentage with as many decimals as its size deserves."""
    return _percent(share, language)


def percents_apart(one: float, other: float, language: Language) -> tuple[str, str]:
    """Two shares as percentages with decimals enough to tell them apart, unless they are as good as equal."""
    told = [(_percent(one, language, extra), _percent(other, language, extra)) for extra in range(_MOST_EXTRA + 1)]
    return next((pair for pair in told if pair[0] != pair[1]), told[0])


def effect_points(effect: float, base_rate: float, language: Language) -> str:
    """An effect on log-odds as what it adds to a rate, in signed percentage points."""
    odds = math.exp(effect) * base_rate / (1 - base_rate)
    return points(odds / (1 + odds) - base_rate, language)


def points(share: float, language: Language) -> str:
    """A difference of two shares, in signed percentage points."""
    value = 100 * share
    return f"{number(value, language, 2, sign=True)} points"


def money(cents: float, language: Language) -> str:
    """Minor units as signed major units; the currency is named by whoever shows it."""
    return number(cents / 100, language, 2, sign=True)


def _percent(share: float, language: Language, extra: int = 0) -> str:
    value = 100 * share
    text = number(value, language, _decimals(value) + extra)
    return f"{text}{_NARROW}%" if language == "fr" else f"{text} %"


def _decimals(value: float) -> int:
    if abs(value) >= 10:
        return 0
    return 1 if abs(value) >= 1 else 2
