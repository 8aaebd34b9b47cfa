"""One import under way: its rows staged as typed columns beside the lake's tables, and what was left out of them."""

# ruff: noqa: S608 - the queries are put together from names of this module; values stand in tables

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from memory.forgotten import Forgotten
from memory.importing.columns import RowReader
from memory.importing.export import Export, many_rows
from memory.importing.identity import Reference, resolve_all
from memory.importing.mapping import Mapping
from memory.importing.report import BadRow, ImportSettings, Progress
from memory.lake import SCHEMAS, Lake, LakeTable
from memory.store import Store

ERASED = "the person was erased and must not come back by an import"


@dataclass(slots=True)
class Outcome:
    """What a loader did with the rows of the file."""

    rows_written: int = 0
    written: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, table: str, rows: int) -> None:
        if rows:
            self.written[table] = self.written.get(table, 0) + rows


class Job:
    """The rows of one file, staged in an engine that also sees the lake."""

    def __init__(
        self,
        *,
        store: Store,
        lake: Lake,
        export: Export,
        mapping: Mapping,
        settings: ImportSettings,
        source: str,
        salt: str,
        now: datetime,
        progress: Progress,
    ) -> None:
        self.store, self.lake = store, lake
        self.export, self.mapping, self.settings = export, mapping, settings
        self.source, self.salt, self.now, self.progress = source, salt, now, progress
        self.sql = lake.connect().con
        self.bad: list[BadRow] = []
        self.skipped: dict[str, int] = {}
        self.rows_read = 0
        self.notes: list[str] = []
        self.left_out: set[int] = set()
        """Lines that are not taken in."""
        self._refused: list[tuple[int, str, str]] = []

    def stage(self, total: int) -> None:
        """Read and check the file into the table ``rows``; what cannot be read is set apart."""
        reader = RowReader(self.export, self.mapping, self.settings, self.now + self.settings.clock_skew)
        empty = reader.schema.empty_table()
        self.sql.register("block", empty)
        self.sql.execute("CREATE TEMP TABLE rows AS SELECT * FROM block")
        self.sql.unregister("block")
        with many_rows():
            for parsed in reader.blocks():
                self.sql.register("block", parsed.rows)
                self.sql.execute("INSERT INTO rows SELECT * FROM block")
                self.sql.unregister("block")
                self.bad.extend(parsed.bad)
                self.left_out.update(row.line for row in parsed.bad)
                self.rows_read += parsed.seen
                self.progress("reading", self.rows_read, total)
        self.notes.extend(reader.softening.notes())

    def count(self, table: str = "rows") -> int:
        return int(self.sql.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])

    def refuse(self, lines: str, reason: str, field_name: str = "") -> int:
        """Take the rows whose line a query returns out of ``rows`` and into the quarantine."""
        found = [row[0] for row in self.sql.execute(lines).fetchall()]
        if found:
            self._take_out(found)
            column = self.column_of(field_name)
            self._refused.extend((line, column, reason) for line in found)
        return len(found)

    def skip(self, lines: str, reason: str) -> int:
        """Take rows out that are well formed and yet bring nothing."""
        found = [row[0] for row in self.sql.execute(lines).fetchall()]
        self.skip_lines(found, reason)
        return len(found)

    def skip_lines(self, lines: Sequence[int], reason: str) -> None:
        """The same for lines that are known."""
        if lines:
            self._take_out(lines)
            self.skipped[reason] = self.skipped.get(reason, 0) + len(lines)

    def refuse_second_meanings(self, key: Sequence[str]) -> None:
        """Refuse rows whose id stood earlier in the file with other content; the same row twice is one row."""
        names = ", ".join(key)
        filled = " AND ".join(f"{name} IS NOT NULL" for name in key)
        others = [name for name in self.fields if name not in key]
        told = ", ".join(f'coalesce("{name}"::VARCHAR, chr(30))' for name in others)
        content = f"md5(concat_ws(chr(31), {told}))"
        self.sql.execute(
            f"""CREATE OR REPLACE TEMP TABLE twice AS
            SELECT line, {content} AS content, row_number() OVER (PARTITION BY {names} ORDER BY line) AS nth,
                   first_value({content}) OVER (PARTITION BY {names} ORDER BY line) AS first_content
            FROM rows WHERE {filled} AND ({names}) IN
                (SELECT ({names}) FROM rows WHERE {filled} GROUP BY {names} HAVING count(*) > 1)"""
        )
        self.skip("SELECT line FROM twice WHERE nth > 1 AND content = first_content", "the same row stands twice in it")
        self.refuse(
            "SELECT line FROM twice WHERE nth > 1 AND content <> first_content ORDER BY line",
            "an earlier row of this file has the same id and says something else",
            key[0],
        )

    def resolve(self, *, create_for: str, known_id_reason: str = "") -> None:
        """Make the table ``people`` (line, contact_id) of all rows that name somebody, creating contacts where allowed.

        With ``known_id_reason``, rows that name somebody who is not known are refused for it; those of people who were
        erased bring nothing.
        """
        self.sql.execute(
            """CREATE OR REPLACE TEMP TABLE named AS
            SELECT contact, anonymous, email, min(line) AS first_line FROM rows
            WHERE contact IS NOT NULL OR anonymous IS NOT NULL OR email IS NOT NULL
            GROUP BY contact, anonymous, email"""
        )
        triples = self.sql.execute(
            "SELECT contact, anonymous, email, first_line FROM named ORDER BY first_line"
        ).fetchall()
        ids: list[int | None] = []
        created, erased = 0, list[bool]()
        if triples:
            with self.store.write() as connection:
                forgotten = Forgotten(connection, self.salt)
                erased = [forgotten.knows(self.source, **Reference(*one[:3])._asdict()) for one in triples]
                ids, created = resolve_all(
                    connection,
                    [Reference(*triple[:3]) for triple in triples],
                    source=self.source,
                    salt=self.salt,
                    now=self.now,
                    create_for=create_for,
                )
        if created:
            self.notes.append(f"{created} people were not known and became contacts.")
        resolved = pa.table(
            {
                "first_line": pa.array([one[3] for one in triples], pa.int64()),
                "contact_id": pa.array(ids, pa.int64()),
                "erased": pa.array(erased, pa.bool_()),
            }
        )
        self.sql.register("resolved", resolved)
        self.sql.execute(
            """CREATE OR REPLACE TEMP TABLE people AS
            SELECT r.line, s.contact_id, s.erased FROM rows r
            JOIN named n ON r.contact IS NOT DISTINCT FROM n.contact AND r.anonymous IS NOT DISTINCT FROM n.anonymous
                AND r.email IS NOT DISTINCT FROM n.email
            JOIN resolved s ON s.first_line = n.first_line"""
        )
        self.sql.unregister("resolved")
        if known_id_reason:
            self.skip("SELECT line FROM people WHERE erased", ERASED)
            self.refuse(
                "SELECT line FROM people WHERE contact_id IS NULL AND NOT erased ORDER BY line",
                known_id_reason,
                "contact" if self.mapping.has("contact") else "email",
            )

    def upsert(self, table: LakeTable, query: str) -> tuple[int, int]:
        """Write the rows of a query to the lake; returns how many are (new or changed, unchanged)."""
        names = ", ".join(f'"{name}"' for name in SCHEMAS[table].names)
        rows = self.sql.sql(f"SELECT {names} FROM ({query})").to_arrow_table()
        if not rows.num_rows:
            return 0, 0
        self.progress(f"writing {table}", 0, rows.num_rows)
        done = self.lake.upsert(table, rows)
        self.progress(f"writing {table}", rows.num_rows, rows.num_rows)
        return done.inserted + done.updated, done.unchanged

    def read(self, query: str, convert: Callable[[dict[str, Any]], Any] = lambda row: row) -> list[Any]:
        """The rows of a query as dictionaries."""
        return [convert(row) for row in self.sql.sql(query).to_arrow_table().to_pylist()]

    def fill_raw(self) -> None:
        """Fetch, for the quarantine, the rows that were refused after they had been read."""
        raw = self.export.rows_at({line for line, _, _ in self._refused})
        self.bad.extend(
            BadRow(line=line, column=column, reason=reason, raw=raw.get(line, {}))
            for line, column, reason in self._refused
        )
        self._refused.clear()
        self.bad.sort(key=lambda row: row.line)

    def refuse_lines(self, found: Iterable[tuple[int, str, str]]) -> None:
        """Take rows out, each (line, field, reason)."""
        listed = list(found)
        self._take_out([line for line, _, _ in listed])
        self._refused.extend((line, self.column_of(name), reason) for line, name, reason in listed)

    @property
    def fields(self) -> list[str]:
        """The fields of the staged table."""
        return [row[0] for row in self.sql.execute("DESCRIBE rows").fetchall() if row[0] != "line"]

    def column_of(self, field_name: str) -> str:
        """The file's own name for a field."""
        columns = self.mapping.of(field_name) if field_name else []
        return columns[0].column if columns else ""

    def _take_out(self, lines: Sequence[int]) -> None:
        self.left_out.update(lines)
        self.sql.register("taken", pa.table({"line": pa.array(lines, pa.int64())}))
        self.sql.execute("DELETE FROM rows WHERE line IN (SELECT line FROM taken)")
        self.sql.unregister("taken")
