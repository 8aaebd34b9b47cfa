"""Facts about many messages at once: what they have in common, and a column for whatever differs.

A rule may judge such a table as a set, with numpy, instead of one message after the other. The verdicts are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memory.finding import Verdict
from policies.facts import NEVER, MessageFacts, need

Mask = NDArray[np.bool_]
Verdicts = NDArray[np.int8]
"""One for each message: 0 where the rule allows, 1 where it holds, 2 where it refuses."""
STRENGTH: Final = {Verdict.ALLOW: 0, Verdict.HOLD: 1, Verdict.REFUSE: 2}


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of few different values, whatever they are: ``values[codes[i]]`` is that of message i."""

    codes: NDArray[np.int32]
    values: Sequence[Any]


Column = NDArray[Any] | Coded


@dataclass(frozen=True, slots=True)
class MessageTable:
    """``size`` messages. A fact is in ``common`` or has a column under its name in MessageFacts.

    Counts are int64, flags bool and moments datetime64[us] in UTC; everything else is Coded.
    """

    size: int
    common: MessageFacts
    columns: Mapping[str, Column]

    def column(self, name: str) -> NDArray[Any]:
        """A count, flag or moment of each message. Raises MissingFactError for a fact that nobody looked up."""
        found = self.columns.get(name)
        if found is None:
            value = need(getattr(self.common, name), name)
            return np.full(self.size, moment(value) if isinstance(value, datetime) else value)
        if isinstance(found, Coded):
            return np.asarray([need(value, name) for value in found.values])[found.codes]
        return found

    def which(self, name: str, holds: Callable[[Any], bool]) -> Mask:
        """The messages of which something holds, asked once for each different value of a fact; raises the same."""
        return self._each(name, holds).astype(bool)

    def count(self, name: str, number: Callable[[Any], int]) -> NDArray[np.int64]:
        """A number that follows from a fact, reckoned once for each different value; raises the same."""
        return self._each(name, number).astype(np.int64)

    def _each(self, name: str, asked: Callable[[Any], Any]) -> NDArray[Any]:
        found = self.columns.get(name)
        if found is None:
            return np.full(self.size, asked(need(getattr(self.common, name), name)))
        assert isinstance(found, Coded)
        return np.asarray([asked(need(value, name)) for value in found.values])[found.codes]

    @property
    def now(self) -> np.datetime64:
        return moment(self.common.now)

    def row(self, number: int) -> MessageFacts:
        """The facts of one message alone."""
        return replace(self.common, **{name: value_at(column, number) for name, column in self.columns.items()})

    def allow(self) -> Verdicts:
        """Nothing against any of them."""
        return np.zeros(self.size, np.int8)


def moment(at: datetime) -> np.datetime64:
    """A moment as columns hold it."""
    return np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "us")


NEVER64: Final = moment(NEVER)


def days(number: int) -> np.timedelta64:
    """So many days, to reckon with columns of moments."""
    return np.timedelta64(number, "D")


def refuse_where(mask: Mask) -> Verdicts:
    """Refuse some, allow the others."""
    return np.where(mask, np.int8(STRENGTH[Verdict.REFUSE]), np.int8(0))


def hold_where(mask: Mask) -> Verdicts:
    """Hold some, allow the others."""
    return np.where(mask, np.int8(STRENGTH[Verdict.HOLD]), np.int8(0))


def value_at(column: Column, number: int) -> Any:
    """What a column says of one message."""
    if isinstance(column, Coded):
        return column.values[column.codes[number]]
    value = column[number].item()
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
