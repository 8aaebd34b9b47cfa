"""The files that a table of the lake consists of, as DuckDB reads them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from memory.engine import own_engine


@lru_cache(maxsize=64)
def rows_of(path: Path, _state: str, schema: pa.Schema) -> str:
    """The question for all rows of a table, worded once between two commits: the longer its log, the dearer.

    Empty where it has no files.
    """
    files = DeltaTable(path).file_uris()
    return f"SELECT * FROM ({in_files(own_engine().con, files, schema).sql_query()})" if files else ""  # noqa: S608 - files of our own


def in_files(sql: duckdb.DuckDBPyConnection, files: Sequence[str], schema: pa.Schema) -> duckdb.DuckDBPyRelation:
    """What stands in the files of a table; null for columns that a table of an older release lacks."""
    found = sql.read_parquet(list(files))
    new = [f'CAST(NULL AS {one.type}) AS "{one.name}"' for one in schema if one.name not in found.columns]
    return found.project(", ".join(["*", *new])) if new else found
