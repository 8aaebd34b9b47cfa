"""A look at what a system would bring says what the next pull does, and does nothing itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from memory import consents
from memory.clock import ManualClock
from memory.consents import Consent
from memory.contacts import find
from memory.lake import LakeTable
from memory.schema import metadata
from memory.store import Store
from tests.tools.crm.scene import intake
from tests.tools.scene import DAY, NOW
from tools.crm.connectors import mapping_of
from tools.crm.csv.connector import CsvFolder
from tools.crm.csv.options import CsvOptions
from tools.crm.intake import Intake
from tools.crm.preview import Preview, preview
from tools.crm.sync import Pulled, pull

CONTACTS = """contact_id,email,first_name,consent
1,anna@shop.example.com,Anna,granted
2,bert@shop.example.com,Bert,granted
3,no address,Carl,
3,carl@shop.example.com,Carl,
2,other@shop.example.com,Bertha,
4,anna@shop.example.com,Dora,granted
,,Nobody,granted
5,emil@shop.example.com,Emil,granted
"""
CONSENTS = """contact_id,state,at,proof
1,granted,2025-01-02,form 3
99,granted,2025-01-02,form 3
2,maybe,2025-01-02,form 3
5,withdrawn,2031-01-02,
5,granted,2025-01-02,form 4
"""
ORDERS = """order_id,email,date,total
A1,anna@shop.example.com,2025-02-25,12.50
A2,nobody,2025-02-25,1
A3,emil@shop.example.com,2025-02-25,
A4,stranger@shop.example.com,2025-02-26,3.20
"""


@pytest.fixture
def place(any_store: Store, tmp_path: Path, clock: ManualClock) -> Intake:
    (tmp_path / "exports").mkdir()
    return intake(any_store, tmp_path, clock)


def put(tmp_path: Path, **files: str) -> None:
    for name, text in files.items():
        (tmp_path / "exports" / f"{name}.csv").write_text(text, encoding="utf-8")


def folder(tmp_path: Path) -> CsvFolder:
    return CsvFolder(CsvOptions(folder=str(tmp_path / "exports")), {})


def look(place: Intake, tmp_path: Path) -> dict[str, Preview]:
    return {one.thing: one for one in preview(place, folder(tmp_path), mapping_of("csv", tmp_path))}


def read(place: Intake, tmp_path: Path) -> dict[str, Pulled]:
    return {one.thing: one for one in pull(place, folder(tmp_path), mapping_of("csv", tmp_path))}


def told(found: Preview | Pulled) -> tuple[Any, ...]:
    return found.read, found.written, found.unchanged, found.set_aside, found.deleted, found.reasons


def on_record(place: Intake) -> list[Any]:
    """All there is, in the store and in the lake."""
    with place.store.read() as connection:
        rows = [list(connection.execute(select(table))) for table in metadata.sorted_tables]
    sql = place.lake.connect().con
    return [*rows, *(sql.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall() for table in LakeTable)]


def test_a_look_says_what_the_pull_then_does(place: Intake, tmp_path: Path, clock: ManualClock) -> None:
    put(tmp_path, contacts=CONTACTS, consents=CONSENTS, orders=ORDERS)
    seen, done = look(place, tmp_path), read(place, tmp_path)
    assert seen.keys() == done.keys() == {"contacts", "consents", "orders"}
    assert {thing: told(one) for thing, one in seen.items()} == {thing: told(one) for thing, one in done.items()}
    assert all(one.set_aside and one.written for one in done.values())
    clock.advance(DAY)
    # Most of it is known now.
    put(tmp_path, contacts=CONTACTS.replace("Emil", "Emilia"), consents=CONSENTS + "2,granted,2025-02-02,form 5\n")
    seen, done = look(place, tmp_path), read(place, tmp_path)
    assert {thing: told(one) for thing, one in seen.items()} == {thing: told(one) for thing, one in done.items()}
    assert (done["contacts"].written, done["consents"].written, done["orders"].read) == (1, 1, 0)


def test_a_look_changes_nothing(place: Intake, tmp_path: Path) -> None:
    put(tmp_path, contacts=CONTACTS, orders=ORDERS)
    read(place, tmp_path)
    before = on_record(place)
    put(
        tmp_path,
        contacts=CONTACTS.replace("Anna", "Annette") + "7,gil@shop.example.com,Gil,granted\n",
        consents=CONSENTS,
        orders=ORDERS.replace("12.50", "13.50") + "A5,gil@shop.example.com,2025-02-27,9\n",
    )
    seen = look(place, tmp_path)
    assert all(one.written for one in seen.values())
    assert on_record(place) == before


def test_who_comes_in_first_is_known_to_what_comes_after(place: Intake, tmp_path: Path) -> None:
    put(tmp_path, contacts=CONTACTS, consents=CONSENTS)
    assert look(place, tmp_path)["consents"].set_aside == 3
    assert look(place, tmp_path)["contacts"].new == 4
    read(place, tmp_path)
    assert look(place, tmp_path)["contacts"].new == 0


def test_what_is_set_aside_is_not_shown_as_a_change(place: Intake, tmp_path: Path) -> None:
    put(tmp_path, contacts=CONTACTS, consents=CONSENTS)
    seen = look(place, tmp_path)
    assert {one.id for one in seen["consents"].changes} <= {"1", "5", ""}
    assert "Bertha" not in {one.after for one in seen["contacts"].changes}


def test_a_consent_that_an_export_only_repeats_is_not_shown(place: Intake, tmp_path: Path) -> None:
    put(tmp_path, contacts=CONTACTS)
    read(place, tmp_path)
    with place.store.write() as connection:
        emil = find(connection, "emil@shop.example.com").contact_id
        gone = Consent(contact_id=emil, channel="email", purpose="marketing", state="withdrawn", at=NOW + DAY)
        consents.record(connection, [gone])
    put(tmp_path, contacts=CONTACTS.replace("Emil", "Emilia"))
    (seen,) = look(place, tmp_path).values()
    assert [(one.id, one.field, one.before, one.after) for one in seen.changes] == [
        ("5", "first_name", "Emil", "Emilia")
    ]
    # A withdrawal that the record does not have is shown with what it takes away.
    put(tmp_path, contacts=CONTACTS.replace("Anna,granted", "Anna,withdrawn"))
    (seen,) = look(place, tmp_path).values()
    assert ("1", "consent", "granted", "withdrawn") in {(c.id, c.field, c.before, c.after) for c in seen.changes}
