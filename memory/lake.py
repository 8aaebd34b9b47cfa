"""The lake: facts about the past as Delta tables, read by an in-memory DuckDB through ibis.

Rows name people by contact_id only. ``at`` columns are integer UTC microseconds, money is integer minor units.
The lake is stale by design: it proposes candidates, the store decides at the moment of a send.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, NamedTuple

import duckdb
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from filelock import FileLock, Timeout
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from memory.engine import Engine, open_engine, own_engine, shared_engine
from memory.errors import InvalidInputError, LakeError
from memory.lake_files import in_files, rows_of

KEEP_FILES_HOURS = 7 * 24
MANY_FILES = 24
"""More of them make every reading of a table slow."""
_ATTEMPTS = 10
_GROUPED: Final = WriterProperties(compression="SNAPPY", max_row_group_size=100_000)
_UPSERT = "noria.upsert"
_KEEP_LOG = "delta.logRetentionDuration"


class LakeTable(StrEnum):
    """The tables of the lake."""

    EVENTS = "events"
    ORDERS = "orders"
    LINES = "lines"
    PRODUCTS = "products"
    SENDS = "sends"
    CONTACTS = "contacts"


def _schema(text: str) -> pa.Schema:
    # "name type" per line; a type that ends in ? may be null.
    fields = []
    for line in text.strip().splitlines():
        name, kind = line.split()
        fields.append(pa.field(name, pa.type_for_alias(kind.rstrip("?")), nullable=kind.endswith("?")))
    return pa.schema(fields)


SCHEMAS: Mapping[LakeTable, pa.Schema] = {
    # What contacts did; kinds are in memory.events. human is False for scanners and other machines.
    LakeTable.EVENTS: _schema("""
        event_id string
        contact_id int64
        kind string
        at int64
        category string
        product_id string
        value_cents int64?
        human bool
        source string
        properties string
    """),
    # total_cents is what was paid, net of discount_cents; a return is negative.
    LakeTable.ORDERS: _schema("""
        order_id string
        contact_id int64?
        at int64
        total_cents int64
        discount_cents int64
        currency string
        source string
    """),
    # amount_cents is what was paid for the whole line, net of discount_cents; a return is negative.
    LakeTable.LINES: _schema("""
        order_id string
        line int32
        contact_id int64?
        at int64
        product_id string
        category string
        quantity int32
        amount_cents int64
        discount_cents int64
    """),
    # price and cost of one unit, and how many units can be sold; null where the shop's export does not say.
    LakeTable.PRODUCTS: _schema("""
        product_id string
        name string
        category string
        department string
        brand string
        price_cents int64?
        cost_cents int64?
        url string
        image_url string
        stock_units int64?
    """),
    # Messages that left, here or in an earlier tool.
    LakeTable.SENDS: _schema("""
        message_key string
        contact_id int64
        campaign string
        channel string
        at int64
        delivered bool
        bounced string
        source string
    """),
    # The snapshot that memory.snapshot writes: no name, address or other direct identifier.
    LakeTable.CONTACTS: _schema("""
        contact_id int64
        language string
        time_zone string
        country string
        created_at int64
        has_email bool
        consent_email string
        consent_proof bool
        suppressed bool
        preferred_category string
    """),
}

KEYS: Mapping[LakeTable, tuple[str, ...]] = {
    LakeTable.EVENTS: ("event_id",),
    LakeTable.ORDERS: ("order_id",),
    LakeTable.LINES: ("order_id", "line"),
    LakeTable.PRODUCTS: ("product_id",),
    LakeTable.SENDS: ("message_key",),
    LakeTable.CONTACTS: ("contact_id",),
}


class Upserted(NamedTuple):
    """What an upsert did: rows that are new, changed, and the same as before."""

    inserted: int
    updated: int
    unchanged: int


class Lake:
    """Reads and writes the Delta tables in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def state_of(self, table: LakeTable) -> str:
        """Names the newest commit to a table: different after every write or rebuild, empty while there is none."""
        newest = max((self.folder / table / "_delta_log").glob("*.json"), default=None)
        return "" if newest is None else f"{newest.name}:{newest.stat().st_size}:{newest.stat().st_mtime_ns}"

    def append(self, table: LakeTable, rows: pa.Table, *, batch_id: str) -> bool:
        """Add a batch of rows once; False means that this batch is already there and nothing was written.

        Give a few thousand rows at a time: each call is one commit of about 30 ms. Two writers of the same batch at
        the same moment end with one copy.
        """
        rows = conform(table, rows)
        for attempt in _attempts():
            with attempt, speaking_of(self._path(table)):
                delta = self._open_to_add(table)
                if delta.transaction_version(batch_id) is not None:
                    return False
                _write(delta, rows, mode="append", transaction=Transaction(batch_id, 1))
        return True

    def upsert(self, table: LakeTable, rows: pa.Table, key: Sequence[str] = ()) -> Upserted:
        """Insert rows, and replace those whose key is already there; the last of two rows with one key wins.

        ``key`` defaults to the table's own. Rows that change nothing write nothing.
        """
        names = tuple(key) or KEYS[table]
        rows = _last_per_key(conform(table, rows), names)
        for attempt in _attempts():
            with attempt, speaking_of(self._path(table)):
                delta = self._open_to_add(table)
                new, changed = _split(delta.file_uris(), rows, names)
                if new.num_rows or changed.num_rows:
                    # Every upsert commits under one application id, so that of two at once the later one starts over.
                    last = delta.transaction_version(_UPSERT)
                    commit = Transaction(_UPSERT, 1 if last is None else last + 1)
                    if changed.num_rows:
                        _merge(delta, pa.concat_tables([new, changed]), names, commit)
                    else:
                        _write(delta, new, mode="append", transaction=commit)
        return Upserted(new.num_rows, changed.num_rows, rows.num_rows - new.num_rows - changed.num_rows)

    def remove(self, table: LakeTable, column: str, values: Sequence[str]) -> None:
        """Take out the rows that have one of these values in a column; those that are not there change nothing."""
        named = pa.table({column: pa.array(values, pa.string())})
        for attempt in _attempts():
            with attempt, speaking_of(self._path(table)):
                merger = self._open(table).merge(
                    named, predicate=f"t.{column} = s.{column}", source_alias="s", target_alias="t"
                )
                merger.when_matched_delete().execute()

    def replace(self, table: LakeTable, rows: pa.Table) -> None:
        """Make the table hold exactly these rows."""
        rows = conform(table, rows)
        for attempt in _attempts():
            with attempt, speaking_of(self._path(table)):
                _write(self._open(table), rows, mode="overwrite")

    def reassign(self, contacts: Mapping[int, int]) -> None:
        """Give the past of merged contacts to the contact they were merged into: {merged id: kept id}."""
        if not contacts:
            return
        pairs = pa.table({"merged": pa.array(contacts, pa.int64()), "kept": pa.array(contacts.values(), pa.int64())})
        for table in (LakeTable.EVENTS, LakeTable.ORDERS, LakeTable.LINES, LakeTable.SENDS):
            for attempt in _attempts():
                with attempt, speaking_of(self._path(table)):
                    merger = self._open(table).merge(
                        pairs, predicate="t.contact_id = s.merged", source_alias="s", target_alias="t"
                    )
                    merger.when_matched_update({"contact_id": "s.kept"}).execute()

    def erase(self, contacts: Sequence[int], texts: Sequence[str], renamed: Mapping[str, str]) -> None:
        """Leave nothing of contacts but kinds, moments and amounts, in no version and no log of any table.

        Events of others lose what they say too where one of the ``texts`` (in lower case) stands in it. ``renamed``
        gives events whose ids name a person other ids. A reader of another process may have to ask again.
        """
        among = f"contact_id IN ({', '.join(str(int(one)) for one in contacts)})"
        literals = [one.replace("'", "''") for one in texts]
        telling = " OR ".join([among, *(f"contains(lower(properties), '{one}')" for one in literals)])
        # Files that are being joined meanwhile, and come too late to be committed, would keep what is erased here.
        with self._joining(patiently=True):
            self._erase(among, telling, renamed)

    def _erase(self, among: str, telling: str, renamed: Mapping[str, str]) -> None:
        pairs = pa.table({"old": pa.array(renamed, pa.string()), "new": pa.array(renamed.values(), pa.string())})
        for table in (LakeTable.CONTACTS, LakeTable.EVENTS):
            if not self._exists(table):
                continue
            for attempt in _attempts():
                with attempt, speaking_of(self._path(table)):
                    delta = self._open(table)
                    if table is LakeTable.CONTACTS:
                        delta.delete(among)
                    else:
                        delta.update(predicate=f"({telling}) AND properties <> '{{}}'", updates={"properties": "'{}'"})
                    if table is LakeTable.EVENTS and renamed:
                        merger = delta.merge(pairs, predicate="t.event_id = s.old", source_alias="s", target_alias="t")
                        merger.when_matched_update({"event_id": "s.new"}).execute()
                    # The log keeps the smallest and largest value of each column of every file there ever was.
                    delta.alter.set_table_properties({_KEEP_LOG: "interval 0 days"})
                    delta.vacuum(0, dry_run=False, enforce_retention_duration=False)
                    delta.create_checkpoint()
                    delta.cleanup_metadata()
                    delta.alter.set_table_properties({_KEEP_LOG: "interval 30 days"})

    def tidy(self) -> list[LakeTable]:
        """Join the files of each table that consists of many, and delete those of a week ago; returns which it did.

        While another process joins or erases, nothing is done.
        """
        with self._joining(patiently=False) as alone:
            grown = [one for one in LakeTable if self._exists(one) and len(self._open(one).file_uris()) > MANY_FILES]
            if grown and alone:
                self.compact(grown)
                self.vacuum(grown)
            return grown if alone else []

    @contextmanager
    def _joining(self, *, patiently: bool) -> Iterator[bool]:
        """Whether no other process joins files or erases; it ends with the process that holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "joining.lock")
        try:
            lock.acquire(timeout=-1 if patiently else 0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def compact(self, tables: Iterable[LakeTable] = LakeTable) -> None:
        """Join many small files into few large ones, so that reading stays fast."""
        for table in tables:
            for attempt in _attempts():
                with attempt, speaking_of(self._path(table)):
                    self._open(table).optimize.compact(writer_properties=_GROUPED)

    def vacuum(self, tables: Iterable[LakeTable] = LakeTable, *, keep_hours: int = KEEP_FILES_HOURS) -> None:
        """Delete files that no table uses any more and that are older than so many hours.

        A reader that connected earlier may still need them: 0 is for erasure, when nothing else reads.
        """
        for table in tables:
            with speaking_of(self._path(table)):
                delta = self._open(table)
                # Also what was written and never committed, because another writer was faster.
                delta.vacuum(keep_hours, dry_run=False, enforce_retention_duration=False, full=keep_hours > 0)

    def connect(self, contact_id: int | None = None) -> Engine:
        """An in-memory engine that sees the tables as they are now: events, orders, lines, products, sends, contacts.

        Tables without rows are there too, with their columns; with ``contact_id``, it sees what is about that one
        contact only. The engine belongs to one thread.
        """
        engine = open_engine() if contact_id is None else shared_engine()
        for table, schema in SCHEMAS.items():
            with speaking_of(self._path(table)):
                state = self.state_of(table)
                rows = rows_of(self._path(table), state, schema) if state else ""
                # DuckDB itself: ibis takes longer to word these than they take.
                if rows and contact_id is not None and "contact_id" in schema.names:
                    # A table: every feature would look through the files again for the same few rows.
                    engine.con.execute(f"CREATE TEMP TABLE {table} AS {rows} WHERE contact_id = {contact_id:d}")
                elif rows:
                    engine.con.execute(f"CREATE TEMP VIEW {table} AS {rows}")
                else:
                    columns = ", ".join(f'"{field.name}" {field.type}' for field in schema)
                    engine.con.execute(f"CREATE TEMP TABLE {table} ({columns})")
        return engine

    def _path(self, table: LakeTable) -> Path:
        return self.folder / table.value

    def _exists(self, table: LakeTable) -> bool:
        # The folder is there a moment before the first commit of whoever makes the table.
        return any((self._path(table) / "_delta_log").glob("*.json"))

    def _open(self, table: LakeTable) -> DeltaTable:
        path = self._path(table)
        if self._exists(table):
            return DeltaTable(path)
        path.mkdir(parents=True, exist_ok=True)
        return DeltaTable.create(path, schema=_loose(SCHEMAS[table]), mode="ignore")

    def _open_to_add(self, table: LakeTable) -> DeltaTable:
        """The table, written anew once where an older release made it without a column of today."""
        delta, schema = self._open(table), SCHEMAS[table]
        if {field.name for field in delta.schema().fields}.issuperset(schema.names):
            return delta
        files = delta.file_uris()
        # All files alike, so that a reader need not look into each for its columns.
        rows = schema.empty_table()
        if files:
            rows = in_files(own_engine().con, files, schema).select(*schema.names).to_arrow_table()
        write_deltalake(
            delta,
            rows.cast(_loose(schema)),
            mode="overwrite",
            schema_mode="overwrite",
            commit_properties=CommitProperties(max_commit_retries=0),
        )
        return DeltaTable(self._path(table))


def conform(table: LakeTable, rows: pa.Table) -> pa.Table:
    """The rows in the columns, order and types of a lake table, or an InvalidInputError that names the column."""
    schema = SCHEMAS[table]
    missing = [name for name in schema.names if name not in rows.column_names]
    if missing:
        raise InvalidInputError(
            f"The rows lack {', '.join(missing)}.", where=f"lake table {table}", remedy="Give every column."
        )
    columns = []
    for field in schema:
        column = rows.column(field.name)
        if column.null_count and not field.nullable:
            raise InvalidInputError(
                f"{column.null_count} rows have no {field.name}.",
                where=f"lake table {table}",
                remedy="Leave such rows out, or give text columns an empty text.",
            )
        try:
            columns.append(column.cast(field.type))
        except pa.ArrowException as error:
            raise InvalidInputError(
                f"The column {field.name} holds values that are no {field.type}.",
                where=f"lake table {table}",
                remedy="Give moments as integer microseconds and money as integer minor units.",
            ) from error
    return pa.table(columns, schema=schema)


def _loose(schema: pa.Schema) -> pa.Schema:
    # Whether a value may be missing is checked by conform; Delta's own check would tie every later release to it.
    return pa.schema([field.with_nullable(True) for field in schema])


@contextmanager
def speaking_of(path: Path) -> Iterator[None]:
    """Turn what the libraries raise about a place in the lake into one clear LakeError."""
    try:
        yield
    except CommitFailedError:
        # Somebody else committed first: the caller's retry decides.
        raise
    except (DeltaError, OSError, duckdb.Error, pa.ArrowException) as error:
        if isinstance(error, duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException):
            # A question that is wrong in itself says nothing about the files.
            raise
        text = str(error)
        if any(
            sign in text for sign in ("No space left", "File too large", "Disk quota", "os error 28", "os error 27")
        ):
            raise LakeError(
                "There is no room to write.",
                where=str(path),
                remedy="Free some disk space and run it again; nothing of this step was saved.",
            ) from error
        if any(sign in text for sign in ("Permission denied", "Read-only file system")):
            raise LakeError(
                "The lake may not be written or read by this user.",
                where=str(path),
                remedy="Give the user that runs Noria the rights to this folder.",
            ) from error
        first = text.strip().splitlines()[0][:200] if text.strip() else type(error).__name__
        raise LakeError(
            f"This part of the lake cannot be read: {first}",
            where=str(path),
            remedy="Restore the folder from a backup, or delete it and import the data again.",
        ) from error


def _attempts() -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(CommitFailedError),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.02, max=1),
        reraise=True,
    )


def _write(
    delta: DeltaTable, rows: pa.Table, *, mode: Literal["append", "overwrite"], transaction: Transaction | None = None
) -> None:
    if "contact_id" in rows.column_names:
        # Side by side, so that who asks for one contact reads a few groups of rows and passes over the others.
        rows = rows.sort_by("contact_id")
    write_deltalake(
        delta,
        rows,
        mode=mode,
        # A release that knows one column more writes it.
        schema_mode="overwrite" if mode == "overwrite" else None,
        writer_properties=_GROUPED,
        commit_properties=CommitProperties(
            app_transactions=[transaction] if transaction else None, max_commit_retries=5
        ),
    )


def _merge(delta: DeltaTable, rows: pa.Table, key: Sequence[str], transaction: Transaction) -> None:
    merger = delta.merge(
        rows,
        predicate=" AND ".join(f"t.{name} = s.{name}" for name in key),
        source_alias="s",
        target_alias="t",
        commit_properties=CommitProperties(app_transactions=[transaction], max_commit_retries=0),
    )
    merger.when_matched_update_all().when_not_matched_insert_all().execute()


def _last_per_key(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    numbered = rows.append_column("__row", pa.array(range(rows.num_rows), pa.int64()))
    last = numbered.group_by(list(key)).aggregate([("__row", "max")]).column("__row_max")
    return rows if len(last) == rows.num_rows else rows.take(last.combine_chunks().sort())


def _split(files: Sequence[str], rows: pa.Table, key: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    """Rows whose key is new, and rows that differ from what is there."""
    if not files:
        return rows, rows.slice(0, 0)
    on = " AND ".join(f"s.{name} = t.{name}" for name in key)
    differs = " OR ".join(f"s.{name} IS DISTINCT FROM t.{name}" for name in rows.column_names if name not in key)
    sql = own_engine().con
    sql.register("incoming", rows)
    try:
        found = f"FROM incoming s {{join}} JOIN read_parquet($files) t ON {on}"
        new = sql.sql(f"SELECT s.* {found.format(join='ANTI')}", params={"files": list(files)}).to_arrow_table()
        changed = sql.sql(
            f"SELECT s.* {found.format(join='SEMI')} AND ({differs})", params={"files": list(files)}
        ).to_arrow_table()
    finally:
        sql.unregister("incoming")
    return new.cast(rows.schema), changed.cast(rows.schema)
