"""A person's rights over what is known of them, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select, update

from console.wiring import open_workspace
from memory.errors import ConflictError, NotFoundError
from memory.lake import LakeTable
from memory.schema import contacts
from tests.console.conftest import Run
from tests.console.shop import write_exports

MAIL = "person7@example.com"


def spent(shop: Path) -> tuple[int, int]:
    """How many orders of one person there are and what they came to, whoever they lead to."""
    with open_workspace(shop) as opened:
        engine = opened.lake.connect()
        query = "SELECT count(*), sum(total_cents)::BIGINT FROM orders WHERE order_id LIKE 'O7-%'"
        [row] = engine.con.execute(query).fetchall()
        engine.disconnect()
    return row[0], row[1]


def test_an_erased_person_stays_away_through_imports_until_readmitted(shop: Path, run: Run, tmp_path: Path) -> None:
    # One contact more, so that no file is one that was imported before.
    exports = write_exports(tmp_path / "exports", contacts=161)
    before = spent(shop)
    assert before[0] > 5
    run("backup", str(shop / "old.zip"))
    (shop / "notes.txt").write_text(f"called {MAIL}", encoding="utf-8")
    [done] = run("contacts", "erase", "C7")
    assert done["finished"]
    assert (done["backups"], done["left"]) == (["old.zip"], ["notes.txt"])
    reports = run("import", str(exports))["reports"]
    assert sum(one["rows_skipped"] for one in reports) == 2
    assert spent(shop) == before
    with pytest.raises(NotFoundError):
        run("explain", MAIL)
    with open_workspace(shop) as opened, opened.store.read() as connection:
        assert connection.execute(select(contacts).where(contacts.c.email == MAIL)).all() == []
    assert run("contacts", "readmit", MAIL, "--reason", "signed up on 3 March")["names"] > 0
    assert run("contacts", "readmit", "C7", "--reason", "the same")["names"] > 0
    run("import", str(_one_contact(tmp_path)))
    assert run("explain", MAIL)["contact"]["contact_id"] != done["contact_id"]
    assert run("journal", "verify")["intact"]


def _one_contact(folder: Path) -> Path:
    path = folder / "contacts.csv"
    path.write_text(f"contact_id,email,first_name\nC7,{MAIL},Ann\n", encoding="utf-8")
    return path


def test_rows_of_the_erased_are_set_aside_without_what_they_say(shop: Path, run: Run, tmp_path: Path) -> None:
    run("contacts", "erase", MAIL)
    consents = "email,channel,purpose,state,at,proof\n{},email,marketing,granted,{},box\n"
    for number, moment in enumerate(("2025-02-01", "no date at all")):
        path = tmp_path / f"consents{number}.csv"
        others = "person8@example.com,email,marketing,granted,2025-02-01,box\n"
        path.write_text(consents.format(MAIL, moment) + others, encoding="utf-8")
        run("import", str(path))
    with open_workspace(shop) as opened, opened.store.read() as connection:
        held = [row.raw for row in connection.exec_driver_sql("SELECT raw FROM quarantine")]
    assert held == ["{}"]


def test_everything_about_one_person_is_handed_out(shop: Path, run: Run, tmp_path: Path) -> None:
    found = run("contacts", "export", MAIL)
    assert [one["email"] for one in found["store"]["contacts"]] == [MAIL]
    assert found["store"]["consents"][0]["proof"] == "checkbox at sign-up"
    assert [one["alias"] for one in found["store"]["contact_aliases"]] == ["C7"]
    assert {one["contact_id"] for one in found["lake"]["orders"]} == {found["contact_id"]}
    assert len(found["lake"]["lines"]) == len(found["lake"]["orders"]) > 5
    assert "person8" not in json.dumps(found)
    file = tmp_path / "ann.json"
    run("contacts", "export", MAIL, "--out", str(file))
    assert json.loads(file.read_text("utf-8"))["store"] == found["store"]


def test_two_entries_of_one_person_become_one(shop: Path, run: Run) -> None:
    with open_workspace(shop) as opened, opened.store.write() as connection:
        connection.execute(update(contacts).where(contacts.c.email == MAIL).values(first_name=""))
    done = run("contacts", "merge", MAIL, "person8@example.com")
    one = run("explain", "person8@example.com")["contact"]
    assert (one["contact_id"], one["email"], one["first_name"]) == (done["kept"], MAIL, "Ann8")
    with open_workspace(shop) as opened:
        engine = opened.lake.connect()
        query = f"SELECT count(*) FROM {LakeTable.ORDERS} WHERE contact_id = {done['merged']}"
        assert engine.con.execute(query).fetchall() == [(0,)]
        engine.disconnect()
    with pytest.raises(ConflictError, match="one contact already"):
        run("contacts", "merge", MAIL, "C8")


def test_whoever_rang_up_is_unsubscribed_and_nobody_of_that_name_is_an_error(shop: Path, run: Run) -> None:
    done = run("contacts", "unsubscribe", MAIL, "--reason", "rang us up")
    assert (done["changed"], run("contacts", "unsubscribe", "C7", "--reason", "again")["changed"]) == (True, False)
    assert run("explain", MAIL)["suppressed"] == "unsubscribed"
    assert run("contacts", "unsubscribe", "stranger@example.com", "--reason", "wrote to us")["contact_id"] is None
    with pytest.raises(NotFoundError):
        run("contacts", "unsubscribe", "nobody", "--reason", "rang us up")
