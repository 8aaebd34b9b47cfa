"""How tables are read: in order of their ids, a page at a time, all there is or what changed since the last pull."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pydantic import SecretStr
from sqlalchemy import (
    Column,
    ColumnElement,
    Engine,
    MetaData,
    RowMapping,
    Select,
    Table,
    create_engine,
    func,
    inspect,
    or_,
    select,
)
from sqlalchemy.exc import ArgumentError, NoSuchTableError, SQLAlchemyError

from memory.importing.mapping import Mapping as ReadAs
from memory.importing.mapping import guess
from tools.crm.connector import ConnectorError, Page, Property, Record, cursor_at, moment_of, place_in, written
from tools.crm.secrets import needed
from tools.crm.sql.options import SYSTEM, SqlOptions, SqlTable

_OVERLAP: Final = timedelta(minutes=5)


class Sql:
    """Reads the tables that are named in the settings."""

    system = SYSTEM

    def __init__(self, options: SqlOptions, secrets: Mapping[str, SecretStr], *, url: str = "", **_more: Any) -> None:
        self._options = options
        try:
            self._engine: Engine = create_engine(url or needed(SYSTEM, secrets, "NORIA_SQL_URL").get_secret_value())
        except (ArgumentError, ImportError):
            # The message of the library could quote the address with its password.
            raise _trouble("NORIA_SQL_URL is no address of a database.", "Write postgresql+psycopg://…") from None
        self._tables: dict[str, Table] = {}

    def read(self, thing: str, cursor: str, wanted: Sequence[str]) -> Page:
        named = self._named(thing)
        if named is None:
            return Page([], cursor, more=False)
        try:
            return self._page(thing, named, place_in(cursor), wanted)
        except SQLAlchemyError as error:
            raise _trouble(f"{named.table} cannot be read ({type(error).__name__}).", _CHECK) from None

    def properties(self, thing: str) -> list[Property]:
        named = self._named(thing)
        if named is None:
            return []
        return [Property(one.name, str(one.type), False) for one in self._table(named).columns]

    def read_as(self, thing: str) -> ReadAs | None:
        named = self._named(thing)
        if named is None:
            return None
        found = guess(self._table(named).columns.keys(), file_name=named.table, kind=SYSTEM.things[thing])
        # What a database holds is typed; nothing is left to be guessed but the names.
        columns = [one.model_copy(update={"day_first": False, "decimal_mark": "."}) for one in found.columns]
        return found.model_copy(update={"vendor": SYSTEM.name, "columns": tuple(columns)})

    def check(self, *, writing: bool = False) -> str:
        found = [one for thing in SYSTEM.things if (one := self._named(thing)) is not None]
        if not found:
            raise _trouble("No table is named.", "Add for example [sync.sql.contacts] with table, id and changed.")
        for one in found:
            table = self._table(one)
            columns = [self._column(table, one, name) for name in (one.id, one.changed, one.deleted) if name]
            try:
                # To know a table's columns takes no right to read its rows.
                with self._engine.connect() as connection:
                    connection.execute(select(*columns).limit(1)).all()
            except SQLAlchemyError as error:
                raise _trouble(
                    f"{one.table} cannot be read ({type(error).__name__}).", f"GRANT SELECT ON {one.table}. {_CHECK}"
                ) from None
        return f"The database lets us in; {', '.join(one.table for one in found)} can be read."

    def close(self) -> None:
        self._engine.dispose()

    def _named(self, thing: str) -> SqlTable | None:
        found: SqlTable | None = getattr(self._options, thing)
        return found

    def _page(self, thing: str, named: SqlTable, place: Mapping[str, Any], wanted: Sequence[str]) -> Page:
        table = self._table(named)
        key = self._column(table, named, named.id)
        marks = [self._column(table, named, name) for name in (named.changed, named.deleted) if name]
        columns = {one.name: one for one in (key, *marks, *(self._column(table, named, name) for name in wanted))}
        with self._engine.connect() as connection:
            now: Any = connection.execute(select(func.current_timestamp())).scalar()
            following = place.get("next") or written(_aware(now) - _OVERLAP)
            keys = self._keys(key, marks, place)
            ids = list(connection.execute(keys.limit(self._options.page_size)).scalars())
            # All rows of an id come together: an order with its lines.
            rows = connection.execute(select(*columns.values()).where(key.in_(ids)).order_by(key)).mappings().all()
        records = [_record(row, named) for row in rows]
        if len(ids) == self._options.page_size:
            cursor = cursor_at(since=place.get("since"), after=str(ids[-1]), next=following)
            return Page(records, cursor, more=True)
        return Page(records, cursor_at(since=following if named.changed else None), more=False)

    def _keys(self, key: Column[Any], marks: Sequence[Column[Any]], place: Mapping[str, Any]) -> Select[Any]:
        asked = select(key).where(key.is_not(None)).distinct().order_by(key)
        if (after := place.get("after")) is not None:
            asked = asked.where(key > _key_in(key, str(after)))
        since = moment_of(place.get("since"))
        if since is not None:
            asked = asked.where(or_(*(_since(mark, since) for mark in marks)))
        return asked

    def _table(self, named: SqlTable) -> Table:
        if named.table not in self._tables:
            schema, _, name = named.table.rpartition(".")
            try:
                self._tables[named.table] = Table(name, MetaData(), schema=schema or None, autoload_with=self._engine)
            except NoSuchTableError:
                known = ", ".join(sorted(inspect(self._engine).get_table_names(schema=schema or None))[:12])
                raise _trouble(f"There is no table {named.table}.", f"There are: {known}.") from None
            except SQLAlchemyError as error:
                raise _trouble(f"The database does not let us in ({type(error).__name__}).", _CHECK) from None
        return self._tables[named.table]

    def _column(self, table: Table, named: SqlTable, name: str) -> Column[Any]:
        if name not in table.columns:
            raise _trouble(f"{named.table} has no column {name}.", f"It has {', '.join(table.columns.keys())}.")
        return table.columns[name]


_CHECK: Final = "Check NORIA_SQL_URL, that the database runs, and that its user may SELECT."


def _trouble(what: str, remedy: str) -> ConnectorError:
    return ConnectorError(f"SQL: {what}", where="sql", remedy=remedy)


def _since(mark: Column[Any], since: datetime) -> ColumnElement[bool]:
    # A column without a zone holds UTC; SQLite compares moments as text.
    has_zone = getattr(mark.type, "timezone", False)
    return mark >= (since if has_zone else since.replace(tzinfo=None))


def _key_in(key: Column[Any], text: str) -> object:
    """The value of an id that stands in a cursor as text."""
    kind: Any = key.type.python_type
    return kind.fromisoformat(text) if issubclass(kind, date) else kind(text)


def _aware(value: object) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _record(row: RowMapping, named: SqlTable) -> Record:
    values = {name: _plain(value) for name, value in row.items()}
    gone = moment_of(values.get(named.deleted)) if named.deleted else None
    return Record(str(row[named.id]), values, moment_of(values.get(named.changed)), gone)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return written(_aware(value))
    return format(value, "f") if isinstance(value, Decimal) else value


CONNECTOR: Final = Sql
