"""The analytical engine: DuckDB in memory, spoken to through ibis, without network, pandas or files of its own."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import duckdb

# ibis ships no types.
import ibis  # type: ignore[import-untyped]
import ibis.expr.schema as sch  # type: ignore[import-untyped]
from ibis.backends.duckdb import Backend  # type: ignore[import-untyped]

_CONFIG = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    # A fixed order of rows costs memory and promises nothing: every query here orders by an id where order matters.
    "preserve_insertion_order": False,
}

_OWN = threading.local()


class Engine(Backend):  # type: ignore[misc]  # untyped parent
    """An ibis backend on DuckDB whose results are read with ``to_pyarrow()``.

    ibis 12.0.0 asks for schemas through calls that DuckDB 2 deprecates or no longer has; they are answered here with
    the calls that took their place. ``execute()`` needs pandas and warns: use ``to_pyarrow()``.
    """

    @property
    def version(self) -> str:
        # Of the library, which is looked for on the disk each time an engine opens.
        return duckdb.__version__

    def get_schema(self, table_name: str, *, catalog: str | None = None, database: str | None = None) -> sch.Schema:
        place = ".".join(_quoted(part) for part in (catalog, database, table_name) if part)
        described = self.con.sql(f"DESCRIBE {place}").to_arrow_table()
        return sch.Schema(
            {
                row["column_name"]: _type_of(row["column_type"], row["null"] == "YES")
                for row in described.select(["column_name", "column_type", "null"]).to_pylist()
            }
        )

    def list_tables(self, *, like: str | None = None, database: Any = None) -> list[str]:
        rows = self.con.sql("SELECT table_name FROM information_schema.tables ORDER BY table_name").fetchall()
        return list(self._filter_with_like([row[0] for row in rows], like))

    def remember(self, name: str, value: int) -> None:
        """Give a number a name by which expressions find it; see ``remembered``."""
        self.con.execute(f"SET VARIABLE {_quoted(name)} = {value}")


@ibis.udf.scalar.builtin(name="getvariable")  # type: ignore[untyped-decorator]
def remembered(name: str) -> int:  # type: ignore[empty-body]
    """An expression for the number that the engine remembers, so that one statement serves many moments."""


def duckdb_type(kind: Any) -> str:
    """What DuckDB calls a type of ibis."""
    return str(Engine.compiler.type_mapper.to_string(kind))


def open_engine() -> Engine:
    """An in-memory engine with nothing in it; it belongs to one thread, and what is left in it goes with it.

    All of them share one database, because opening one takes longer than most questions: create what is temporary only.
    """
    return _opened("")


def shared_engine() -> Engine:
    """An engine for the few rows of one contact."""
    # In which order tables of one row are joined does not matter, and takes longer to think about than to do.
    return _opened("join_order")


def _opened(disabled_optimizers: str) -> Engine:
    try:
        found: Engine = Engine.from_connection(_shared(disabled_optimizers).cursor())
    except (duckdb.ConnectionException, duckdb.FatalException):
        # A database that failed for good answers nothing more: who asks next gets another.
        _shared.cache_clear()
        found = Engine.from_connection(_shared(disabled_optimizers).cursor())
    return found


@cache
def _shared(disabled_optimizers: str) -> Any:
    return duckdb.connect(":memory:", config={**_CONFIG, "disabled_optimizers": disabled_optimizers})


def own_engine() -> Engine:
    """The calling thread's own engine, for a question in passing: leave nothing in it."""
    if not hasattr(_OWN, "engine"):
        # On a database of its own: it outlives a shared one that failed for good.
        _OWN.engine = Engine.from_connection(duckdb.connect(":memory:", config={**_CONFIG}))
    engine: Engine = _OWN.engine
    return engine


@cache
def _type_of(text: str, nullable: bool) -> Any:
    # Every table is made of the same few types, and each costs a run of a parser.
    return Engine.compiler.type_mapper.from_string(text, nullable=nullable)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
