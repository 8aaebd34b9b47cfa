"""The grammar is closed: what it does not know it refuses, and says what would be right."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from memory.errors import InvalidInputError
from memory.segments.grammar import EVERYBODY, Expression, expression_digest, fields, json_schema, parse
from memory.segments.sentence import describe
from tests.memory.segments.expressions import expressions

_SCHEMA = jsonschema.Draft202012Validator(json_schema())
LATE = {"type": "compare", "field": "recency_days", "operator": ">=", "value": 30}
LOYAL = {"type": "one_of", "field": "rfm_group", "values": ["loyal", "champions"]}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("{", "not JSON"),
        ({**LATE, "field": "recency_day"}, "recency_days"),
        ({**LATE, "value": "thirty"}, "a number"),
        ({**LATE, "value": True}, "a number"),
        ({**LATE, "value": float("nan")}, "no number"),
        ({**LATE, "operator": "LIKE"}, "operator"),
        ({**LATE, "sql": "1=1"}, "sql"),
        ({"type": "compare", "field": "language", "operator": ">", "value": "en"}, "can be compared with == !="),
        ({"type": "compare", "field": "suppressed", "operator": "==", "value": 1}, "true or false"),
        ({"type": "compare", "field": "last_order_at", "operator": "<", "value": "2025-01-01"}, "time and zone"),
        ({"type": "between", "field": "recency_days", "low": 9, "high": 3}, "lower one first"),
        ({"type": "between", "field": "language", "low": "a", "high": "b"}, "only numbers"),
        ({"type": "one_of", "field": "recency_days", "values": ["1"]}, "only texts"),
        ({"type": "any", "of": []}, "at least 1"),
        ({"type": "events", "event": "click", "window_days": 0}, "window_days"),
        ({"type": "raw", "sql": "1=1"}, "compare"),
        ({"field": "recency_days"}, "object with a type"),
        ([LATE], "each part|valid dictionary"),
        ({"type": "all", "of": [LATE] * 5000}, "more than 200"),
    ],
)
def test_what_is_outside_the_grammar_is_refused_with_its_reason(wrong: Any, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        parse(wrong)


def test_endless_nesting_is_refused() -> None:
    nested: Any = LATE
    for _ in range(5000):
        nested = {"type": "not", "of": nested}
    with pytest.raises(InvalidInputError, match="nested deeper"):
        parse(nested)


def test_order_nesting_doubles_and_spelling_of_numbers_do_not_change_the_digest() -> None:
    plain = parse({"type": "all", "of": [LATE, LOYAL]})
    other = parse(
        {
            "type": "all",
            "of": [
                {"type": "all", "of": [{**LOYAL, "values": ["champions", "loyal", "loyal"]}]},
                {"type": "not", "of": {"type": "not", "of": {**LATE, "value": 30.0}}},
                LATE,
            ],
        }
    )
    assert expression_digest(plain) == expression_digest(other)
    assert expression_digest(plain) != expression_digest(parse({"type": "any", "of": [LATE, LOYAL]}))


def test_an_expression_names_the_features_it_needs() -> None:
    assert fields(parse({"type": "not", "of": {"type": "all", "of": [LATE, LOYAL]}})) == ("recency_days", "rfm_group")


@given(expression=expressions)
@settings(max_examples=100, deadline=None)
def test_the_published_schema_accepts_every_expression(expression: Expression) -> None:
    _SCHEMA.validate(expression.model_dump(mode="json"))


def test_the_published_schema_refuses_an_unknown_feature() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**LATE, "field": "shoe_size"}, json_schema())


@given(expression=expressions)
@settings(max_examples=200, deadline=None)
def test_every_expression_has_a_sentence_in_both_languages(expression: Expression) -> None:
    for language in ("en", "fr"):
        sentence = describe(expression, language)
        assert sentence.endswith(".")
        assert "{" not in sentence
        assert "_" not in sentence.replace("l'été", "")


def test_sentences_read_as_people_speak() -> None:
    expression = parse(
        {
            "type": "all",
            "of": [
                LATE,
                LOYAL,
                {
                    "type": "events",
                    "event": "order",
                    "category": "tea",
                    "window_days": 14,
                    "operator": "==",
                    "value": 0,
                },
                {"type": "compare", "field": "spend_cents", "operator": ">", "value": 1250},
            ],
        }
    )
    assert describe(expression, "en", currency="EUR") == (
        "Contacts whose number of order events in tea in the last 14 days is 0 and days since the last order is at "
        "least 30 and RFM group is Champions or Loyal and total spend is more than 12.50 EUR."
    )
    french = describe(expression, "fr", currency="EUR")
    assert french.startswith("Contacts tels que : nombre d'événements order dans tea des 14 derniers jours égal à 0 et")
    assert "« dépense totale » supérieur à 12,50 EUR" in french
    assert describe(EVERYBODY, "en") == "All contacts."
