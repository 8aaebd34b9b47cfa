"""Compile an expression to ibis over the table of features, with the same meaning as memory.segments.evaluate."""

from __future__ import annotations

import functools
import operator

import ibis  # type: ignore[import-untyped]  # it ships no types

from memory.features.feature import Column, Table
from memory.features.history import History
from memory.features.registry import REGISTRY
from memory.schema import to_micros
from memory.segments.evaluate import COMPARISONS
from memory.segments.grammar import (
    All,
    AnyOf,
    Between,
    Compare,
    Events,
    Expression,
    Missing,
    Not,
    OneOf,
    Scalar,
    parts,
)


def to_ibis(expression: Expression, features: Table, history: History) -> Table:
    """The rows of the table of features whose contacts belong to the segment."""
    counted, names = features, {}
    for number, part in enumerate(dict.fromkeys(part for part in parts(expression) if isinstance(part, Events))):
        names[part] = f"events_{number}"
        counts = _counts(part, history).rename({names[part]: "events", "counted_id": "contact_id"})
        counted = counted.left_join(counts, counted.contact_id == counts.counted_id).drop("counted_id")
    return counted.filter(_holds(expression, counted, names)).select(*features.columns)


def _counts(part: Events, history: History) -> Table:
    found = history.occurrences(part.event, part.category)
    recent = found.filter(found.at >= history.period.ago(part.window_days))
    return recent.group_by("contact_id").aggregate(events=recent.event_id.nunique())


def _holds(expression: Expression, table: Table, names: dict[Events, str]) -> Column:
    def holds(part: Expression) -> Column:
        match part:
            case All(of=inner):
                return functools.reduce(operator.and_, (holds(each) for each in inner), ibis.literal(value=True))
            case AnyOf(of=inner):
                return functools.reduce(operator.or_, (holds(each) for each in inner))
            case Not(of=inside):
                return ~holds(inside)
            case Missing(field=field):
                return table[field].isnull()
            case Compare(field=field, operator=sign, value=value):
                return _sure(COMPARISONS[sign](table[field], _stored(field, value)))
            case Between(field=field, low=low, high=high):
                return _sure(table[field].between(_stored(field, low), _stored(field, high)))
            case OneOf(field=field, values=values):
                return _sure(table[field].isin(values))
            case Events():
                return COMPARISONS[part.operator](table[names[part]].fill_null(0), part.value)

    return holds(expression)


def _sure(condition: Column) -> Column:
    # SQL knows a third answer where a value is missing; the grammar does not.
    return condition.fill_null(False)  # ibis takes the value by position


def _stored(field: str, value: Scalar) -> Column:
    if REGISTRY[field].kind == "moment" and not isinstance(value, bool | int | float | str):
        return ibis.literal(to_micros(value), "int64")
    return ibis.literal(value)
