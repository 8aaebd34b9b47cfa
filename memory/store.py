"""The store: one SQL schema on SQLite (embedded) or PostgreSQL (teams), opened, migrated and used in transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Insert, Table, create_engine, event, inspect, make_url, text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import ArgumentError, OperationalError

from memory.errors import NewerStoreError, StoreError

BUSY_TIMEOUT_MS = 30_000
_LOOK_AGAIN_SECONDS = 0.001
_MIGRATIONS = Path(__file__).parent / "migrations"


class Store:
    """Opens transactions on the store; every writer of Noria goes through one of them."""

    def __init__(self, url: str) -> None:
        """``url`` is an SQLAlchemy URL: sqlite:///path/store.db or postgresql+psycopg://…"""
        self.url = url
        self.engine = _engine(url)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One short transaction that may write; SQLite takes its write lock at once (BEGIN IMMEDIATE)."""
        with self._transaction(writes=True) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One transaction that only reads."""
        with self._transaction(writes=False) as connection:
            yield connection

    @contextmanager
    def undone(self) -> Iterator[Store]:
        """This store for transactions that are all undone in the end; nobody else writes meanwhile."""
        with self.write() as connection:
            yield _Undone(self, connection)
            connection.rollback()

    def migrate(self) -> None:
        """Bring the schema to this release; raises NewerStoreError if a later release wrote the store."""
        if self.is_migrated:
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @property
    def is_migrated(self) -> bool:
        """True when the schema is the one of this release; raises NewerStoreError when it is a later one."""
        known = sorted(path.name.split("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
        with self.read() as connection:
            found = None
            if inspect(connection).has_table("alembic_version"):
                found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if found is not None and found not in known:
            raise NewerStoreError(
                f"The store has schema {found}, which this release does not know.",
                where=self.safe_url,
                remedy="Install the release of Noria that last used it, or restore a backup made before the upgrade.",
            )
        return bool(found == known[-1])

    def overwrite(self) -> bool:
        """Overwrite what was deleted or changed, so that not even the files hold it; False while another process reads.

        On PostgreSQL the room is given back; its own log and backups are the database administrator's.
        """
        if not self.is_sqlite:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM"))
            return True
        raw = self.engine.raw_connection()
        try:
            cursor = raw.cursor()
            # A copy of the whole store would not fit into memory.
            cursor.execute("PRAGMA temp_store = FILE")
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA temp_store = MEMORY")
            [(busy, _, _)] = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.OperationalError:
            return False
        finally:
            raw.close()
        return not busy

    @property
    def safe_url(self) -> str:
        """The URL without its password."""
        return make_url(self.url).render_as_string(hide_password=True)

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        try:
            with self.engine.connect() as connection:
                connection = connection.execution_options(noria_writes=writes)
                with connection.begin():
                    yield connection
        except OperationalError as error:
            raise StoreError(
                _first_line(error),
                where=self.safe_url,
                remedy="Check that the place exists, is writable and has free space; `noria doctor` tests it. "
                "Nothing of this step was saved.",
            ) from error


class _Undone(Store):
    """A store whose transactions are parts of one that is never committed."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self.url, self.engine, self._connection = store.url, store.engine, connection

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        with self._connection.begin_nested():
            yield self._connection


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    update: Sequence[str] = (),
    keys: Sequence[str] | None = None,
) -> int:
    """Insert rows; where the key exists, update the named columns, or leave the row if none is named.

    Returns how many rows were inserted or updated. ``keys`` defaults to the primary key.
    """
    if not rows:
        return 0
    names = tuple(keys or [column.name for column in table.primary_key])
    changed = _upsertion(connection.dialect.name, table, names, tuple(update))
    # As one statement for many rows it would be compiled anew for each number of rows, at many times the cost.
    done = connection.execute(changed, [dict(row) for row in rows], execution_options={"preserve_rowcount": True})
    return max(done.rowcount, 0)


@cache
def _upsertion(dialect: str, table: Table, keys: tuple[str, ...], update: tuple[str, ...]) -> Insert:
    """The statement for one row; to build it costs more than to run it."""
    statement = (sqlite_insert if dialect == "sqlite" else postgresql_insert)(table)
    if update:
        new = {name: statement.excluded[name] for name in update}
        return statement.on_conflict_do_update(index_elements=keys, set_=new)
    return statement.on_conflict_do_nothing(index_elements=keys)


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False})
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        return create_engine(url, pool_pre_ping=True)
    except (ModuleNotFoundError, ArgumentError) as error:
        raise StoreError(
            f"The store cannot be opened: {_first_line(error)}",
            where="store url",
            remedy="Use sqlite:///FILE, or postgresql+psycopg://… with the `postgres` extra installed.",
        ) from error


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not open transactions by itself: _begin_sqlite does, with the right lock.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    # FULL: losing the last claims to a power cut would mean sending them again.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    # 64 MB: a launch writes keys in random order, and with the default of 2 MB each page would be written many times.
    cursor.execute("PRAGMA cache_size = -65536")
    cursor.execute("PRAGMA temp_store = MEMORY")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get("noria_writes", True):
        connection.exec_driver_sql("BEGIN")
        return
    # SQLite itself sleeps up to a tenth of a second between two looks: beside a writer that hardly pauses it would
    # find the store free only by luck, and a worker would stand still for as long as events keep coming in.
    raw: Any = connection.connection.dbapi_connection
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    raw.execute("PRAGMA busy_timeout = 0")
    try:
        while _is_taken(raw) and time.monotonic() < until:
            time.sleep(_LOOK_AGAIN_SECONDS)
        if not raw.in_transaction:
            # Says what is wrong.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        raw.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")


def _is_taken(raw: sqlite3.Connection) -> bool:
    """Begin to write, unless somebody else does: then True. Where anything else is wrong nothing has begun."""
    try:
        raw.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return False


def _first_line(error: Exception) -> str:
    origin = getattr(error, "orig", None) or error
    return str(origin).strip().splitlines()[0] if str(origin).strip() else type(origin).__name__
