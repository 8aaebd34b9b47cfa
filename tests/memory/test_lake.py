"""The lake keeps every row once, survives races and speaks clearly when it is broken."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, Transaction, write_deltalake

from memory.errors import InvalidInputError, LakeError
from memory.lake import KEEP_FILES_HOURS, SCHEMAS, Lake, LakeTable
from tests.memory.builders import as_rows


def _read(lake: Lake, table: LakeTable, order: str) -> list[dict[str, object]]:
    found = lake.connect().table(table.value).order_by(order).to_pyarrow().to_pylist()
    return list(found)


def _orders(*rows: tuple[str, int]) -> pa.Table:
    return as_rows(LakeTable.ORDERS, [{"order_id": name, "total_cents": cents, "at": 1} for name, cents in rows])


def test_an_empty_lake_has_every_table_with_its_columns(tmp_path: Path) -> None:
    engine = Lake(tmp_path / "lake").connect()
    for table, schema in SCHEMAS.items():
        found = engine.table(table.value).to_pyarrow()
        assert found.num_rows == 0
        assert found.schema.names == schema.names
        assert [str(kind) for kind in found.schema.types] == [str(kind) for kind in schema.types]


def test_a_batch_counts_once_however_often_it_is_appended(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.append(LakeTable.ORDERS, _orders(("a", 100)), batch_id="one")
    assert not lake.append(LakeTable.ORDERS, _orders(("a", 100)), batch_id="one")
    assert lake.append(LakeTable.ORDERS, _orders(("b", 200)), batch_id="two")
    assert [row["order_id"] for row in _read(lake, LakeTable.ORDERS, "order_id")] == ["a", "b"]


def test_an_engine_for_one_contact_sees_nobody_else_and_no_other_engine(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = [{"order_id": f"o{one}", "contact_id": one, "total_cents": one, "at": 1} for one in (3, 1, 2, 1)]
    rows[3]["order_id"] = "again"
    lake.replace(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, rows))
    first, second = lake.connect(1), lake.connect(2)
    first.con.execute("CREATE TEMP TABLE features AS SELECT 1 AS contact_id")
    assert first.table("orders").order_by("order_id").to_pyarrow()["order_id"].to_pylist() == ["again", "o1"]
    assert second.table("orders").to_pyarrow()["order_id"].to_pylist() == ["o2"]
    assert "features" not in second.list_tables()
    assert lake.connect(4).table("orders").to_pyarrow().num_rows == 0


def test_the_rows_of_a_contact_lie_side_by_side_in_few_groups(tmp_path: Path) -> None:
    lake, number = Lake(tmp_path), 250_000
    schema = SCHEMAS[LakeTable.ORDERS]
    mixed = [(one * 7919) % number for one in range(number)]
    columns = {"order_id": [str(one) for one in mixed], "contact_id": mixed, "currency": ["EUR"] * number}
    rest = {one: [""] * number if pa.types.is_string(schema.field(one).type) else [1] * number for one in schema.names}
    lake.replace(LakeTable.ORDERS, pa.table(rest | columns, schema=schema))
    (file,) = (tmp_path / "orders").glob("*.parquet")
    found = pq.ParquetFile(file).metadata
    place = schema.names.index("contact_id")
    groups = [found.row_group(one).column(place).statistics for one in range(found.num_row_groups)]
    assert len(groups) == 3
    assert all(one.max < other.min for one, other in pairwise(groups))


def test_a_batch_is_known_after_compaction_and_vacuum(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for number in range(5):
        lake.append(LakeTable.ORDERS, _orders((f"order-{number}", 100)), batch_id=f"batch-{number}")
    lake.compact()
    lake.vacuum(keep_hours=0)
    assert len(list((tmp_path / "orders").glob("*.parquet"))) == 1
    assert not lake.append(LakeTable.ORDERS, _orders(("order-3", 100)), batch_id="batch-3")
    assert len(_read(lake, LakeTable.ORDERS, "order_id")) == 5


def test_tables_of_many_files_are_joined_and_the_others_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory.lake.MANY_FILES", 3)
    lake = Lake(tmp_path)
    for number in range(4):
        lake.append(LakeTable.ORDERS, _orders((f"order-{number}", 100)), batch_id=f"batch-{number}")
    lake.append(LakeTable.LINES, SCHEMAS[LakeTable.LINES].empty_table(), batch_id="lines")
    early = lake.connect()
    assert lake.tidy() == [LakeTable.ORDERS]
    assert lake.tidy() == []
    assert len(_read(lake, LakeTable.ORDERS, "order_id")) == 4
    # What was joined stays for a week: a reader may still be at it.
    assert early.table("orders").to_pyarrow().num_rows == 4


def test_files_are_never_joined_while_somebody_is_erased(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory.lake.MANY_FILES", 1)
    lake, other = Lake(tmp_path), Lake(tmp_path)
    for number in range(2):
        lake.append(LakeTable.ORDERS, _orders((f"order-{number}", 100)), batch_id=f"batch-{number}")
    during: list[list[LakeTable]] = []
    monkeypatch.setattr(lake, "_erase", lambda *_: during.append(other.tidy()))
    lake.erase([1], [], {})
    assert during == [[]]
    assert other.tidy() == [LakeTable.ORDERS]


def test_a_file_that_was_written_and_never_committed_is_gone_after_a_week(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append(LakeTable.ORDERS, _orders(("a", 100)), batch_id="one")
    old, young = (tmp_path / "orders" / f"part-0-{name}.snappy.parquet" for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(next((tmp_path / "orders").glob("*.parquet")).read_bytes())
    long_ago = time.time() - (KEEP_FILES_HOURS + 1) * 3600
    os.utime(old, (long_ago, long_ago))
    lake.vacuum()
    # The young one may be about to be committed.
    assert (old.exists(), young.exists()) == (False, True)
    assert len(_read(lake, LakeTable.ORDERS, "order_id")) == 1


def _of_an_older_release(folder: Path, table: LakeTable, rows: pa.Table, *, batch_id: str) -> None:
    """The table as a release made it that did not know the last column yet."""
    older = rows.drop_columns([SCHEMAS[table].names[-1]])
    loose = pa.schema([field.with_nullable(True) for field in older.schema])
    commit = CommitProperties(app_transactions=[Transaction(batch_id, 1)])
    write_deltalake(folder / table, older.cast(loose), mode="append", commit_properties=commit)


def _stocks(lake: Lake) -> list[tuple[object, ...]]:
    rows = _read(lake, LakeTable.PRODUCTS, "product_id")
    return [(row["product_id"], row["price_cents"], row["stock_units"]) for row in rows]


def test_a_table_of_an_older_release_gets_a_new_column_with_the_first_rows_that_have_it(tmp_path: Path) -> None:
    lake, products = Lake(tmp_path), LakeTable.PRODUCTS
    for name in ("tea", "pot"):
        rows = as_rows(products, [{"product_id": name, "name": name, "price_cents": 900}])
        _of_an_older_release(tmp_path, products, rows, batch_id=name)
    assert _stocks(lake) == [("pot", 900, None), ("tea", 900, None)]
    stocked = as_rows(products, [{"product_id": "tea", "name": "tea", "price_cents": 900, "stock_units": 0}])
    assert lake.upsert(products, stocked) == (0, 1, 0)
    assert lake.upsert(products, stocked) == (0, 0, 1)
    assert lake.upsert(products, as_rows(products, [{"product_id": "cup", "stock_units": 3}])) == (1, 0, 0)
    assert _stocks(lake) == [("cup", None, 3), ("pot", 900, None), ("tea", 900, 0)]
    # What was appended once stays known.
    assert not lake.append(products, stocked, batch_id="pot")


def test_a_vacuum_keeps_files_that_readers_may_still_need(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for number in range(3):
        lake.append(LakeTable.ORDERS, _orders((f"order-{number}", 100)), batch_id=f"batch-{number}")
    early = lake.connect()
    lake.compact()
    lake.vacuum()
    assert early.table("orders").to_pyarrow().num_rows == 3


def test_writers_at_the_same_moment_lose_and_double_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    written: list[bool] = []

    def write(name: str) -> None:
        for number in range(4):
            lake.append(LakeTable.ORDERS, _orders((f"{name}-{number}", 100)), batch_id=f"{name}-{number}")
            written.append(lake.append(LakeTable.ORDERS, _orders((f"both-{number}", 1)), batch_id=f"both-{number}"))

    threads = [threading.Thread(target=write, args=(name,)) for name in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [row["order_id"] for row in _read(lake, LakeTable.ORDERS, "order_id")]
    assert len(names) == len(set(names)) == 12
    assert sum(written) == 4


def test_a_table_that_somebody_else_is_just_making_is_no_broken_one(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    # As it stands before the first commit of another writer.
    (tmp_path / LakeTable.ORDERS / "_delta_log").mkdir(parents=True)
    assert lake.connect().table(LakeTable.ORDERS.value).to_pyarrow().num_rows == 0
    assert lake.append(LakeTable.ORDERS, _orders(("a", 100)), batch_id="one")
    assert [row["order_id"] for row in _read(lake, LakeTable.ORDERS, "order_id")] == ["a"]


def test_an_upsert_inserts_replaces_and_leaves_alone(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.upsert(LakeTable.ORDERS, _orders(("a", 100), ("b", 200), ("c", 300))) == (3, 0, 0)
    assert lake.upsert(LakeTable.ORDERS, _orders(("b", 250), ("c", 300), ("d", 400))) == (1, 1, 1)
    assert lake.upsert(LakeTable.ORDERS, _orders(("b", 250), ("d", 400))) == (0, 0, 2)
    assert [(row["order_id"], row["total_cents"]) for row in _read(lake, LakeTable.ORDERS, "order_id")] == [
        ("a", 100),
        ("b", 250),
        ("c", 300),
        ("d", 400),
    ]


def test_an_unchanged_upsert_commits_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.upsert(LakeTable.ORDERS, _orders(("a", 100)))
    before = sorted((tmp_path / "orders" / "_delta_log").iterdir())
    lake.upsert(LakeTable.ORDERS, _orders(("a", 100)))
    assert sorted((tmp_path / "orders" / "_delta_log").iterdir()) == before


def test_a_value_that_becomes_known_or_unknown_is_a_change(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for contact_id, expected in ((None, (1, 0, 0)), (7, (0, 1, 0)), (None, (0, 1, 0)), (None, (0, 0, 1))):
        rows = as_rows(LakeTable.ORDERS, [{"order_id": "a", "contact_id": contact_id}])
        assert lake.upsert(LakeTable.ORDERS, rows) == expected


def test_of_two_rows_with_one_key_the_last_wins(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.upsert(LakeTable.ORDERS, _orders(("a", 100), ("b", 1), ("a", 300))) == (2, 0, 0)
    assert [row["total_cents"] for row in _read(lake, LakeTable.ORDERS, "order_id")] == [300, 1]


def test_a_line_is_known_by_its_order_and_its_number(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    first = [{"order_id": "a", "line": 1, "amount_cents": 5}, {"order_id": "a", "line": 2, "amount_cents": 6}]
    lake.upsert(LakeTable.LINES, as_rows(LakeTable.LINES, first))
    lake.upsert(LakeTable.LINES, as_rows(LakeTable.LINES, [{"order_id": "a", "line": 2, "amount_cents": 9}]))
    assert [row["amount_cents"] for row in _read(lake, LakeTable.LINES, "line")] == [5, 9]


def test_upserts_at_the_same_moment_insert_a_key_once(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = _orders(*((f"order-{number}", number) for number in range(20)))
    threads = [threading.Thread(target=lake.upsert, args=(LakeTable.ORDERS, rows)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_read(lake, LakeTable.ORDERS, "order_id")) == 20


def test_a_snapshot_is_replaced_whole(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.replace(LakeTable.CONTACTS, as_rows(LakeTable.CONTACTS, [{"contact_id": 1}, {"contact_id": 2}]))
    lake.replace(LakeTable.CONTACTS, as_rows(LakeTable.CONTACTS, [{"contact_id": 3}]))
    assert [row["contact_id"] for row in _read(lake, LakeTable.CONTACTS, "contact_id")] == [3]
    lake.replace(LakeTable.CONTACTS, as_rows(LakeTable.CONTACTS, []))
    assert _read(lake, LakeTable.CONTACTS, "contact_id") == []


def test_a_merged_contact_takes_its_past_along(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    orders = [{"order_id": name, "contact_id": who} for name, who in (("a", 1), ("b", 2), ("c", None), ("d", 3))]
    lake.upsert(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, orders))
    lake.reassign({2: 1, 9: 3})
    assert [row["contact_id"] for row in _read(lake, LakeTable.ORDERS, "order_id")] == [1, 1, None, 3]


def test_rows_without_a_needed_column_or_value_are_refused_by_name(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with pytest.raises(InvalidInputError, match="currency"):
        lake.append(LakeTable.ORDERS, _orders(("a", 1)).drop_columns(["currency"]), batch_id="x")
    nameless = _orders(("a", 1)).set_column(0, "order_id", pa.array([None], pa.string()))
    with pytest.raises(InvalidInputError, match="order_id"):
        lake.append(LakeTable.ORDERS, nameless, batch_id="x")
    wordy = _orders(("a", 1)).set_column(3, "total_cents", pa.array(["twelve"]))
    with pytest.raises(InvalidInputError, match="total_cents"):
        lake.append(LakeTable.ORDERS, wordy, batch_id="x")


def test_columns_may_come_in_any_order_and_fitting_type(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = _orders(("a", 12))
    mixed = rows.select(list(reversed(rows.column_names))).set_column(3, "total_cents", pa.array([12], pa.int32()))
    lake.append(LakeTable.ORDERS, mixed, batch_id="x")
    assert _read(lake, LakeTable.ORDERS, "order_id") == rows.to_pylist()


def test_a_corrupt_log_is_one_clear_error(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append(LakeTable.ORDERS, _orders(("a", 1)), batch_id="x")
    for entry in (tmp_path / "orders" / "_delta_log").glob("*.json"):
        entry.write_text("{ not json")
    with pytest.raises(LakeError, match=r"orders.*cannot be read.*backup"):
        lake.connect()


def test_a_corrupt_file_is_one_clear_error(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append(LakeTable.ORDERS, _orders(("a", 1)), batch_id="x")
    next((tmp_path / "orders").glob("*.parquet")).write_bytes(b"rubbish, not a table")
    with pytest.raises(LakeError, match=r"orders.*cannot be read"):
        lake.connect()


def test_a_file_in_the_place_of_the_lake_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("not a folder")
    with pytest.raises(LakeError, match="lake"):
        Lake(tmp_path / "lake").append(LakeTable.ORDERS, _orders(("a", 1)), batch_id="x")


def test_a_full_disk_is_one_clear_error_and_leaves_the_lake_as_it_was(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append(LakeTable.ORDERS, _orders(("a", 1)), batch_id="one")
    # A limit on file size makes the system refuse to write, as a full disk does.
    program = """
        import resource, signal, sys
        from pathlib import Path
        from memory.errors import LakeError
        from memory.lake import Lake, LakeTable
        from tests.memory.builders import as_rows

        rows = as_rows(LakeTable.ORDERS, [{"order_id": f"order-{n * 7919}"} for n in range(50_000)])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            Lake(Path(sys.argv[1])).append(LakeTable.ORDERS, rows, batch_id="two")
        except LakeError as error:
            print(error)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "no room" in ran.stdout
    assert [row["order_id"] for row in _read(lake, LakeTable.ORDERS, "order_id")] == ["a"]
    assert lake.append(LakeTable.ORDERS, _orders(("b", 1)), batch_id="two")
