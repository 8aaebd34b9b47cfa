"""Measures a launch on a made-up shop: from an audience expression to gated, planned rows in the ledger.

Run ``python -m evals.bench.audience``. It stands beside the bare DuckDB query that only selects the same contacts, and
a plain loop over contacts with one query each, from the same run.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from rich.console import Console
from rich.table import Table

from evals.bench import shop
from memory.clock import ManualClock
from memory.errors import NoriaError
from memory.lake import Lake, LakeTable
from memory.message_pages import of_campaign
from memory.schema import to_micros
from memory.store import Store
from tools.channels.sandbox import SandboxChannel
from tools.launch import launch
from tools.workplace import Workplace

TARGET_CONTACTS, TARGET_SECONDS = 1_000_000, 15.0
_WINDOW_DAYS, _VIEWS, _RECENT_DAYS = 90, 4, 30
AUDIENCE: dict[str, Any] = {
    "type": "all",
    "of": [
        {"type": "events", "event": "view", "window_days": _WINDOW_DAYS, "operator": ">=", "value": _VIEWS},
        {
            "type": "not",
            "of": {"type": "compare", "field": "recency_days", "operator": "<", "value": _RECENT_DAYS},
        },
    ],
}
"""Who looked four times in a quarter and has not ordered for a month."""
_DAY_MICROS = 24 * 3600 * 1_000_000
_SELECT = """
SELECT contact_id FROM events WHERE kind = 'view' AND human AND "at" >= $since AND "at" < $now
GROUP BY contact_id HAVING count(DISTINCT event_id) >= $views
EXCEPT SELECT contact_id FROM orders WHERE total_cents >= 0 AND "at" > $recent AND "at" < $now
"""
_ASK = """
SELECT (SELECT count(*) FROM views WHERE views.contact_id = c.id AND at >= :since AND at < :now) >= :views
  AND NOT EXISTS (SELECT 1 FROM orders WHERE orders.contact_id = c.id AND at > :recent AND at < :now)
  AND c.agreed AND NOT c.blocked
FROM c WHERE c.id = :id
"""
_COMMIT_EVERY = 500


@dataclass(frozen=True)
class Measured:
    """Seconds from an audience expression to its end, in three ways."""

    contacts: int
    events: int
    selected: int
    planned: int
    """Rows in the ledger: who was selected and may be written to."""
    noria: float
    noria_processor: float
    """Processor seconds of these in the measuring process: what other work on the machine changes least."""
    query: float
    plain: float

    @property
    def at_target_size(self) -> float:
        """Seconds for a million contacts at the same pace."""
        return self.noria * TARGET_CONTACTS / self.contacts


def measure(number: int, *, url: str = "") -> Measured:
    """Launch a campaign on a shop of ``number`` contacts. Raises NoriaError if the ways found different contacts.

    ``url`` is that of an empty database; without it, SQLite.
    """
    with tempfile.TemporaryDirectory(prefix="noria-bench-") as name:
        folder = Path(name)
        store, lake = Store(url or f"sqlite:///{folder / 'store.db'}"), Lake(folder / "lake")
        store.migrate()
        shop.fill_store(store, number)
        shop.fill_lake(lake, number)
        pack = shop.base_pack()
        place = Workplace(
            store=store,
            lake=lake,
            pack=pack,
            clock=ManualClock(shop.MONDAY),
            channels={"email": SandboxChannel(folder / "outbox")},
            public_url=shop.URL,
            currency="EUR",
        )
        proposal_id = shop.approve(store, shop.play(pack, audience=AUDIENCE))
        begun, busy = time.perf_counter(), time.process_time()
        done = launch(place, proposal_id)
        noria, processor = time.perf_counter() - begun, time.process_time() - busy
        if done.audience is None:
            raise NoriaError(done.sentence)
        with store.read() as connection:
            planned = sorted(one.contact_id for one in of_campaign(connection, done.campaign_id))
        store.close()
        selected, query = _query(lake)
        written, plain = _loop(lake, folder, number)
    if done.audience.selected != len(selected) or planned != [one for one in selected if shop.may_be_written_to(one)]:
        raise NoriaError(f"The query selects {len(selected)} contacts, the launch {done.audience.selected}.")
    if written != planned:
        raise NoriaError(f"The plain loop plans {len(written)} messages, the launch {len(planned)}.")
    return Measured(number, number * shop.EVENTS_EACH, len(selected), len(planned), noria, processor, query, plain)


def _moments() -> dict[str, int]:
    now = to_micros(shop.MONDAY)
    return {
        "now": now,
        "since": now - _WINDOW_DAYS * _DAY_MICROS,
        "recent": now - _RECENT_DAYS * _DAY_MICROS,
        "views": _VIEWS,
    }


def _query(lake: Lake) -> tuple[list[int], float]:
    """The same contacts by one query: what reading alone takes."""
    begun = time.perf_counter()
    with duckdb.connect() as connection:
        for table in (LakeTable.EVENTS, LakeTable.ORDERS):
            connection.read_parquet(DeltaTable(lake.folder / table.value).file_uris()).create_view(table.value)
        found = sorted(row[0] for row in connection.execute(_SELECT, _moments()).fetchall())
    return found, time.perf_counter() - begun


def _loop(lake: Lake, folder: Path, number: int) -> tuple[list[int], float]:
    """A query for each contact on tables with an index, and a row for each who may be written to."""
    connection = sqlite3.connect(folder / "plain.db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    for table, name in ((LakeTable.EVENTS, "views"), (LakeTable.ORDERS, "orders")):
        rows: pa.Table = DeltaTable(lake.folder / table.value).to_pyarrow_table(columns=["contact_id", "at"])
        connection.execute(f"CREATE TABLE {name} (contact_id INTEGER, at INTEGER)")
        pairs = zip(rows["contact_id"].to_pylist(), rows["at"].to_pylist(), strict=True)
        connection.executemany(f"INSERT INTO {name} VALUES (?, ?)", pairs)  # noqa: S608 - names from this file
        connection.execute(f"CREATE INDEX {name}_of ON {name} (contact_id, at)")
    connection.execute("CREATE TABLE c (id INTEGER PRIMARY KEY, agreed INTEGER, blocked INTEGER)")
    connection.executemany(
        "INSERT INTO c VALUES (?, ?, ?)",
        ((one, shop.has_consent(one), shop.is_suppressed(one)) for one in range(1, number + 1)),
    )
    connection.execute("CREATE TABLE planned (contact_id INTEGER PRIMARY KEY, due INTEGER, state TEXT)")
    connection.commit()
    asked = _moments()
    begun = time.perf_counter()
    for one in range(1, number + 1):
        if connection.execute(_ASK, {**asked, "id": one}).fetchone()[0]:
            connection.execute("INSERT INTO planned VALUES (?, ?, 'planned')", (one, asked["now"]))
        if one % _COMMIT_EVERY == 0:
            connection.commit()
    connection.commit()
    took = time.perf_counter() - begun
    written = [row[0] for row in connection.execute("SELECT contact_id FROM planned ORDER BY contact_id")]
    connection.close()
    return written, took


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was measured; whether it meets the target is for the reader, since machines differ."""
    parser = argparse.ArgumentParser(description="Measure a launch against the bare query and a plain loop.")
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own instead of SQLite")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    if chosen.postgres:
        with tempfile.TemporaryDirectory(prefix="noria-bench-") as name, shop.postgres(Path(name)) as server:
            found = measure(chosen.contacts, url=shop.new_database(server, "bench"))
    else:
        found = measure(chosen.contacts)
    if chosen.json:
        json.dump({**asdict(found), "at_target_size": found.at_target_size}, sys.stdout, indent=2)
        return 0
    table = Table(title=f"{found.contacts:,} contacts, {found.events:,} events, {found.planned:,} messages planned")
    for heading in ("way", "seconds", "Noria takes times as long"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    table.add_row("Noria: select, gate, enrol, plan", f"{found.noria:.2f}", "")
    table.add_row("bare query: select", f"{found.query:.2f}", f"{found.noria / found.query:,.0f}")
    table.add_row("plain loop: select, insert", f"{found.plain:.2f}", f"{found.noria / found.plain:.1f}")
    console = Console()
    console.print(table)
    console.print(f"Noria kept a processor busy for {found.noria_processor:.1f} s of these.")
    console.print(
        f"A million contacts at this pace: {found.at_target_size:,.0f} s (target {TARGET_SECONDS:g} s on two cores)."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
