"""Read amounts and quantities as people and spreadsheets write them: `12,50 €`, `$1,234.50`, `1 234,5`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Literal

from babel.numbers import get_currency_precision

Mark = Literal[".", ","]

_SPACES = re.compile(r"[\s\u00a0\u2007\u2009\u202f'’]+")
_SHAPE = re.compile(
    r"^(?P<open>\()?\s*(?P<sign>[-+−])?\s*(?P<before>[^\d\s.,()+−-]*)\s*(?P<sign2>[-+−])?\s*"
    r"(?P<number>[\d.,][\d.,\s\u00a0\u2007\u2009\u202f'’]*)(?P<sign3>[-−])?\s*(?P<after>[^\d.,()]*?)\s*\)?$"
)
_SYMBOLS = {
    "€": {"EUR"},
    "$": {"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN"},
    "us$": {"USD"},
    "ca$": {"CAD"},
    "c$": {"CAD"},
    "a$": {"AUD"},
    "£": {"GBP"},
    "¥": {"JPY", "CNY"},
    "₹": {"INR"},
    "fr.": {"CHF"},
    "kr": {"SEK", "NOK", "DKK"},
    "kr.": {"DKK"},
    "zł": {"PLN"},
    "r$": {"BRL"},
    "euro": {"EUR"},
    "euros": {"EUR"},
}


class UnreadableError(ValueError):
    """A cell does not say what its column must; the text is a reason that names no person."""


@dataclass(frozen=True, slots=True)
class MarkEvidence:
    """How often a column's numbers show that the comma, or the point, is the decimal mark."""

    comma: int = 0
    point: int = 0
    open: int = 0
    """Numbers such as 1,234 that could be either."""


@cache
def minor_digits(currency: str) -> int:
    """Digits after the decimal mark of a currency: 2 for EUR, 0 for JPY, 3 for KWD."""
    return int(get_currency_precision(currency))


def read_minor_units(text: str, *, mark: Mark, currency: str) -> int:
    """An amount in minor units of the currency, half a unit rounded up. Raises UnreadableError."""
    number, tokens = _split(text)
    for token in tokens:
        if currency not in _SYMBOLS.get(token.lower(), {token.upper()}):
            known = token.lower() in _SYMBOLS or (len(token) == 3 and token.isalpha())
            raise UnreadableError(
                f"the amount is in another currency than {currency}" if known else "this is not an amount"
            )
    value = read_decimal(number, mark)
    return int((value * 10 ** minor_digits(currency)).to_integral_value(ROUND_HALF_UP))


def read_whole_number(text: str, *, mark: Mark) -> int:
    """A count such as 2, 2.0 or 1 200. Raises UnreadableError for 2,5."""
    number, tokens = _split(text)
    value = read_decimal(number, mark)
    if tokens or value != value.to_integral_value():
        raise UnreadableError("this is not a whole number")
    return int(value)


def read_percent(text: str, *, mark: Mark) -> int:
    """A percentage in basis points: "10", "10 %" and "10,0%" are 1000."""
    number, tokens = _split(text)
    if tokens not in ([], ["%"]):
        raise UnreadableError("this is not a percentage")
    return int((read_decimal(number, mark) * 100).to_integral_value(ROUND_HALF_UP))


def read_decimal(number: str, mark: Mark) -> Decimal:
    """A number with digits, one optional decimal mark and thousands marks in groups of three.

    ``mark`` decides only where the number itself does not: 1,234 and 1.234.
    """
    spaced = _SPACES.split(number.strip())
    if len(spaced) > 1:
        head = re.split(r"[.,]", spaced[-1])[0]
        if not (1 <= len(spaced[0].lstrip("+-")) <= 3 and all(len(part) == 3 for part in (*spaced[1:-1], head))):
            raise UnreadableError("this is not an amount")
    bare = "".join(spaced)
    decimal = _decimal_mark(bare, mark)
    thousands = {".": ",", ",": "."}[decimal]
    whole, _, rest = bare.partition(decimal)
    if thousands in rest or decimal in rest:
        raise UnreadableError("this is not an amount")
    if thousands in whole:
        first, *groups = whole.lstrip("+-").split(thousands)
        if not 1 <= len(first) <= 3 or any(len(group) != 3 for group in groups):
            raise UnreadableError("this is not an amount")
        whole = whole.replace(thousands, "")
    joined = f"{whole or '0'}.{rest or '0'}"
    if not re.fullmatch(r"[+-]?\d+\.\d+", joined, re.ASCII) or len(joined) > 20:
        raise UnreadableError("this is not an amount")
    return Decimal(joined)


def mark_evidence(texts: set[str]) -> MarkEvidence:
    """What the numbers of a column show about its decimal mark."""
    comma = point = undecided = 0
    for text in texts:
        bare = re.sub(r"[^\d.,]", "", text)
        commas, points = bare.count(","), bare.count(".")
        if commas and points:
            last_is_comma = bare.rindex(",") > bare.rindex(".")
            comma, point = comma + last_is_comma, point + (not last_is_comma)
        elif commas == 1 or points == 1:
            before, after = re.split(r"[.,]", bare)
            if len(after) == 3 and 1 <= len(before) <= 3 and before != "0":
                undecided += 1
            elif commas:
                comma += 1
            else:
                point += 1
        elif commas > 1:
            point += 1
        elif points > 1:
            comma += 1
    return MarkEvidence(comma, point, undecided)


def _decimal_mark(bare: str, mark: Mark) -> Mark:
    commas, points = bare.count(","), bare.count(".")
    if commas and points:
        return "," if bare.rindex(",") > bare.rindex(".") else "."
    if commas + points == 0:
        return mark
    found: Mark = "," if commas else "."
    other: Mark = "." if commas else ","
    if commas + points > 1:
        return other
    before, after = bare.lstrip("+-").split(found)
    if len(after) == 3 and 1 <= len(before) <= 3 and before != "0":
        return mark
    return found


def _split(text: str) -> tuple[str, list[str]]:
    """The bare number, signed, and the words and symbols around it."""
    if text.isdecimal() and text.isascii():
        return text, []
    match = _SHAPE.match(text.strip())
    if match is None:
        raise UnreadableError("this is not an amount")
    signs = [match[sign] for sign in ("sign", "sign2", "sign3") if match[sign]]
    if len(signs) + bool(match["open"]) > 1:
        raise UnreadableError("this is not an amount")
    negative = bool(match["open"]) or signs in (["-"], ["−"])
    tokens = [token.strip() for token in (match["before"], match["after"]) if token.strip()]
    return ("-" if negative else "") + match["number"].strip(), tokens
