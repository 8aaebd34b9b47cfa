"""Where deliberation is kept between nodes: a file in the workspace, or the store's own PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from sqlalchemy import make_url

from memory.errors import ConfigurationError
from memory.store import BUSY_TIMEOUT_MS, Store

FILE_NAME = "checkpoints.db"


@contextmanager
def open_checkpoints(store: Store, folder: Path) -> Iterator[BaseCheckpointSaver[Any]]:
    """The saver that belongs to a store; its tables are made when they are missing."""
    if store.is_sqlite:
        with _on_sqlite(folder / FILE_NAME) as saver:
            yield saver
    else:
        with _on_postgres(store.url) as saver:
            yield saver


def strict_serializer() -> JsonPlusSerializer:
    """Reads plain values only, whatever the environment says: checkpoint bytes may not name code to run."""
    return JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)


@contextmanager
def _on_sqlite(path: Path) -> Iterator[BaseCheckpointSaver[Any]]:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000)
    with closing(connection):
        saver = SqliteSaver(connection, serde=strict_serializer())
        saver.setup()
        yield saver


@contextmanager
def _on_postgres(url: str) -> Iterator[BaseCheckpointSaver[Any]]:
    try:
        from langgraph.checkpoint.postgres import PostgresSaver
        from psycopg import Connection
        from psycopg.rows import dict_row
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "Checkpoints on PostgreSQL need the `postgres` extra.", where="store url", remedy="Install noria[postgres]."
        ) from error
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with Connection.connect(plain, autocommit=True, prepare_threshold=0, row_factory=dict_row) as connection:
        saver = PostgresSaver(connection, serde=strict_serializer())
        saver.setup()
        yield saver
