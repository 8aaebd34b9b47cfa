"""The grammar of segments: a typed tree of conditions over features and events, closed and without any code.

A comparison with a missing value is false, `missing` asks for it, and `not` turns true into false and back: so a
contact without a first order is neither "30 days or more since the last order" nor "less", but is "not 30 or more".
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Union

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from memory.canonical import canonical_json, digest
from memory.errors import InvalidInputError
from memory.features.feature import Kind
from memory.features.registry import REGISTRY

MOST_PARTS = 200
DEEPEST = 12

Operator = Literal["==", "!=", "<", "<=", ">", ">="]
Scalar = bool | int | float | str | datetime
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
EventKind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,63}$")]

_OPERATORS: dict[Kind, tuple[str, ...]] = {
    "number": ("==", "!=", "<", "<=", ">", ">="),
    "moment": ("<", "<=", ">", ">="),
    "text": ("==", "!="),
    "flag": ("==", "!="),
}
_EXAMPLES = {"number": "a number", "moment": "a date with time and zone", "text": "a text", "flag": "true or false"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _OfField(_Part):
    field: str
    """Name of a feature in memory.features.registry."""

    @field_validator("field")
    @classmethod
    def _field_is_a_feature(cls, name: str) -> str:
        if name not in REGISTRY:
            near = difflib.get_close_matches(name, REGISTRY, n=3, cutoff=0.4)
            hint = f"; the nearest are {', '.join(near)}" if near else ""
            raise ValueError(f"there is no feature {name!r}{hint}")
        return name

    @property
    def kind(self) -> Kind:
        return REGISTRY[self.field].kind


class Compare(_OfField):
    """A feature against a value."""

    type: Literal["compare"] = "compare"
    operator: Operator
    value: Scalar

    @model_validator(mode="after")
    def _value_fits(self) -> Compare:
        if self.operator not in _OPERATORS[self.kind]:
            raise ValueError(
                f"{self.field} is a {self.kind}: it can be compared with {' '.join(_OPERATORS[self.kind])}"
            )
        object.__setattr__(self, "value", fitting(self.field, self.value))
        return self


class Between(_OfField):
    """A number or moment from low to high, both included."""

    type: Literal["between"] = "between"
    low: Scalar
    high: Scalar

    @model_validator(mode="after")
    def _ends_fit(self) -> Between:
        if self.kind not in ("number", "moment"):
            raise ValueError(f"{self.field} is a {self.kind}: only numbers and moments lie between two values")
        for end in ("low", "high"):
            object.__setattr__(self, end, fitting(self.field, getattr(self, end)))
        if self.low > self.high:  # type: ignore[operator]  # both ends were just made the same kind
            raise ValueError(f"{self.field} cannot lie between {self.low} and {self.high}: put the lower one first")
        return self


class OneOf(_OfField):
    """A text that is one of several."""

    type: Literal["one_of"] = "one_of"
    values: tuple[Text, ...] = Field(min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _is_text(self) -> OneOf:
        if self.kind != "text":
            raise ValueError(f"{self.field} is a {self.kind}: only texts can be one of a list")
        return self


class Missing(_OfField):
    """A feature about which nothing is known."""

    type: Literal["missing"] = "missing"


class Events(_Part):
    """How many events of a kind a person caused in the days before now, none being zero.

    The kind ``order`` counts orders (with a category: orders that have a line of it).
    """

    type: Literal["events"] = "events"
    event: EventKind
    window_days: int = Field(ge=1, le=3650)
    category: str = Field(default="", max_length=200)
    operator: Operator = ">="
    value: int = Field(default=1, ge=0)


class All(_Part):
    """Every one of these; without any it is everybody."""

    type: Literal["all"] = "all"
    of: tuple[Expression, ...]


class AnyOf(_Part):
    """At least one of these."""

    type: Literal["any"] = "any"
    of: tuple[Expression, ...] = Field(min_length=1)


class Not(_Part):
    """Everybody else."""

    type: Literal["not"] = "not"
    of: Expression


Expression = Annotated[
    Union[Compare, Between, OneOf, Missing, Events, All, AnyOf, Not],  # noqa: UP007  # refers to itself
    Field(discriminator="type"),
]
for _model in (All, AnyOf, Not):
    _model.model_rebuild()
_ADAPTER: TypeAdapter[Expression] = TypeAdapter(Expression)

EVERYBODY = All(of=())
_TYPES = ("compare", "between", "one_of", "missing", "events", "all", "any", "not")


def parse(value: object) -> Expression:
    """An expression from JSON text or its decoded value; InvalidInputError says which part is wrong and why."""
    where = "segment"
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, str | bytes):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise InvalidInputError(
                f"It is not JSON: {error}.", where=where, remedy="Check quotes and brackets."
            ) from None
    _check_size(value)
    try:
        return canonical(_ADAPTER.validate_python(value))
    except ValidationError as error:
        raise InvalidInputError(_explain(error), where=where, remedy="Correct this part of the expression.") from None


def canonical(expression: Expression) -> Expression:
    """The one way to write it: nested all and any joined, parts sorted, doubles and double negations gone."""
    match expression:
        case Not(of=inner):
            plain = canonical(inner)
            return plain.of if isinstance(plain, Not) else Not(of=plain)
        case All() | AnyOf():
            kind = type(expression)
            parts: dict[str, Expression] = {}
            for part in expression.of:
                plain = canonical(part)
                for piece in plain.of if isinstance(plain, kind) else (plain,):
                    parts[canonical_json(piece)] = piece
            if len(parts) == 1:
                return next(iter(parts.values()))
            return kind(of=tuple(parts[key] for key in sorted(parts)))
        case OneOf(field=field, values=values):
            few = tuple(sorted(set(values)))
            return (
                Compare(field=field, operator="==", value=few[0]) if len(few) == 1 else OneOf(field=field, values=few)
            )
        case Between(field=field, low=low, high=high) if low == high and REGISTRY[field].kind == "number":
            return Compare(field=field, operator="==", value=low)
        case _:
            return expression


def expression_digest(expression: Expression) -> str:
    """SHA-256 of the canonical form: the same for expressions that differ only in order, nesting or doubles."""
    return digest(canonical(expression))


def parts(expression: Expression) -> Iterator[Expression]:
    """The expression and everything within it."""
    yield expression
    match expression:
        case All(of=inner) | AnyOf(of=inner):
            for part in inner:
                yield from parts(part)
        case Not(of=part):
            yield from parts(part)
        case _:
            return


def fields(expression: Expression) -> tuple[str, ...]:
    """Names of the features it asks for, sorted."""
    return tuple(sorted({part.field for part in parts(expression) if isinstance(part, _OfField)}))


def json_schema() -> dict[str, Any]:
    """The JSON schema of an expression, with the names of all features."""
    schema = _ADAPTER.json_schema()
    for definition in schema["$defs"].values():
        if "field" in definition.get("properties", {}):
            definition["properties"]["field"]["enum"] = sorted(REGISTRY)
    return schema


def fitting(field: str, value: Scalar) -> Scalar:
    """A value in the type of its feature, or a ValueError: whole numbers as integers, moments in UTC."""
    kind = REGISTRY[field].kind
    if kind == "flag" and isinstance(value, bool):
        return value
    if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) > 2**53 or value != value:
            raise ValueError(f"{value} is too large or no number")
        return int(value) if value == int(value) else value
    if kind == "text" and isinstance(value, str):
        return value
    if kind == "moment":
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            moment = None
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    raise ValueError(f"{field} is compared with {_EXAMPLES[kind]}, not {value!r}")


def _check_size(value: object) -> None:
    found = 0
    level = [value]
    for _ in range(2 * DEEPEST):
        found += len(level)
        level = [inner for item in level for inner in _inside(item)]
        if not level:
            break
    if level or found > 20 * MOST_PARTS:
        raise InvalidInputError(
            f"It is nested deeper than {DEEPEST} levels or has more than {MOST_PARTS} parts.",
            where="segment",
            remedy="Say it with fewer conditions.",
        )


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def _explain(error: ValidationError) -> str:
    told = []
    for detail in error.errors(include_url=False, include_context=False)[:5]:
        place = ".".join(str(step) for step in detail["loc"] if step not in ("all", "any", "not"))
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "union_tag_not_found":
            message = f"each part is an object with a type: {', '.join(_TYPES)}"
        told.append(f"{place}: {message}" if place else message)
    return "; ".join(told) + "."
