"""Engines share a database, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import duckdb
import pytest

from memory import engine
from memory.engine import Engine, open_engine, shared_engine


def test_what_one_engine_keeps_or_remembers_no_other_sees() -> None:
    mine, other = open_engine(), open_engine()
    mine.con.execute("CREATE TEMP TABLE kept AS SELECT 1 AS one")
    mine.remember("moment", 1)
    other.remember("moment", 2)
    assert mine.list_tables() == ["kept"]
    assert other.list_tables() == []
    assert [one.con.sql("SELECT getvariable('moment')").fetchall() for one in (mine, other)] == [[(1,)], [(2,)]]
    mine.disconnect()
    assert other.con.sql("SELECT 1").fetchall() == [(1,)]


@pytest.mark.parametrize(("open_another", "without"), [(open_engine, ""), (shared_engine, "join_order")])
def test_an_engine_opens_after_the_shared_database_failed_for_good(
    open_another: Callable[[], Engine], without: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Databases of this test's own: engines of other tests live on the real ones.
    monkeypatch.setattr(engine, "_shared", cache(engine._shared.__wrapped__))
    engine._shared(without).close()
    with pytest.raises(duckdb.ConnectionException):
        engine._shared(without).cursor()
    assert open_another().con.sql("SELECT 1").fetchall() == [(1,)]
