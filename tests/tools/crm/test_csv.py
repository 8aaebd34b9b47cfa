"""A folder of files: read when they change, by the names of their columns, each row once."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from memory.clock import ManualClock
from memory.schema import contacts
from memory.store import Store
from memory.syncs import standings
from tests.memory.importing.loading import rows_of
from tests.tools.crm.scene import intake, people
from tools.crm.connector import ConnectorError
from tools.crm.connectors import mapping_of
from tools.crm.csv.connector import CsvFolder
from tools.crm.csv.options import CsvOptions
from tools.crm.intake import Intake
from tools.crm.sync import Pulled, pull

PEOPLE = "Customer ID;Prénom;E-mail\n" + "".join(f"{n};First{n};person{n}@shop.example.com\n" for n in range(1, 6))
ORDERS = "order_id,email,date,total\nA1,person1@shop.example.com,25/02/2025,12.50\nA2,nobody,25/02/2025,1\n"


@pytest.fixture
def place(store: Store, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Intake:
    monkeypatch.setattr("tools.crm.csv.connector._PAGE_SIZE", 2)
    (tmp_path / "exports").mkdir()
    return intake(store, tmp_path, clock, chunk=1)


def read(place: Intake, tmp_path: Path, until: float = float("inf")) -> dict[str, Pulled]:
    connector = CsvFolder(CsvOptions(folder=str(tmp_path / "exports")), {})
    return {one.thing: one for one in pull(place, connector, mapping_of("csv", tmp_path), until=until)}


def put(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "exports" / f"{name}.csv").write_text(text, encoding="utf-8")


def mapped(tmp_path: Path, text: str) -> None:
    (tmp_path / "connectors").mkdir()
    (tmp_path / "connectors" / "csv.yaml").write_text(text, encoding="utf-8")


def test_files_come_in_when_they_changed_and_not_before(place: Intake, tmp_path: Path) -> None:
    (tmp_path / "exports" / "contacts.csv").write_text(PEOPLE, encoding="utf-8")
    (tmp_path / "exports" / "orders.csv").write_text(ORDERS, encoding="utf-8")
    first = read(place, tmp_path)
    assert {name: (one.read, one.set_aside, one.complete) for name, one in first.items()} == {
        "contacts": (5, 0, True),
        "orders": (2, 1, True),
    }
    assert rows_of(place.lake, "SELECT order_id, total_cents FROM orders") == [("A1", 1250)]
    assert [one.read for one in read(place, tmp_path).values()] == [0, 0]
    (tmp_path / "exports" / "contacts.csv").write_text(PEOPLE.replace("First3", "Anna"), encoding="utf-8")
    assert read(place, tmp_path)["contacts"].written == 1
    assert people(place.store, "csv")["3"] == "Anna"


def test_time_that_runs_out_leaves_the_other_rows_for_the_next_round(place: Intake, tmp_path: Path) -> None:
    (tmp_path / "exports" / "contacts.csv").write_text(PEOPLE, encoding="utf-8")
    rounds = [read(place, tmp_path, until=0.0)["contacts"] for _ in range(4)]
    assert [one.read for one in rounds] == [2, 2, 1, 0]
    assert [one.complete for one in rounds] == [False, False, True, True]
    assert len(people(place.store, "csv")) == 5


def test_a_row_that_is_put_before_another_never_takes_its_place(place: Intake, tmp_path: Path) -> None:
    mapped(tmp_path, "contacts: {email: mail, first_name: prenom}\nevents: {email: mail, kind: what, at: at}\n")
    put(tmp_path, "contacts", "mail,prenom\nann@shop.example.com,Ann\n")
    put(tmp_path, "events", "mail,what,at\nann@shop.example.com,viewed,2025-02-25\n")
    read(place, tmp_path)
    put(tmp_path, "contacts", "mail,prenom\nzoe@shop.example.com,Zoe\nann@shop.example.com,Ann\n")
    put(tmp_path, "events", "mail,what,at\nann@shop.example.com,clicked,2025-02-26\n")
    read(place, tmp_path)
    assert people(place.store, "csv") == {}
    with place.store.read() as connection:
        found = connection.execute(select(contacts.c.email, contacts.c.first_name).order_by(contacts.c.email)).all()
    assert [tuple(one) for one in found] == [("ann@shop.example.com", "Ann"), ("zoe@shop.example.com", "Zoe")]
    assert rows_of(place.lake, "SELECT count(*) FROM events") == [(2,)]


def test_a_field_that_is_ours_stays_with_whoever_has_the_address(place: Intake, tmp_path: Path) -> None:
    mapped(tmp_path, "contacts: {email: mail, company: {from: firm, wins: ours}}\n")
    put(tmp_path, "contacts", "mail,firm\nann@shop.example.com,Here\n")
    read(place, tmp_path)
    put(tmp_path, "contacts", "mail,firm\nzoe@shop.example.com,New\nAnn@shop.example.com,There\n")
    read(place, tmp_path)
    with place.store.read() as connection:
        found = connection.execute(select(contacts.c.company).order_by(contacts.c.email)).scalars().all()
    assert found == ["Here", "New"]


def test_a_file_whose_columns_say_too_little_holds_up_no_other(place: Intake, tmp_path: Path) -> None:
    put(tmp_path, "contacts", PEOPLE)
    put(tmp_path, "consents", "colour,state,at\nred,granted,2025-02-25\n")
    found = read(place, tmp_path)
    assert found["contacts"].written == 5
    assert found["consents"].trouble.startswith("consents.csv: It holds consents, but no column says contact or email.")
    with place.store.read() as connection:
        assert {one.thing: one.trouble for one in standings(connection, "csv")} == {
            "contacts": "",
            "consents": found["consents"].trouble,
        }
    put(tmp_path, "consents", "email,state,at\nperson1@shop.example.com,granted,2025-02-25\n")
    assert (read(place, tmp_path)["consents"].trouble, read(place, tmp_path)["consents"].complete) == ("", True)


def test_a_folder_that_is_gone_is_no_empty_folder(place: Intake, tmp_path: Path) -> None:
    (tmp_path / "exports").rmdir()
    with pytest.raises(ConnectorError, match="is not there"):
        read(place, tmp_path)
    (tmp_path / "exports").touch()
    with pytest.raises(ConnectorError, match="is a file, not a folder"):
        CsvFolder(CsvOptions(folder=str(tmp_path / "exports")), {}).check()


def test_files_that_are_not_read_for_their_name_are_named(place: Intake, tmp_path: Path) -> None:
    put(tmp_path, "customers", PEOPLE)
    connector = CsvFolder(CsvOptions(folder=str(tmp_path / "exports")), {})
    with pytest.raises(ConnectorError, match=r"It holds customers\.csv\."):
        connector.check()
    put(tmp_path, "contacts", PEOPLE)
    assert connector.check() == (
        "The folder can be read; it holds contacts.csv. Not read, for its name says nothing: customers.csv."
    )


def test_an_empty_folder_and_half_a_path_are_refused(tmp_path: Path, place: Intake) -> None:
    with pytest.raises(ConnectorError, match="It holds no CSV file") as raised:
        CsvFolder(CsvOptions(folder=str(tmp_path / "exports")), {}).check()
    assert "contacts.csv" in raised.value.remedy
    with pytest.raises(ValueError, match="whole path"):
        CsvOptions(folder="exports")
