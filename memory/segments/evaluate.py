"""Judge one contact by an expression in memory, for branches, triggers and explanations."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from memory.features.feature import FeatureValue
from memory.segments.grammar import All, AnyOf, Between, Compare, Events, Expression, Missing, Not, OneOf

COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class EventFact:
    """One thing that a contact did; an order of several categories is one event_id with a fact for each."""

    event_id: str
    kind: str
    at: datetime
    category: str = ""
    human: bool = True


def matches(
    expression: Expression, facts: Mapping[str, FeatureValue], events: Iterable[EventFact], as_of: datetime
) -> bool:
    """Whether a contact with these features and events belongs to the segment at a moment.

    A feature that the facts lack is missing. Events count from window_days before as_of until just before as_of.
    """
    known = tuple(events)

    def holds(part: Expression) -> bool:
        match part:
            case All(of=inner):
                return all(holds(each) for each in inner)
            case AnyOf(of=inner):
                return any(holds(each) for each in inner)
            case Not(of=inside):
                return not holds(inside)
            case Missing(field=field):
                return facts.get(field) is None
            case Compare(field=field, operator=sign, value=value):
                found = facts.get(field)
                return found is not None and bool(COMPARISONS[sign](found, value))
            case Between(field=field, low=low, high=high):
                found = facts.get(field)
                return found is not None and bool(COMPARISONS["<="](low, found) and COMPARISONS["<="](found, high))
            case OneOf(field=field, values=values):
                return facts.get(field) in values
            case Events():
                return bool(COMPARISONS[part.operator](_count(part, known, as_of), part.value))

    return holds(expression)


def _count(part: Events, events: Iterable[EventFact], as_of: datetime) -> int:
    opens = as_of - timedelta(days=part.window_days)
    counted = {
        event.event_id
        for event in events
        if event.human
        and event.kind == part.event
        and opens <= event.at < as_of
        and (not part.category or event.category == part.category)
    }
    return len(counted)
