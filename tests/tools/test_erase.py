"""Who is erased is nowhere any more, nothing goes to them, and every number stays what it was."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert, inspect, select, text, update

from memory import contacts as people
from memory import journal, ledger
from memory.alerts import Alert, list_alerts, raise_alerts
from memory.clock import ManualClock
from memory.errors import ConflictError, InvalidInputError
from memory.forgotten import Forgotten, readmit
from memory.lake import SCHEMAS, LakeTable
from memory.schema import (
    contact_aliases,
    contacts,
    decisions,
    enrolments,
    imports,
    intake,
    messages,
    quarantine,
)
from memory.steps import OFF
from memory.store import Store
from memory.workspace import salt
from tests.tools.scene import DAY, add_contacts, counts, keys, outbox, play, start, workplace
from tests.tools.test_take_off import on_a_list, said
from tools import preferences, unsubscribe
from tools.channels.sandbox import SandboxChannel
from tools.drain import drain
from tools.erase import Erased, erase
from tools.intake import Incoming, receive
from tools.worker import tick
from tools.workplace import Workplace

EMAIL, FIRST, LAST, PHONE = "z.quill@feather.example", "Zéphyrine", "Quillfeather", "+33 6 98 76 54 32"
IDENTITY = {"email": EMAIL, "first_name": FIRST, "last_name": LAST, "phone": PHONE, "company": "Quillfeather & Co"}
# Also as JSON and as a mail would write them.
NEEDLES = (EMAIL, "Quillfeather", FIRST, json.dumps(FIRST)[1:-1], PHONE, "+33698765432", "feather.example", "crm-4711")


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    """Contact 1 is the one to erase, 2 stays; the store lies in the workspace's folder."""
    add_contacts(any_store, [1, 2])
    with any_store.write() as connection:
        connection.execute(update(contacts).where(contacts.c.contact_id == 1).values(**IDENTITY, notes=f"{FIRST} rang"))
        connection.execute(insert(contact_aliases).values(source="crm", alias="crm-4711", contact_id=1))
    names: Any = ("email", "audience")
    channels = {name: SandboxChannel(tmp_path / "outbox", name) for name in names}
    return workplace(any_store, clock, tmp_path, channels=channels)


def forget(place: Workplace, contact_id: int = 1, **changes: Any) -> Erased:
    return erase(place.store, place.lake, contact_id, at=place.clock.now(), actor="cli:marie", **changes)


def two_mails(**changes: Any) -> Any:
    return play(sends=2, **changes)


def live_a_little(place: Workplace) -> None:
    """A mail, a click, an order, a row set aside, an alert, a typed reason: the traces that a contact leaves."""
    start(place, two_mails(), [1, 2])
    tick(place)
    at = place.clock.now()
    told = {"form": "contact", "name": f"{FIRST} {LAST}", "mail": EMAIL}
    bought = {"order_id": "o1", "total_cents": 2_000, "currency": "EUR", "ship_to": LAST, "lines": [
        {"product_id": "p1", "category": "tea", "quantity": 1, "amount_cents": 2_000, "gift_to": FIRST},
    ]}  # fmt: skip
    events = [
        Incoming(event_id=f"form-{EMAIL}", kind="form", at=at, contact=1, properties=told, source="site"),
        Incoming(event_id="e-2", kind="order", at=at, contact=1, properties=bought),
        Incoming(event_id="e-3", kind="form", at=at, contact=2, properties={"friend": EMAIL.upper()}),
    ]
    receive(place.store, events[:1], at)
    drain(place.store, place.lake)
    receive(place.store, events[1:], at)
    with place.store.write() as connection:
        [kept] = connection.execute(select(enrolments.c.enrolment_id).where(enrolments.c.contact_id == 1)).scalars()
        alert = Alert(contact_id=1, enrolment_id=kept, step_key="ring", note=f"ask {FIRST}", raised_at=at)
        raise_alerts(connection, [alert])
        row = {"kind": "contacts", "file_name": "a.csv", "file_digest": "x", "mapping": {}, "rows_read": 2}
        more = {"rows_written": 0, "rows_unchanged": 0, "rows_quarantined": 2, "finished_at": at}
        connection.execute(insert(imports).values(import_id="i1", **row, **more))
        for line, raw in enumerate(({"id": "crm-4711", "mail": "not an address"}, {"first": FIRST, "last": LAST})):
            connection.execute(insert(quarantine).values(import_id="i1", line=line, reason="bad", raw=raw))
        connection.execute(update(decisions).values(reason=f"{EMAIL} asked for it"))
    place.lake.replace(LakeTable.CONTACTS, _snapshot([1, 2]))


def _snapshot(ids: list[int]) -> pa.Table:
    row: dict[str, Any] = {
        "language": "en", "time_zone": "", "country": "", "created_at": 0, "has_email": True,
        "consent_email": "granted", "consent_proof": True, "suppressed": False, "preferred_category": "",
    }  # fmt: skip
    return pa.Table.from_pylist([{"contact_id": one, **row} for one in ids], schema=SCHEMAS[LakeTable.CONTACTS])


def found_in(place: Workplace, tmp_path: Path) -> set[str]:
    """Everything that still names the contact: values of the store, and bytes and values of the workspace's files."""
    hits = set()
    with place.store.read() as connection:
        for table in inspect(connection).get_table_names():
            for row in connection.execute(text(f"SELECT * FROM {table}")):
                hits |= {f"{table}: {value}" for value in row if _names(str(value))}
    for path in tmp_path.rglob("*"):
        if path.is_file():
            if path.suffix == ".parquet":
                values = pq.read_table(path, partitioning=None).to_pylist()
                hits |= {str(path) for value in values if _names(str(value))}
            hits |= {str(path)} if _names(path.read_bytes().decode("utf-8", "replace")) else set()
    return hits


def _names(written: str) -> bool:
    return any(needle.lower() in written.lower() for needle in NEEDLES)


def test_nothing_names_the_erased_and_every_number_stays(place: Workplace, tmp_path: Path) -> None:
    live_a_little(place)
    assert len(found_in(place, tmp_path)) > 8
    before = counts(place.store)
    orders = _orders(place)
    done = forget(place)
    assert done.finished
    assert (done.cancelled, done.stored_mails, done.left, done.backups) == (0, 1, (), ())
    assert found_in(place, tmp_path) == set()
    assert counts(place.store) == before
    assert _orders(place) == orders == [("o1", 2_000)]
    assert len(outbox(tmp_path)) == 1
    with place.store.read() as connection:
        assert journal.verify(connection).intact
        assert list_alerts(connection) == []
        events = connection.execute(select(intake).order_by(intake.c.intake_id)).all()
        assert [one.properties.get("lines") for one in events] == [None, [{
            "product_id": "p1", "category": "tea", "quantity": 1, "amount_cents": 2_000,
        }], None]  # fmt: skip
        assert people.find(connection, "contact2@shop.example.com").first_name == "Name2"
    assert forget(place) == replace(done, cancelled=0, stored_mails=0)


def _orders(place: Workplace) -> list[tuple[str, int]]:
    drain(place.store, place.lake)
    engine = place.lake.connect()
    try:
        return [tuple(row) for row in engine.con.execute("SELECT order_id, total_cents FROM orders").fetchall()]
    finally:
        engine.disconnect()


def test_planned_messages_are_cancelled_with_the_reason_and_the_others_stay(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    start(place, two_mails(), [1, 2])
    assert forget(place).cancelled == 1
    for _ in range(5):
        tick(place)
        clock.advance(DAY)
    with place.store.read() as connection:
        states = connection.execute(select(messages.c.state, messages.c.reason).where(messages.c.contact_id == 1)).all()
        assert states == [("suppressed", "erased")]
        assert ledger.reconcile(connection).balances
    assert len(outbox(tmp_path)) == 2


def test_the_address_is_kept_until_every_audience_has_let_go(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, [3], channel="audience")
    with place.store.write() as connection:
        connection.execute(update(contacts).where(contacts.c.contact_id == 3).values(phone=None))
    start(place, on_a_list(), [3])
    tick(place)
    assert said(tmp_path) == ["add"]
    first = forget(place, 3)
    assert not first.finished
    assert "audience carts" in first.waits_for[0]
    with place.store.read() as connection:
        assert people.get(connection, 3).email == "contact3@shop.example.com"
    tick(place)
    assert said(tmp_path)[-1] == "remove"
    clock.advance(timedelta(minutes=1))
    tick(place)
    with place.store.read() as connection:
        person = people.get(connection, 3)
        assert (person.email, person.erased_at) == (None, clock.now())
        assert len(list(journal.entries(connection, action="contact.erased", subject="contact 3"))) == 1


def test_an_audience_that_cannot_be_told_waits_for_the_word_of_a_person(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, [3], channel="audience")
    start(place, on_a_list(), [3])
    tick(place)
    assert not forget(place, 3).finished
    with place.store.write() as connection:
        removal = update(messages).where(messages.c.step_key.endswith(OFF))
        connection.execute(removal.values(state="failed", reason="the platform refused"))
    waiting = forget(place, 3)
    assert not waiting.finished
    assert "--taken-off" in waiting.waits_for[0]
    assert forget(place, 3, taken_off=True).finished


def test_a_message_in_flight_is_waited_for(place: Workplace) -> None:
    start(place, two_mails(), [1])
    flying = update(messages).values(state="claimed", claim_token="t", in_flight=True)
    with place.store.write() as connection:
        connection.execute(flying)
    assert forget(place).waits_for == ("A message to them is in flight.",)


def test_who_was_merged_into_the_erased_is_erased_with_them(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, [5], first_name="Other", last_name="Alias")
    with place.store.write() as connection:
        people.merge(connection, kept=1, merged=5, actor="cli:marie", at=place.clock.now())
        assert people.find(connection, "contact5@shop.example.com").contact_id == 1
    forget(place, 5)
    with place.store.write() as connection:
        gone = connection.execute(select(contacts).where(contacts.c.contact_id.in_([1, 5]))).all()
        assert {(one.email, one.first_name, one.phone) for one in gone} == {(None, "", None)}
        assert Forgotten(connection, salt(connection)).knows(
            "crm", contact=None, anonymous=None, email="contact5@shop.example.com"
        )
        with pytest.raises(ConflictError, match="cannot be merged"):
            people.merge(connection, kept=2, merged=1, actor="cli:marie", at=place.clock.now())


def test_the_links_and_events_of_the_erased_are_those_of_a_stranger(place: Workplace) -> None:
    start(place, two_mails(), [1])
    tick(place)
    with place.store.read() as connection:
        [key] = keys(connection, 1)
        token = unsubscribe.sign(salt(connection), unsubscribe.WayOut(1, "email", "c", key))
    forget(place)
    at = place.clock.now()
    assert unsubscribe.has_left(place.store, token)
    assert not unsubscribe.unsubscribe(place.store, token, at).changed
    with pytest.raises(InvalidInputError, match="leads nowhere"):
        preferences.read(place.store, token)
    told = {"text": "Yes, write to me"}
    names: tuple[int | str, ...] = (1, EMAIL, "crm-4711")
    for number, name in enumerate(names):
        event = Incoming(event_id=f"late-{number}", kind="confirm", at=at, contact=name, properties=told)
        assert receive(place.store, [event], at).strangers == 1


def test_names_of_the_erased_are_known_again_until_somebody_readmits_them(place: Workplace) -> None:
    forget(place)
    names: dict[str, Any] = {"contact": None, "anonymous": None, "email": None}

    def known(**given: str) -> bool:
        with place.store.read() as connection:
            return Forgotten(connection, salt(connection)).knows("crm", **{**names, **given})

    assert known(email=EMAIL)
    assert known(contact="crm-4711")
    assert not known(email="contact2@shop.example.com", contact="crm-1")
    with place.store.write() as connection:
        assert readmit(connection, EMAIL, actor="cli:marie", reason="signed up", at=place.clock.now()) > 0
    assert not known(email=EMAIL)


def test_a_sealed_text_that_names_them_is_told_and_left(place: Workplace) -> None:
    with place.store.write() as connection:
        journal.append(connection, at=place.clock.now(), actor="cli:x", action="switch.stopped", subject="workspace",
                       payload={"reason": f"{EMAIL} complained"})  # fmt: skip
    assert forget(place).left == ("1 rows of journal",)
    with place.store.read() as connection:
        assert journal.verify(connection).intact
