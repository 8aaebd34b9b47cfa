"""What a feature is: one definition with its expression, its unit and its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Literal, TypedDict, Unpack

from memory.schema import to_micros

Kind = Literal["number", "text", "flag", "moment"]
FeatureValue = int | float | str | bool | datetime | None
# ibis ships no types: tables and values of expressions.
Table = Any
Column = Any

DAY_MICROS = 86_400_000_000
HOUR_MICROS = 3_600_000_000


@dataclass(frozen=True)
class Period:
    """The moment for which features are computed: only history strictly before it counts."""

    as_of: int | Column
    """Integer UTC microseconds, or an expression for them."""

    @staticmethod
    def before(as_of: datetime) -> Period:
        return Period(to_micros(as_of))

    def ago(self, days: int) -> int | Column:
        """The moment so many days earlier, in microseconds; a window starts with it."""
        return self.as_of - days * DAY_MICROS

    def days_since(self, at: Column) -> Column:
        """Whole days between a column of moments and the moment of the features."""
        return ((self.as_of - at) // DAY_MICROS).cast("int64")


class Source(Enum):
    """The table over which a feature is defined; see memory.features.sources."""

    CONTACTS = "contacts"
    ORDERS = "orders"
    COSTS = "costs"
    EVENTS = "events"
    SENDS = "sends"
    UNANSWERED = "unanswered"
    RHYTHM = "rhythm"
    FAVOURITES = "favourites"
    REPLENISHMENT = "replenishment"
    NEXT = "next"
    HOURS = "hours"
    WEEKDAYS = "weekdays"
    VIEWED = "viewed"
    FEATURES = "features"
    """Other features of the same contact."""


@dataclass(frozen=True)
class Feature:
    """One definition: where it comes from, how it is computed, and what it is called on screens."""

    name: str
    kind: Kind
    unit: str
    """days, cents, orders, …; empty for texts and flags."""
    label: Mapping[str, str]
    """What it is called within a sentence, by language."""
    sentence: Mapping[str, str]
    """What it means, by language."""
    source: Source
    build: Callable[[Table, Period], Column]
    """Its ibis expression over the source: an aggregate over the contact's rows, or a column of one row per contact."""
    needs: tuple[str, ...] = ()
    """Other features that it is made from, when its source is FEATURES."""
    otherwise: int | None = None
    """Its value for contacts of whom the source knows nothing; None means that it is missing."""


class _Rest(TypedDict, total=False):
    needs: tuple[str, ...]
    otherwise: int | None


def define(
    name: str,
    kind: Kind,
    unit: str,
    source: Source,
    build: Callable[[Table, Period], Column],
    en: tuple[str, str],
    fr: tuple[str, str],
    **rest: Unpack[_Rest],
) -> Feature:
    """A feature from its (label, sentence) in English and French."""
    label, sentence = ({"en": en[part], "fr": fr[part]} for part in (0, 1))
    return Feature(name, kind, unit, label, sentence, source, build, **rest)


def column(name: str) -> Callable[[Table, Period], Column]:
    """A feature that its source already has as a column."""
    return lambda table, _period: table[name]
