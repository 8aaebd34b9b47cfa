"""The segment builder: what a form says and what the grammar says are the same, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.screens.conditions import EVENT, Row, expression_of, read_rows, rows_of
from memory.errors import InvalidInputError
from memory.segments.grammar import EVERYBODY, All, AnyOf, Compare, expression_digest, parse
from memory.segments.sentence import describe

ZONE = "Europe/Paris"
TEXTS = st.sampled_from(["Coffee", "champions", "a b", "fr"])
NUMBERS = st.integers(0, 5_000).map(str)
COMPARED = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
LEAVES = st.one_of(
    st.builds(Row, st.sampled_from(["orders_count", "recency_days"]), COMPARED, NUMBERS),
    st.builds(Row, st.just("spend_cents"), COMPARED, st.decimals(0, 900, places=2).map(str)),
    st.builds(Row, st.just("recency_ratio"), COMPARED, st.floats(0, 9, allow_nan=False).map(repr)),
    st.builds(Row, st.just("orders_count"), st.just("between"), st.just("2; 7")),
    st.builds(Row, st.sampled_from(["rfm_group", "top_category"]), st.sampled_from(["==", "!="]), TEXTS),
    st.builds(Row, st.just("top_category"), st.just("one_of"), st.just("Coffee; Tea")),
    st.builds(Row, st.sampled_from(["top_category", "recency_days"]), st.sampled_from(["known", "missing"])),
    st.builds(Row, st.just("has_email"), st.just("=="), st.sampled_from(["yes", "no"])),
    st.builds(Row, st.just("last_order_at"), st.sampled_from(["<", ">="]), st.just("2025-01-31")),
    st.builds(
        Row, st.sampled_from([f"{EVENT}order", f"{EVENT}click"]), COMPARED, NUMBERS,
        days=st.integers(1, 400).map(str), category=st.sampled_from(["", "Coffee"]),
    ),
)  # fmt: skip
ROWS = st.lists(
    st.tuples(LEAVES, st.sampled_from(["and", "or"]), st.booleans()).map(
        lambda one: Row(one[0].what, one[0].sign, one[0].value, one[1], one[2], one[0].days, one[0].category)  # type: ignore[arg-type]  # and or or
    ),
    max_size=5,
)  # fmt: skip


@given(ROWS)
def test_what_a_form_says_comes_back_as_rows_that_say_the_same(rows: list[Row]) -> None:
    said = expression_of(rows, ZONE)
    again = rows_of(said)
    assert again is not None
    assert expression_digest(expression_of(again, ZONE)) == expression_digest(said)


def test_or_binds_a_row_to_the_one_above_and_everything_else_must_hold_too() -> None:
    rows = [
        Row("orders_count", ">=", "3"),
        Row("rfm_group", "==", "Fidèles"),
        Row("rfm_group", "==", "Champions", join="or"),
    ]
    said = expression_of(rows, ZONE)
    assert describe(said, "en") == (
        "Contacts whose orders ever is at least 3 and (RFM group is Champions or RFM group is Loyal)."
    )


def test_amounts_are_written_as_people_write_them() -> None:
    low = expression_of([Row("spend_cents", ">=", "12,50")], ZONE)
    assert low == Compare(field="spend_cents", operator=">=", value=1250)
    again = rows_of(low)
    assert again is not None
    assert again[0].value == "12.50"


def test_no_rows_are_everybody_and_rows_without_a_choice_are_left_out() -> None:
    assert expression_of([], ZONE) == EVERYBODY
    sent = {"c0_what": "", "c0_value": "3", "c1_what": "orders_count", "c1_sign": ">=", "c1_value": "3"}
    assert read_rows(sent) == [Row("orders_count", ">=", "3")]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (Row("orders_count", ">=", "many"), "'many' is no number."),
        (Row("orders_count", ">=", ""), "a value is missing."),
        (Row("orders_count", "between", "3"), "write two values"),
        (Row("orders_count", "between", "7; 3"), "put the lower one first"),
        (Row("rfm_group", ">=", "3"), "can be compared with"),
        (Row("orders_count", "one_of", "3; 4"), "only texts"),
        (Row("has_email", "==", "perhaps"), "answer yes or no."),
        (Row("last_order_at", "<", "yesterday"), "is no date"),
        (Row("1; DROP TABLE contacts", "==", "x"), "incomplete"),
        (Row("orders_count", "LIKE", "x"), "incomplete"),
        (Row(f"{EVENT}order", "known"), "events are counted"),
        (Row(f"{EVENT}Not an event", ">=", "1"), "pattern"),
    ],
)
def test_what_the_grammar_does_not_know_is_refused_and_its_row_named(row: Row, why: str) -> None:
    with pytest.raises(InvalidInputError, match="Condition 2: ") as refused:
        expression_of([Row("orders_count", ">=", "1"), row], ZONE)
    assert why in refused.value.what


def test_what_takes_more_than_and_over_or_has_no_rows() -> None:
    many = Compare(field="orders_count", operator=">", value=3)
    few = Compare(field="orders_count", operator="<", value=9)
    good = Compare(field="rfm_group", operator="==", value="loyal")
    assert rows_of(parse(AnyOf(of=(good, All(of=(many, few)))))) is None
