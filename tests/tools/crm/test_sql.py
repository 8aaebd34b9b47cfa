"""Tables of a team's own database, on SQLite and on PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, insert, make_url, text, update

from memory.clock import ManualClock
from memory.store import Store
from tests.memory.importing.loading import rows_of
from tests.tools.crm.database import LONG_AGO, MAPPING, Database
from tests.tools.crm.scene import intake, people
from tools.crm.connector import ConnectorError
from tools.crm.connectors import mapping_of
from tools.crm.intake import Intake
from tools.crm.sql.connector import Sql
from tools.crm.sql.options import SqlOptions, SqlTable
from tools.crm.sync import Pulled, pull


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    url = ""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        name = f"shop_{uuid.uuid4().hex[:12]}"
        admin = create_engine(server, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        admin.dispose()
        url = make_url(server).set(database=name).render_as_string(hide_password=False)
    with Database(url) as found:
        yield found


@pytest.fixture
def place(store: Store, tmp_path: Path) -> Intake:
    (tmp_path / "connectors").mkdir()
    (tmp_path / "connectors" / "sql.yaml").write_text(MAPPING, encoding="utf-8")
    return intake(store, tmp_path, ManualClock(datetime.now(UTC) + timedelta(hours=1)))


def read(place: Intake, database: Database, folder: Path, **options: Any) -> dict[str, Pulled]:
    connector = database.connector(**options)
    found = {one.thing: one for one in pull(place, connector, mapping_of("sql", folder))}
    connector.close()
    return found


def test_rows_come_in_then_those_that_changed_and_the_deleted_are_written_to_no_more(
    database: Database, place: Intake, tmp_path: Path
) -> None:
    for number in range(1, 6):
        database.put(number, first_name=f"First{number}", at=LONG_AGO)
    first = read(place, database, tmp_path, page_size=2)["contacts"]
    assert (first.read, first.complete, first.trouble) == (5, True, "")
    database.put(3, first_name="Anna")
    with database.engine.begin() as connection:
        gone = update(database.people).where(database.people.c.id == 5).values(deleted_at=datetime.now(UTC))
        connection.execute(gone)
    changed = read(place, database, tmp_path)["contacts"]
    assert (changed.read, changed.written, changed.deleted) == (2, 1, 2)
    assert people(place.store, "sql")["3"] == "Anna"


def test_an_order_comes_with_all_its_lines_whatever_the_page(database: Database, place: Intake, tmp_path: Path) -> None:
    lines = [
        {"number": f"A{order}", "email": "ann@shop.example.com", "sku": f"S{line}", "position": line, "total": 30,
         "amount": 10, "at": LONG_AGO}
        for order in (1, 2)
        for line in (1, 2, 3)
    ]  # fmt: skip
    with database.engine.begin() as connection:
        connection.execute(insert(database.sales), lines)
    assert read(place, database, tmp_path, page_size=1)["orders"].complete
    assert rows_of(place.lake, "SELECT order_id, total_cents FROM orders ORDER BY 1") == [("A1", 3000), ("A2", 3000)]
    assert rows_of(place.lake, "SELECT count(*), sum(amount_cents) FROM lines") == [(6, 6000)]
    assert read(place, database, tmp_path)["orders"].written == 0


@pytest.mark.parametrize("kind", ["UUID", "NUMERIC(20, 0)", "BIGINT", "VARCHAR(40)", "TIMESTAMP"])
def test_a_table_is_walked_by_whatever_its_ids_are(postgres_server: str, place: Intake, kind: str) -> None:
    ids = {"UUID": uuid.UUID(int=0).hex[:-1], "TIMESTAMP": "2025-01-0"}.get(kind, "")
    schema = f"shop_{uuid.uuid4().hex[:12]}"
    engine = create_engine(postgres_server)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        connection.execute(text(f"CREATE TABLE {schema}.people (id {kind}, email VARCHAR(200))"))
        for number in range(1, 6):
            row = f"('{ids}{number}', 'person{number}@shop.example.com')"
            connection.execute(text(f"INSERT INTO {schema}.people VALUES {row}"))
    connector = Sql(SqlOptions(contacts=SqlTable(table=f"{schema}.people"), page_size=2), {}, url=postgres_server)
    (done,) = pull(place, connector, {})
    connector.close()
    engine.dispose()
    assert (done.read, done.complete, done.trouble) == (5, True, "")


@pytest.mark.parametrize("position", ["  position: line_number\n", ""])
def test_no_line_of_an_order_is_lost_whatever_its_column_is_called(
    database: Database, place: Intake, tmp_path: Path, position: str
) -> None:
    mapping = MAPPING.replace("  position: position\n", position)
    (tmp_path / "connectors" / "sql.yaml").write_text(mapping, encoding="utf-8")
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE sales RENAME COLUMN position TO line_number"))
        connection.execute(
            text("INSERT INTO sales (id, number, email, sku, line_number, total, amount, at)"
            " VALUES (:id, 'A1', 'ann@shop.example.com', :sku, :id, 30, 10, :at)"),
            [{"id": line, "sku": f"S{line}", "at": LONG_AGO} for line in (1, 2, 3)],
        )  # fmt: skip
    assert read(place, database, tmp_path)["orders"].set_aside == 0
    assert rows_of(place.lake, "SELECT product_id FROM lines ORDER BY line") == [("S1",), ("S2",), ("S3",)]


def test_without_a_mapping_the_names_of_the_columns_say_what_they_are(
    database: Database, place: Intake, tmp_path: Path
) -> None:
    database.put(1, first_name="Ann")
    connector = database.connector()
    (done,) = [one for one in pull(place, connector, {}) if one.thing == "contacts"]
    connector.close()
    assert (done.written, done.set_aside) == (1, 0)
    assert people(place.store, "sql") == {"1": "Ann"}


def test_what_is_not_there_is_named_with_what_is(database: Database, place: Intake, tmp_path: Path) -> None:
    for wrong, said in (
        ({"table": "persons"}, "no table persons"),
        ({"table": "people", "changed": "touched"}, "no column touched"),
    ):
        connector = database.connector(contacts=wrong)
        with pytest.raises(ConnectorError, match=said) as raised:
            connector.check()
        assert "people" in raised.value.remedy or "updated_at" in raised.value.remedy
        assert database.url not in str(raised.value)
        connector.close()
    connector = database.connector()
    assert "people, sales can be read" in connector.check()
    assert "first_name" in [one.name for one in connector.properties("contacts")]
    connector.close()


def test_a_password_in_the_address_is_never_repeated() -> None:
    for url in ("postgresql+psycopg://ann:hunter2@127.0.0.1:1/x", "nonsense://ann:hunter2@x", "hunter2"):
        with pytest.raises(ConnectorError) as raised:
            Sql(SqlOptions.model_validate({"contacts": {"table": "people"}}), {}, url=url).check()
        assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("name", ["people; DROP TABLE people", "people where 1=1", '"people"', "a.b.c"])
def test_a_table_is_named_and_never_written_in_sql(name: str) -> None:
    with pytest.raises(ValueError, match="name a table"):
        SqlOptions.model_validate({"contacts": {"table": name}})


def test_a_user_who_may_not_select_is_told_what_to_grant(postgres_server: str) -> None:
    name = f"shop_{uuid.uuid4().hex[:12]}"
    engine = create_engine(postgres_server)
    with engine.begin() as connection:
        for said in (
            f"CREATE SCHEMA {name}",
            f"CREATE TABLE {name}.people (id BIGINT, email VARCHAR(200))",
            f"CREATE ROLE {name}",
            f"GRANT USAGE ON SCHEMA {name} TO {name}",
        ):
            connection.execute(text(said))
    url = f"{postgres_server}{'&' if '?' in postgres_server else '?'}options=-c%20role%3D{name}"
    connector = Sql(SqlOptions(contacts=SqlTable(table=f"{name}.people")), {}, url=url)
    with pytest.raises(ConnectorError) as refused:
        connector.check()
    assert f"GRANT SELECT ON {name}.people" in refused.value.remedy
    with engine.begin() as connection:
        connection.execute(text(f"GRANT SELECT ON {name}.people TO {name}"))
    assert f"{name}.people can be read" in connector.check()
    connector.close()
    engine.dispose()
