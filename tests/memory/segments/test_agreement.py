"""The compiler and the evaluator are two writings of one meaning."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from memory.engine import Engine, open_engine
from memory.features.feature import Period
from memory.features.history import History
from memory.features.table import compute
from memory.lake import LakeTable
from memory.schema import to_micros
from memory.segments.compile import to_ibis
from memory.segments.evaluate import matches
from memory.segments.grammar import Expression, canonical, expression_digest, parse
from tests.memory.builders import as_rows, purchase, write_lake
from tests.memory.segments.expressions import AS_OF, FLAGS, MOMENTS, NUMBERS, TEXTS, World, expressions, worlds

_FEATURES = pa.schema(
    [
        ("contact_id", pa.int64()),
        *((name, pa.float64()) for name in NUMBERS),
        *((name, pa.string()) for name in TEXTS),
        *((name, pa.bool_()) for name in FLAGS),
        *((name, pa.int64()) for name in MOMENTS),
    ]
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    opened = open_engine()
    yield opened
    opened.disconnect()


def _selected(engine: Engine, world: World, expression: Expression) -> list[int]:
    features = [
        {"contact_id": contact_id, **facts, **{name: _micros(facts[name]) for name in MOMENTS}}
        for contact_id, facts in world.facts.items()
    ]
    orders, lines, events = [], [], []
    for contact_id, found in world.events.items():
        for fact in found:
            who: dict[str, Any] = {"contact_id": contact_id, "at": fact.at}
            if fact.kind != "order":
                events.append(
                    {
                        **who,
                        "event_id": fact.event_id,
                        "kind": fact.kind,
                        "category": fact.category,
                        "human": fact.human,
                    }
                )
            elif fact.category:
                lines.append({**who, "order_id": fact.event_id, "category": fact.category})
            else:
                orders.append({**who, "order_id": fact.event_id})

    def stored(table: LakeTable, rows: list[dict[str, Any]]) -> Any:
        found = engine.create_table(table.value, as_rows(table, rows), temp=True, overwrite=True)
        return found.filter(found.at < to_micros(AS_OF))

    happened = stored(LakeTable.EVENTS, events)
    history = History(
        engine=engine,
        period=Period.before(AS_OF),
        contacts=None,
        orders=stored(LakeTable.ORDERS, orders).mutate(bought=True),
        lines=stored(LakeTable.LINES, lines),
        events=happened.filter(happened.human),
        sends=None,
        products=None,
    )
    table = engine.create_table("features", pa.Table.from_pylist(features, schema=_FEATURES), temp=True, overwrite=True)
    found = to_ibis(expression, table, history).select("contact_id").order_by("contact_id").to_pyarrow()
    return list(found["contact_id"].to_pylist())


def _micros(value: Any) -> int | None:
    return None if value is None else to_micros(value)


def _judged(world: World, expression: Expression) -> list[int]:
    return [who for who, facts in world.facts.items() if matches(expression, facts, world.events[who], AS_OF)]


@pytest.mark.slow
@given(world=worlds(), expression=expressions)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_compiler_and_evaluator_agree(engine: Engine, world: World, expression: Expression) -> None:
    assert _selected(engine, world, expression) == _judged(world, expression)


@given(world=worlds(), expression=expressions)
@settings(max_examples=300, deadline=None)
def test_the_canonical_form_means_the_same_and_is_its_own(world: World, expression: Expression) -> None:
    plain = canonical(expression)
    assert _judged(world, plain) == _judged(world, expression)
    assert canonical(plain) == plain
    assert parse(plain.model_dump_json()) == plain
    assert expression_digest(plain) == expression_digest(expression)


def test_a_segment_over_a_lake_selects_whom_the_evaluator_accepts(tmp_path: Path) -> None:
    bought = [
        purchase("a", 1, AS_OF - timedelta(days=30), ("tea", 500), ("coffee", 700)),
        purchase("b", 1, AS_OF, ("tea", 500)),
        purchase("c", 2, AS_OF - timedelta(days=30, microseconds=1), ("coffee", 900)),
        purchase("d", 3, AS_OF - timedelta(microseconds=1), ("", 900)),
    ]
    lake = write_lake(
        tmp_path,
        contacts=[{"contact_id": who} for who in (1, 2, 3, 4)],
        orders=[order for order, _ in bought],
        lines=[line for _, lines in bought for line in lines],
        events=[
            {"contact_id": 4, "kind": "click", "at": AS_OF - timedelta(days=7)},
            {"contact_id": 3, "kind": "click", "at": AS_OF - timedelta(days=7, microseconds=1)},
            {"contact_id": 2, "kind": "click", "at": AS_OF - timedelta(days=1), "human": False},
        ],
    )
    features = compute(lake, AS_OF)
    facts, events = features.rows([1, 2, 3, 4]), features.events([1, 2, 3, 4])
    asked = {
        '{"type":"events","event":"order","window_days":30}': [1, 3],
        '{"type":"events","event":"order","window_days":30,"category":"coffee"}': [1],
        '{"type":"events","event":"order","window_days":30,"operator":"==","value":0}': [2, 4],
        '{"type":"events","event":"click","window_days":7}': [4],
        '{"type":"missing","field":"recency_days"}': [4],
        '{"type":"compare","field":"recency_days","operator":">=","value":30}': [1, 2],
        '{"type":"not","of":{"type":"compare","field":"recency_days","operator":">=","value":30}}': [3, 4],
        '{"type":"all","of":[]}': [1, 2, 3, 4],
    }
    for text, expected in asked.items():
        expression = parse(text)
        assert features.select(expression) == expected, text
        assert features.count(expression) == len(expected)
        judged = [who for who in facts if matches(expression, facts[who], events.get(who, []), AS_OF)]
        assert judged == expected, text
