"""Materialise features for one moment, and ask them: who is in a segment, what is known about a contact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import ibis  # type: ignore[import-untyped]  # it ships no types
import pyarrow as pa

from memory.engine import Engine, remembered
from memory.errors import InvalidInputError, NotFoundError
from memory.events import ORDER
from memory.features.feature import Feature, FeatureValue, Period, Source, Table
from memory.features.history import History, history_before
from memory.features.hours import write_offsets
from memory.features.registry import COMPARING, REGISTRY
from memory.features.sources import Sources
from memory.lake import Lake, speaking_of
from memory.schema import from_micros, to_micros

if TYPE_CHECKING:
    from memory.segments.evaluate import EventFact
    from memory.segments.grammar import Expression

_MOMENT = "as_of"
_QUESTIONS: dict[tuple[str, tuple[str, ...]], str] = {}
"""Segments in the words of DuckDB, by what they say and the features that are there: ibis takes longer to word one than
DuckDB to answer it."""
_MOST_QUESTIONS = 500


def compute(
    lake: Lake,
    as_of: datetime,
    *,
    names: Iterable[str] | None = None,
    fallback_zone: str = "UTC",
    contact_id: int | None = None,
) -> Features:
    """The features of every contact, from history strictly before a moment.

    ``names`` computes only these (and what they need); ``fallback_zone`` stands in for unknown time zones. With
    ``contact_id``, of that one contact: no feature that compares contacts with each other (``COMPARING``).
    """
    everything = REGISTRY if contact_id is None else REGISTRY.keys() - COMPARING
    wanted = _with_needs(everything if names is None else names)
    if contact_id is not None and (compared := COMPARING.intersection(wanted)):
        raise InvalidInputError(
            f"The features {', '.join(sorted(compared))} compare contacts with each other.",
            where="features",
            remedy="Compute them of everybody.",
        )
    moment = to_micros(as_of)
    with speaking_of(lake.folder):
        engine = lake.connect(contact_id)
        engine.remember(_MOMENT, moment)
        if any(REGISTRY[name].source in {Source.HOURS, Source.WEEKDAYS} for name in wanted):
            write_offsets(engine, moment, fallback_zone)
        for statement in _statements(tuple(wanted)):
            engine.con.execute(statement)
        return Features(lake, as_of, engine, tuple(wanted))


@lru_cache(maxsize=64)
def _statements(wanted: tuple[str, ...]) -> tuple[str, ...]:
    """What computes these features at the moment that an engine remembers: ibis words it slower than DuckDB answers."""
    with TemporaryDirectory() as folder:
        # The statements are the same for every lake, an empty one among them.
        engine = Lake(Path(folder)).connect()
    engine.remember(_MOMENT, 0)
    write_offsets(engine, 0, "UTC")
    history = history_before(engine, Period(remembered(_MOMENT).name(_MOMENT)))
    sources = Sources(history)
    columns, joined = ["contact_id"], [f"({engine.compile(history.contacts.select('contact_id'))}) AS known"]
    for source in Source:
        features = [REGISTRY[name] for name in wanted if REGISTRY[name].source is source]
        if source is Source.FEATURES or not features:
            continue
        table = f"source_{source.value}"
        history.write_out(table, sources.table(source, features))
        joined.append(f"{table} USING (contact_id)")
        columns += [_or_else(f"{table}.{one.name}", one) for one in features]
    # Put into words by hand: ibis nests a dozen joins in each other, which DuckDB reads longer than it answers.
    wide = history.keep("known_features", f"SELECT {', '.join(columns)} FROM {' LEFT JOIN '.join(joined)}")  # noqa: S608 - names of our own
    derived = _derive(history, wide, [REGISTRY[name] for name in wanted if REGISTRY[name].source is Source.FEATURES])
    if derived is not None:
        wide = wide.left_join(derived, wide.contact_id == derived.of_contact_id).drop("of_contact_id")
    stored = {name: _stored(wide[name], REGISTRY[name].kind) for name in wanted}
    history.write_out("features", wide.select("contact_id", **stored))
    engine.disconnect()
    # Features are kept for a while, and what they were made of takes many times their room.
    return (*history.statements, *(f'DROP TABLE "{name}"' for name in history.written if name != "features"))


@dataclass(frozen=True)
class Features:
    """The features of every contact at one moment, in memory. Use it from one thread."""

    lake: Lake
    as_of: datetime
    engine: Engine
    names: tuple[str, ...]
    """The features that were computed."""

    @cached_property
    def table(self) -> Table:
        """ibis table: contact_id and one column per feature; moments are integer microseconds."""
        return self.engine.table("features")

    @cached_property
    def history(self) -> History:
        """What they were made of."""
        return history_before(self.engine, Period(to_micros(self.as_of)))

    @cached_property
    def contacts(self) -> int:
        """How many contacts they are known of."""
        found: tuple[int] = self.engine.con.sql("SELECT count(*) FROM features").fetchall()[0]
        return found[0]

    def select(self, expression: Expression) -> list[int]:
        """Ids of the contacts in a segment, sorted."""
        found = self.ask(f"SELECT contact_id FROM ({self._members(expression)}) ORDER BY contact_id")  # noqa: S608 - words of our own
        return list(found["contact_id"].to_pylist())

    def count(self, expression: Expression) -> int:
        """How many contacts are in a segment."""
        return int(self.ask(f"SELECT count(*) AS size FROM ({self._members(expression)})")["size"][0].as_py())  # noqa: S608 - words of our own

    def row(self, contact_id: int) -> dict[str, FeatureValue]:
        """Every feature of one contact; NotFoundError if the snapshot of contacts lacks them."""
        found = self.rows([contact_id])
        if contact_id not in found:
            raise NotFoundError(
                "Nothing is known about this contact yet.",
                where=f"contact {contact_id}",
                remedy="Check the id, or refresh the snapshot of contacts.",
            )
        return found[contact_id]

    def rows(self, ids: Iterable[int], names: Sequence[str] | None = None) -> dict[int, dict[str, FeatureValue]]:
        """The named features (all by default) of the contacts that are known, by id."""
        chosen = self.names if names is None else tuple(names)
        if unknown := sorted(set(chosen) - set(self.names)):
            raise NotFoundError(f"The features {', '.join(unknown)} were not computed.", where="features")
        columns = ", ".join(("contact_id", *chosen))
        # Put into words by hand: ibis takes twenty times longer to word so small a question than DuckDB to answer it.
        statement = f"SELECT {columns} FROM features WHERE contact_id IN (SELECT unnest($ids)) ORDER BY contact_id"  # noqa: S608 - names of our own
        found = self.ask(statement, {"ids": sorted(set(ids))})
        return {row.pop("contact_id"): _told(row) for row in found.to_pylist()}

    def events(self, ids: Iterable[int]) -> dict[int, list[EventFact]]:
        """What contacts did before the moment, oldest first, as memory.segments.evaluate wants it."""
        from memory.segments.evaluate import EventFact

        wanted = _as_table(ids)
        history = self.history
        orders = history.occurrences(ORDER).mutate(kind=ibis.literal(ORDER), category=ibis.literal(""))
        bought = history.lines.filter(history.lines.quantity > 0)
        lines = bought.select(
            "contact_id", event_id=bought.order_id, at=bought.at, kind=ibis.literal(ORDER), category=bought.category
        ).filter(ibis._.category != "")
        columns = ("contact_id", "event_id", "at", "kind", "category")
        found = ibis.union(
            history.events.select(*columns), orders.select(*columns), lines.select(*columns).distinct(), distinct=False
        )
        rows = self._read(found.semi_join(wanted, "contact_id").order_by("contact_id", "at", "event_id", "category"))
        facts: dict[int, list[EventFact]] = {}
        for row in rows.to_pylist():
            fact = EventFact(row["event_id"], row["kind"], from_micros(row["at"]), row["category"])
            facts.setdefault(row["contact_id"], []).append(fact)
        return facts

    def _members(self, expression: Expression) -> str:
        # Segments are made of features, so their modules load after these.
        from memory.segments.compile import to_ibis
        from memory.segments.grammar import fields

        lacking = sorted(set(fields(expression)) - set(self.names))
        if lacking:
            raise NotFoundError(
                f"The features {', '.join(lacking)} were not computed.",
                where="segment",
                remedy="Compute them too, or leave `names` out.",
            )
        asked = (repr(expression), self.names)
        if (known := _QUESTIONS.get(asked)) is not None:
            return known
        if len(_QUESTIONS) >= _MOST_QUESTIONS:
            _QUESTIONS.clear()
        # The moment is the engine's, so that the words serve every other one.
        history = history_before(self.engine, Period(remembered(_MOMENT).name(_MOMENT)))
        question = self.engine.compile(to_ibis(expression, self.table, history).select("contact_id"))
        _QUESTIONS[asked] = str(question)
        return str(question)

    def ask(self, question: str, given: Mapping[str, Any] = MappingProxyType({})) -> pa.Table:
        """What a question in SQL finds in the lake as it was when they were computed, or in ``features``."""
        with speaking_of(self.lake.folder):
            return self.engine.con.sql(question, params=dict(given)).to_arrow_table()

    def _read(self, expression: Table) -> pa.Table:
        with speaking_of(self.lake.folder):
            return expression.to_pyarrow()


def _derive(history: History, known: Table, features: Sequence[Feature]) -> Table | None:
    """(of_contact_id, features made from other features), on as few columns as they need: windows sort them all."""
    if not features:
        return None
    needed = {name for feature in features for name in feature.needs}.intersection(known.columns)
    table = known.select("contact_id", *sorted(needed))
    waiting = list(features)
    while waiting:
        ready = [feature for feature in waiting if set(table.columns).issuperset(feature.needs)]
        made = {feature.name: feature.build(table, history.period) for feature in ready}
        step = table.mutate(**made)
        waiting = [feature for feature in waiting if feature not in ready]
        table = history.write_out(f"derived_{len(waiting)}", step)
    return table.select(of_contact_id=table.contact_id, **{each.name: table[each.name] for each in features})


def _with_needs(names: Iterable[str]) -> list[str]:
    wanted: dict[str, None] = {}

    def add(name: str) -> None:
        if name not in REGISTRY:
            raise NotFoundError(
                f"There is no feature {name}.", where="features", remedy="`noria explain CONTACT` lists them all."
            )
        for needed in REGISTRY[name].needs:
            add(needed)
        wanted[name] = None

    for name in names:
        add(name)
    return sorted(wanted)


def _or_else(column: str, feature: Feature) -> str:
    value = "" if feature.otherwise is None else f"coalesce({column}, {feature.otherwise})"
    return f"{value or column} AS {feature.name}"


def _stored(column: Table, kind: str) -> Table:
    # Sums are wider than 64 bits in DuckDB; everything countable is kept as int64, the rest as it is.
    return column.cast("int64") if kind == "number" and column.type().is_integer() else column


def _as_table(ids: Iterable[int]) -> Table:
    return ibis.memtable(pa.table({"contact_id": pa.array(sorted(set(ids)), pa.int64())}))


def _told(row: Mapping[str, FeatureValue]) -> dict[str, FeatureValue]:
    return {
        name: from_micros(value) if REGISTRY[name].kind == "moment" and isinstance(value, int) else value
        for name, value in row.items()
    }
