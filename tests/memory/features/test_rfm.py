"""RFM scores are fifths of the buyers in which equal contacts stand equal, and every score has its named group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.engine import Engine, open_engine
from memory.features import rfm
from memory.features.feature import Period

_PERIOD = Period(0)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    opened = open_engine()
    yield opened
    opened.disconnect()


def _scores(engine: Engine, people: list[tuple[int, int, int]]) -> list[dict[str, Any]]:
    """(recency, orders, spend) of each contact; without orders there is no recency."""
    rows = [
        {
            "contact_id": number,
            "recency_days": recency if orders else None,
            "orders_count": orders,
            "spend_cents": spend,
        }
        for number, (recency, orders, spend) in enumerate(people)
    ]
    schema = pa.schema([(name, pa.int64()) for name in ("contact_id", "recency_days", "orders_count", "spend_cents")])
    table = engine.create_table("people", pa.Table.from_pylist(rows, schema=schema), temp=True, overwrite=True)
    table = table.mutate(
        rfm_recency=rfm.recency_score(table, _PERIOD),
        rfm_frequency=rfm.frequency_score(table, _PERIOD),
        rfm_monetary=rfm.monetary_score(table, _PERIOD),
    )
    table = table.mutate(rfm_group=rfm.group(table, _PERIOD))
    return list(table.order_by("contact_id").to_pyarrow().to_pylist())


def _fifth(value: int, everyone: list[int]) -> int:
    lower = sum(other < value for other in everyone)
    same = sum(other == value for other in everyone)
    return 1 + (5 * (2 * lower + same)) // (2 * len(everyone))


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(-3, 9)), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_scores_are_those_of_the_formula(engine: Engine, people: list[tuple[int, int, int]]) -> None:
    buyers = [person for person in people if person[1]]
    for (recency, orders, spend), row in zip(people, _scores(engine, people), strict=True):
        found = (row["rfm_recency"], row["rfm_frequency"], row["rfm_monetary"])
        if not orders:
            assert found == (None, None, None)
            assert row["rfm_group"] == "none"
            continue
        assert found == (
            _fifth(-recency, [-person[0] for person in buyers]),
            _fifth(orders, [person[1] for person in buyers]),
            _fifth(spend, [person[2] for person in buyers]),
        )
        weight = (found[1] + found[2] + 1) // 2
        assert row["rfm_group"] == rfm.GROUPS[str(found[0])][weight - 1]


def test_without_ties_each_fifth_holds_as_many(engine: Engine) -> None:
    rows = _scores(engine, [(number, number + 1, number) for number in range(50)])
    for name in ("rfm_recency", "rfm_frequency", "rfm_monetary"):
        scores = [row[name] for row in rows]
        assert [scores.count(score) for score in range(1, 6)] == [10] * 5
    assert rows[0]["rfm_recency"] == 5
    assert rows[0]["rfm_frequency"] == 1


def test_equal_contacts_stand_equal_in_the_middle(engine: Engine) -> None:
    assert {row["rfm_frequency"] for row in _scores(engine, [(1, 1, 1)] * 9)} == {3}


def test_every_named_group_has_words_and_every_word_a_group() -> None:
    named = {name for names in rfm.GROUPS.values() for name in names} | {"none"}
    assert named == set(rfm.GROUP_NAMES)
    assert all(len(names) == 5 for names in rfm.GROUPS.values())
    assert set(rfm.GROUPS) == set("12345")
