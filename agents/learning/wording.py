"""Numbers as people write them, in English and French."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = ("en", "fr")
_NARROW = "\u202f"


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
    value = 100 * share
    text = number(value, language, _decimals(value))
    return f"{text}{_NARROW}%" if language == "fr" else f"{text} %"


def points(share: float, language: Language) -> str:
    """A difference of two shares, in signed percentage points."""
    value = 100 * share
    return f"{number(value, language, 2, sign=True)} points"


def money(cents: float, language: Language) -> str:
    """Minor units as signed major units; the currency is named by whoever shows it."""
    return number(cents / 100, language, 2, sign=True)


def _decimals(value: float) -> int:
    if abs(value) >= 10:
        return 0
    return 1 if abs(value) >= 1 else 2
