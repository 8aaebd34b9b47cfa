"""The segment builder: rows of a form that say, in the closed grammar, whom something is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from console.screens.decide import count_of, float_of
from memory.errors import InvalidInputError
from memory.events import KINDS
from memory.features.registry import REGISTRY
from memory.segments.grammar import (
    EVERYBODY,
    All,
    AnyOf,
    Between,
    Compare,
    Events,
    Expression,
    Missing,
    Not,
    OneOf,
    Operator,
    Scalar,
    canonical,
    parse,
)
from memory.segments.sentence import VALUE_NAMES

EVENT: Final = "event:"
"""Begins what a row asks about where it counts events."""
SIGNS: Final = {
    "==": "is",
    "!=": "is known and not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
    "between": "is from … to",
    "one_of": "is one of",
    "known": "is known",
    "missing": "is unknown",
}
"""What a row may say, and the words for it."""
COUNTED: Final = tuple(sorted(KINDS))
MOST_ROWS: Final = 20
_BETWEEN: Final = ";"
_USUAL_DAYS: Final = 30
_YES: Final = frozenset({"yes", "oui", "true", "1"})
_NO: Final = frozenset({"no", "non", "false", "0"})
_FIELDS: Final = ("join", "negated", "what", "sign", "value", "days", "category")


@dataclass(frozen=True, slots=True)
class Row:
    """One condition, and whether it adds to the one above (and) or is another way to fulfil it (or)."""

    what: str
    sign: str = ">="
    value: str = ""
    join: Literal["and", "or"] = "and"
    negated: bool = False
    days: str = ""
    category: str = ""

    @property
    def counts_events(self) -> bool:
        return self.what.startswith(EVENT)


def read_rows(given: Mapping[str, str]) -> list[Row]:
    """The rows that a form sent, without those in which nothing was chosen."""
    rows = []
    for place in range(MOST_ROWS + 1):
        sent = {name: given.get(f"c{place}_{name}", "").strip() for name in _FIELDS}
        if sent["what"]:
            join: Literal["and", "or"] = "or" if sent.pop("join") == "or" else "and"
            negated = bool(sent.pop("negated"))
            rows.append(Row(join=join, negated=negated, **sent))
    return rows


def expression_of(rows: list[Row], zone: str) -> Expression:
    """Whom the rows select: everybody where there are none. "Or" binds a row to the one above it.

    Dates without a zone are read in ``zone``. Raises InvalidInputError that names the row.
    """
    groups: list[list[Expression]] = []
    for number, row in enumerate(rows, 1):
        try:
            said = _condition(row, zone)
        except (InvalidInputError, ValidationError) as error:
            raise InvalidInputError(
                f"Condition {number}: {_why(error)}", where="segment", remedy="Change that condition, or take it out."
            ) from error
        said = Not(of=said) if row.negated else said
        if row.join == "or" and groups:
            groups[-1].append(said)
        else:
            groups.append([said])
    joined = [group[0] if len(group) == 1 else AnyOf(of=tuple(group)) for group in groups]
    return parse(All(of=tuple(joined))) if joined else EVERYBODY


def rows_of(expression: Expression) -> list[Row] | None:
    """The rows that say the same; None for what takes more than "and" over "or"."""
    whole = canonical(expression)
    rows: list[Row] = []
    for group in whole.of if isinstance(whole, All) else (whole,):
        for place, part in enumerate(group.of if isinstance(group, AnyOf) else (group,)):
            row = _row(part, "or" if place else "and")
            if row is None:
                return None
            rows.append(row)
    return rows if len(rows) <= MOST_ROWS else None


def _condition(row: Row, zone: str) -> Expression:
    if row.sign not in SIGNS:
        raise InvalidInputError("This form or address is incomplete.")
    if row.counts_events:
        if row.sign not in ("==", "!=", "<", "<=", ">", ">="):
            raise InvalidInputError("events are counted: compare how many there were.")
        return Events(
            event=row.what.removeprefix(EVENT),
            window_days=count_of(row.days) if row.days else _USUAL_DAYS,
            category=row.category,
            operator=cast("Operator", row.sign),
            value=count_of(row.value) if row.value else 1,
        )
    if row.what not in REGISTRY:
        raise InvalidInputError("This form or address is incomplete.")
    if row.sign in ("known", "missing"):
        asked = Missing(field=row.what)
        return Not(of=asked) if row.sign == "known" else asked
    if not row.value:
        raise InvalidInputError("a value is missing.")
    if row.sign == "one_of":
        return OneOf(field=row.what, values=tuple(_text(row.what, one) for one in _several(row.value)))
    if row.sign == "between":
        ends = _several(row.value)
        if len(ends) != 2:
            raise InvalidInputError("write two values with a semicolon between them.")
        return Between(field=row.what, low=_value(row.what, ends[0], zone), high=_value(row.what, ends[1], zone))
    return Compare(field=row.what, operator=cast("Operator", row.sign), value=_value(row.what, row.value, zone))


def _several(text: str) -> list[str]:
    return [one.strip() for one in text.split(_BETWEEN) if one.strip()]


def _value(field: str, text: str, zone: str) -> Scalar:
    feature = REGISTRY[field]
    if feature.kind == "number":
        number = float_of(text)
        return round(number * 100) if feature.unit == "cents" else number
    if feature.kind == "flag":
        if text.casefold() in _YES | _NO:
            return text.casefold() in _YES
        raise InvalidInputError("answer yes or no.")
    if feature.kind == "moment":
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise InvalidInputError(f"{text!r} is no date; write for example 2025-03-31.") from None
        return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
    return _text(field, text)


def _text(field: str, text: str) -> str:
    """The value as the record has it; for what has names, its name in any language will do."""
    for value, names in VALUE_NAMES.get(field, {}).items():
        if text.casefold() in {name.casefold() for name in (value, *names.values())}:
            return value
    return text


def _row(part: Expression, join: Literal["and", "or"]) -> Row | None:
    match part:
        case Not(of=Missing(field=field)):
            return Row(field, "known", join=join)
        case Not(of=inner):
            row = _row(inner, join)
            return None if row is None else Row(row.what, row.sign, row.value, join, True, row.days, row.category)
        case Missing(field=field):
            return Row(field, "missing", join=join)
        case Compare(field=field, operator=sign, value=value):
            return Row(field, sign, _shown(field, value), join)
        case Between(field=field, low=low, high=high):
            return Row(field, "between", f"{_shown(field, low)}{_BETWEEN} {_shown(field, high)}", join)
        case OneOf(field=field, values=values) if not any(_BETWEEN in one for one in values):
            return Row(field, "one_of", f"{_BETWEEN} ".join(values), join)
        case Events(event=event, operator=sign, value=count, window_days=days, category=category):
            return Row(f"{EVENT}{event}", sign, str(count), join, days=str(days), category=category)
        case _:
            return None


def _shown(field: str, value: Scalar) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat()
    if REGISTRY[field].unit == "cents" and isinstance(value, int | float):
        return f"{value / 100:.2f}"
    return f"{value:.17g}" if isinstance(value, float) else str(value)


def _why(error: InvalidInputError | ValidationError) -> str:
    if isinstance(error, InvalidInputError):
        return error.what
    return error.errors()[0]["msg"].removeprefix("Value error, ") + "."
