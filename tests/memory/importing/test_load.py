"""Imports are checked, idempotent, and complete themselves after a crash; what is left out is kept with its reason."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

import memory.importing.load as load_module
from memory.canonical import address_hash
from memory.clock import ManualClock
from memory.contacts import suppress
from memory.errors import InvalidInputError
from memory.importing.folder import import_folder
from memory.importing.hot_facts import refresh_hot_facts
from memory.importing.load import look
from memory.importing.mapping import guess
from memory.importing.report import ImportSettings
from memory.journal import verify
from memory.lake import Lake
from memory.schema import (
    cap_slots,
    consent_current,
    consents,
    contact_aliases,
    contacts,
    enrolments,
    import_mappings,
    imports,
    intake,
    offers,
    quarantine,
    to_micros,
)
from memory.store import Store
from memory.workspace import salt
from tests.memory.importing.loading import Importer, importer, rows_of

CONTACTS = "contact_id,email,first_name\n1,a@example.com,Ann\n2,b@example.com,Bob\n"
ORDERS = "order_id,contact_id,ordered_at,total\nA,1,2025-01-01,10.00\nB,2,2025-01-02,20.00\n"
LINES = "order_id,line,product_id,quantity,amount\nA,1,P1,1,10.00\nB,1,P1,2,20.00\n"


def _everything(store: Store) -> dict[str, list[Any]]:
    with store.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in (contacts, contact_aliases, consents, imports, quarantine, import_mappings, offers)
        }


def _count(store: Store, table: Any) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_the_same_file_twice_changes_nothing(store: Store, lake: Lake, load: Importer) -> None:
    texts = {
        "contacts.csv": CONTACTS + "3,not an address,Cam\n",
        "orders.csv": ORDERS + "C,99,2025-01-03,5.00\n",
        "lines.csv": LINES,
        "sends.csv": "send_id,contact_id,campaign,sent_at,clicked_at\nS1,1,News,2025-02-01 10:00,2025-02-01 11:00\n",
        "consents.csv": "email,state,at,proof\na@example.com,granted,2024-01-01,form 7\n",
    }
    for name, text in texts.items():
        assert load(text, name).rows_written > 0
    before, lake_before = _everything(store), rows_of(lake, "SELECT * FROM lines ORDER BY order_id")
    for name, text in texts.items():
        again = load(text, name)
        assert again.rows_written == 0
        assert again.written == {}
    assert _everything(store) == before
    assert rows_of(lake, "SELECT * FROM lines ORDER BY order_id") == lake_before
    assert rows_of(lake, "SELECT count(*) FROM events")[0][0] == 1


def test_a_corrected_file_only_adds_and_updates(store: Store, lake: Lake, load: Importer) -> None:
    load(CONTACTS)
    load(ORDERS)
    report = load(ORDERS.replace("20.00", "25.00") + "C,1,2025-01-03,5.00\n")
    assert (report.rows_written, report.rows_unchanged) == (2, 1)
    assert rows_of(lake, "SELECT order_id, total_cents FROM orders ORDER BY 1") == [
        ("A", 1000),
        ("B", 2500),
        ("C", 500),
    ]
    report = load(CONTACTS.replace("Bob", "Robert"))
    assert report.written == {"contacts": 1}


def test_bad_rows_are_kept_with_line_column_and_reason(store: Store, lake: Lake, load: Importer) -> None:
    load(CONTACTS)
    report = load(
        "order_id;contact_id;ordered_at;total;currency\n"
        "ok;1;03/01/2025;1 010,50 €;EUR\n"
        "future;1;31/12/2025;10;EUR\n"
        "impossible;1;31/02/2025;10;EUR\n"
        "negative;1;03/01/2025;-5,00;EUR\n"
        "foreign;1;03/01/2025;10;USD\n"
        "dollars;1;03/01/2025;$10;EUR\n"
        "stranger;77;03/01/2025;10;EUR\n"
        "ok;1;03/01/2025;99;EUR\n"
        "short;1\n"
        "words;1;03/01/2025;ten;EUR\n",
        "orders.csv",
    )
    with store.read() as connection:
        kept = connection.execute(select(quarantine).order_by(quarantine.c.line)).all()
    assert [(row.line, row.column, row.reason) for row in kept] == [
        (3, "ordered_at", "this date is in the future"),
        (4, "ordered_at", "this date is impossible"),
        (5, "total", "the amount is negative"),
        (6, "currency", "the amount is in another currency than EUR"),
        (7, "total", "the amount is in another currency than EUR"),
        (8, "contact_id", "no contact with this id is known; import the contacts first"),
        (9, "order_id", "an earlier row of this file has the same id and says something else"),
        (10, "", "the row has 2 cells where the header has 5"),
        (11, "total", "this is not an amount"),
    ]
    assert kept[5].raw["order_id"] == "stranger"
    assert (report.rows_read, report.rows_written, report.rows_quarantined) == (10, 1, 9)
    assert rows_of(lake, "SELECT order_id, total_cents FROM orders") == [("ok", 101_050)]


def test_columns_that_are_not_read_are_named_and_what_looks_like_a_consent_comes_with_a_remedy(load: Importer) -> None:
    report = load("contact_id,email,Agreed newsletter wave 2,Shoe size\n1,a@example.com,yes,38\n", "contacts.csv")
    [consent] = [note for note in report.notes if "looks like a consent" in note]
    assert "Agreed newsletter wave 2" in consent
    assert '--map "Agreed newsletter wave 2=consent"' in consent
    assert "Not read: Shoe size." in report.notes


def test_nothing_is_said_of_columns_where_all_are_read(load: Importer) -> None:
    assert not [note for note in load(CONTACTS, "contacts.csv").notes if note.startswith("Not read")]


def test_a_bad_address_is_quarantined_under_no_hash_and_a_good_one_under_its_own(store: Store, load: Importer) -> None:
    load("email,first_name,created_at\nbad address,Ann,2024-01-01\nb@example.com,Bob,2099-01-01\nc@example.com,C,\n")
    with store.read() as connection:
        kept = connection.execute(select(quarantine).order_by(quarantine.c.line)).all()
        key = salt_of(store)
    assert [row.reason for row in kept] == ["this is not an e-mail address", "this date is in the future"]
    assert [row.email_hash for row in kept] == [None, address_hash(key, "b@example.com")]


def salt_of(store: Store) -> str:
    with store.write() as connection:
        return salt(connection)


def test_rows_refused_for_a_missing_contact_are_loaded_once_it_is_there(lake: Lake, load: Importer) -> None:
    load("contact_id,email\n1,a@example.com\n", kind="contacts")
    assert load(ORDERS).rows_quarantined == 1
    load(CONTACTS)
    again = load(ORDERS)
    assert (again.rows_quarantined, again.rows_written) == (0, 1)
    assert rows_of(lake, "SELECT count(*) FROM orders") == [(2,)]


def test_a_file_of_which_nothing_can_be_read_writes_nothing(store: Store, lake: Lake, load: Importer) -> None:
    before = _everything(store)
    for text in (
        "contact_id,ordered_at,total,order_id\n1,soon,10,A\n",
        "colour,shape\nred,round\n",
        'email,note\na@example.com,"endless\n',
    ):
        with pytest.raises(InvalidInputError) as raised:
            load(text)
        assert "Nothing was imported" in raised.value.remedy
        assert raised.value.where.startswith("export.csv")
    assert _everything(store) == before
    assert not (lake.folder / "orders" / "_delta_log").exists()


def test_an_export_without_rows_is_no_error(load: Importer) -> None:
    for text in (CONTACTS, ORDERS, LINES, "send_id,contact_id,campaign,sent_at\n", "contact_id,event,timestamp\n"):
        report = load(text.splitlines()[0] + "\n", "empty.csv")
        assert (report.rows_read, report.rows_written, report.rows_quarantined) == (0, 0, 0)


def test_the_order_of_day_and_month_is_decided_over_the_whole_column(
    lake: Lake, load: Importer, tmp_path: Path
) -> None:
    load(CONTACTS)
    american = "order_id,contact_id,ordered_at,total\nA,1,01/02/2025,1\nB,1,01/25/2025,1\n"
    load(american)
    assert rows_of(lake, 'SELECT min("at") FROM orders')[0][0] == _at(2025, 1, 2)
    report = load("order_id,contact_id,ordered_at,total\nC,1,03/02/2025,1\n")
    assert rows_of(lake, "SELECT \"at\" FROM orders WHERE order_id = 'C'")[0][0] == _at(2025, 2, 3)
    assert any("settings" in note for note in report.notes), "what the settings decided is said"


def _at(year: int, month: int, day: int) -> int:
    return to_micros(datetime(year, month, day, tzinfo=UTC))


class _KilledError(BaseException):
    """The process dies here."""


_DYING = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
import memory.importing.load as load
from memory.clock import ManualClock
from memory.importing.report import ImportSettings
from memory.lake import Lake
from memory.store import Store

load._keep_receipt = lambda *a, **o: os.kill(os.getpid(), signal.SIGKILL)
url, lake, path = sys.argv[1:]
clock = ManualClock(datetime(2025, 3, 3, 9, tzinfo=UTC))
load.import_file(Store(url), Lake(Path(lake)), Path(path), settings=ImportSettings(currency="EUR"), clock=clock)
"""


def test_an_import_killed_between_the_lake_and_the_store_is_completed_by_the_next_run(
    store: Store, lake: Lake, load: Importer, tmp_path: Path
) -> None:
    load(CONTACTS)
    path = tmp_path / "orders.csv"
    path.write_text(ORDERS)
    command = [sys.executable, "-c", _DYING, store.url, str(lake.folder), str(path)]
    done = subprocess.run(command, capture_output=True, cwd=Path.cwd(), check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert rows_of(lake, "SELECT count(*) FROM orders") == [(2,)]
    assert _count(store, imports) == 1, "no receipt of the orders"
    report = load(ORDERS, "orders.csv")
    assert (report.rows_unchanged, report.already_imported) == (2, False)
    assert rows_of(lake, "SELECT count(*) FROM orders") == [(2,)], "nothing twice"
    assert load(ORDERS, "orders.csv").already_imported


def test_a_crash_before_the_lake_leaves_contacts_and_is_completed(
    store: Store, lake: Lake, load: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "order_id,email,ordered_at,total\nA,new@example.com,2025-01-01,10.00\n"

    def die(*_args: Any, **_options: Any) -> None:
        raise _KilledError

    with monkeypatch.context() as patched:
        patched.setattr(Lake, "upsert", die)
        with pytest.raises(_KilledError):
            load(text)
    assert rows_of(lake, "SELECT count(*) FROM orders") == [(0,)]
    load(text)
    assert _count(store, contacts) == 1
    assert rows_of(lake, "SELECT order_id, contact_id FROM orders") == [("A", 1)]


def test_history_starts_nothing(store: Store, load: Importer) -> None:
    load(CONTACTS)
    load(ORDERS)
    load("contact_id,event,timestamp\n1,Added to Cart,2025-02-01\n", "events.csv")
    assert _count(store, intake) == 0
    assert _count(store, enrolments) == 0


def test_an_erased_person_does_not_come_back(store: Store, lake: Lake, load: Importer, clock: ManualClock) -> None:
    key = salt_of(store)
    with store.write() as connection:
        suppress(
            connection,
            channel="email",
            address_hash=address_hash(key, "a@example.com"),
            reason="erased",
            at=clock.now(),
        )
    report = load(CONTACTS)
    assert report.rows_skipped == 1
    with store.read() as connection:
        assert connection.execute(select(contacts.c.email)).scalars().all() == ["b@example.com"]
    load("order_id,email,ordered_at,total\nA,a@example.com,2025-01-01,10.00\n")
    assert rows_of(lake, "SELECT order_id, contact_id FROM orders") == [("A", None)]


def test_a_suppressed_address_stays_suppressed(store: Store, load: Importer) -> None:
    load("email,reason,at\na@example.com,unsubscribed,2024-05-01\n", "suppressions.csv")
    load(CONTACTS)
    report = load(
        "email,state,at,proof\na@example.com,granted,2025-01-01,form\nb@example.com,granted,2025-01-01,form\n"
    )
    assert report.mailable is not None
    assert (report.mailable.with_consent, report.mailable.suppressed) == (1, 1)


def test_without_consents_nobody_may_be_mailed_and_the_report_says_what_to_import(load: Importer) -> None:
    report = load(CONTACTS)
    assert report.mailable is not None
    assert report.mailable.with_consent == 0
    assert "Nobody of 2" in report.mailable.sentence
    assert "Import consents" in report.mailable.sentence


def test_a_time_of_confirmation_is_a_double_opt_in_and_a_purpose_is_kept(store: Store, load: Importer) -> None:
    load(CONTACTS)
    load(
        "email,state,at,purpose,proof,confirmed_at\n"
        "a@example.com,granted,2025-01-01,,,2025-01-02 10:00\n"
        "b@example.com,granted,2025-01-01,,form,\n"
        "b@example.com,granted,2025-01-03,similar_products,told with order 17,\n"
    )
    with store.read() as connection:
        found = {
            (one.contact_id, one.purpose): one.confirmed
            for one in connection.execute(select(consent_current).where(consent_current.c.has_proof))
        }
    assert sorted(found.items()) == [
        ((1, "marketing"), True),
        ((2, "marketing"), False),
        ((2, "similar_products"), False),
    ]


@pytest.mark.parametrize(("granted_on", "state"), [("", "withdrawn"), ("2025-02-26", "granted")])
def test_a_grant_undoes_a_withdrawal_only_with_a_newer_date(
    store: Store, load: Importer, granted_on: str, state: str
) -> None:
    load("email,first_name\na@example.com,Ann\n", kind="contacts")
    load("email,channel,state,at\na@example.com,email,withdrawn,2025-02-25\n", kind="consents")
    load(f"email,consent,consent_at\na@example.com,SUBSCRIBED,{granted_on}\n", kind="contacts")
    with store.read() as connection:
        assert connection.execute(select(consent_current.c.state)).scalar_one() == state


def test_a_withdrawal_counts_although_the_contacts_are_imported_later(store: Store, load: Importer) -> None:
    load("email,channel,state,at\na@example.com,email,withdrawn,2025-02-25\n", kind="consents")
    load("email,consent,consent_at\na@example.com,SUBSCRIBED,2025-01-01\n", kind="contacts")
    with store.read() as connection:
        assert connection.execute(select(consent_current.c.state)).scalar_one() == "withdrawn"


def test_whoever_another_tool_wrote_to_becomes_a_contact_without_consent(store: Store, load: Importer) -> None:
    report = load("email,campaign,sent_at\na@example.com,News,2025-02-25\n", kind="sends")
    assert report.mailable is not None
    assert (report.written, report.mailable.contacts, report.mailable.with_consent) == ({"sends": 1}, 1, 0)


def test_an_order_that_was_cancelled_later_leaves_the_record(lake: Lake, load: Importer) -> None:
    shop, till = (ImportSettings(currency="EUR", source=name) for name in ("shop", "till"))
    head = "order_id,email,date,status,total,position,sku,amount\n"
    rows = "{0},a@example.com,2025-02-25,{1},30.00,1,P1,10.00\n{0},a@example.com,2025-02-25,{1},30.00,2,P2,20.00\n"
    load(head + rows.format("A", "paid") + rows.format("B", "paid"), kind="orders", settings=shop)
    assert load(head + rows.format("A", "cancelled"), kind="orders", settings=till).rows_written == 0
    assert rows_of(lake, "SELECT count(*) FROM lines") == [(4,)]
    report = load(head + rows.format("A", "refunded") + rows.format("B", "paid"), kind="orders", settings=shop)
    assert (report.rows_written, report.rows_unchanged) == (2, 2)
    assert rows_of(lake, "SELECT order_id FROM orders") == [("B",)]
    assert rows_of(lake, "SELECT DISTINCT order_id FROM lines") == [("B",)]


def test_an_anonymous_visitor_becomes_the_contact_it_turns_out_to_be(store: Store, lake: Lake, load: Importer) -> None:
    load("anonymous_id,event,timestamp\nv1,Viewed Product,2025-02-01 10:00\n", "events.csv")
    load(CONTACTS)
    load("anonymous_id,email,event,timestamp\nv1,a@example.com,Added to Cart,2025-02-01 10:05\n", "events.csv")
    with store.read() as connection:
        ann = connection.execute(select(contacts).where(contacts.c.email == "a@example.com")).one()
    assert rows_of(lake, "SELECT DISTINCT contact_id FROM events") == [(ann.contact_id,)]
    assert ann.last_human_signal_at is not None
    assert ann.last_human_signal_at.isoformat() == "2025-02-01T10:05:00+00:00"
    load("anonymous_id,email,event,timestamp\nv1,b@example.com,Viewed Product,2025-02-02 10:05\n", "events.csv")
    assert rows_of(lake, "SELECT count(DISTINCT contact_id) FROM events") == [(2,)], "two known people stay two"


def test_hot_facts_count_people_and_not_machines_or_opens(store: Store, lake: Lake, load: Importer) -> None:
    load(CONTACTS)
    load(
        "send_id,contact_id,campaign,sent_at,opened_at,clicked_at,human\n"
        "S1,1,News,2025-02-10 10:00,2025-02-10 10:01,2025-02-10 10:02,no\n"
        "S2,1,News,2025-02-20 10:00,2025-02-20 10:01,,yes\n"
        "S3,2,News,2025-02-20 10:00,,2025-02-20 11:00,yes\n"
        "S4,2,News,2025-02-25 10:00,,,yes\n",
        "sends.csv",
    )
    with store.read() as connection:
        ann, bob = connection.execute(select(contacts).order_by(contacts.c.contact_id)).all()
        slots = connection.execute(select(cap_slots).where(cap_slots.c.message_key.is_not(None))).all()
    assert (ann.last_human_signal_at, ann.sent_since_signal) == (None, 2)
    assert bob.last_human_signal_at is not None
    assert bob.sent_since_signal == 1
    assert len(slots) == 4, "recent sends take their places under the cap"
    assert refresh_hot_facts(store, lake, at=ManualClock(ann.created_at).now()) == 0


def test_a_mapping_is_shown_corrected_and_remembered(store: Store, load: Importer, tmp_path: Path) -> None:
    text = "Ref,Mailbox,Vorname\n1,a@example.com,Ann\n"
    path = tmp_path / "people.csv"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match="cannot be told"):
        look(store, path)
    header = ["Ref", "Mailbox", "Vorname"]
    base = guess([*header, "email"], kind="contacts")
    mapping = base.model_copy(update={"columns": base.columns[:3]}).corrected({"Mailbox": "email", "Ref": "contact"})
    assert [one.reason for one in mapping.columns[:2]] == ["You said so."] * 2
    load(text, "people.csv", mapping=mapping)
    load("vorname,REF,mailbox\nBea,2,b@example.com\n", "other.csv")
    assert _count(store, contacts) == 2, "the correction serves the next file with this header"
    with pytest.raises(InvalidInputError, match="no field colour"):
        mapping.corrected({"Ref": "colour"})


def test_offers_and_facts_are_read_with_their_values(store: Store, load: Importer) -> None:
    load(
        "offer_id,kind,value,currency,code,label_en,label_fr,category,minimum_basket,starts_at,ends_at,approved_by\n"
        "W10,percent,10,,BACK10,10 % off,10 % offerts,,20.00,2025-01-01,2025-12-31,Claire\n"
        "S5,amount,5.00,EUR,SAVE5,5 € off,5 € offerts,,40.00,2025-01-01,2025-12-31,\n"
        "BAD,percent,250,,X,x,x,,0,2025-01-01,2025-12-31,Claire\n",
        "offers.csv",
    )
    with store.read() as connection:
        rows = connection.execute(select(offers).order_by(offers.c.offer_id)).all()
    assert [(row.offer_id, row.value, row.minimum_basket_cents) for row in rows] == [
        ("S5", 500, 4000),
        ("W10", 1000, 2000),
    ]
    assert rows[1].ends_at.isoformat() == "2026-01-01T00:00:00+00:00", "the last day is included"
    assert load("fact_id,language,text,approved_by\nf,English,Fresh daily.,Claire\n").rows_written == 1


def test_a_folder_is_loaded_in_the_order_in_which_its_files_need_each_other(
    store: Store, lake: Lake, clock: ManualClock, tmp_path: Path
) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    for name, text in {
        "a_lines.csv": LINES,
        "b_orders.csv": ORDERS,
        "c_consents.csv": "contact_id,state,at,proof\n1,Oui,2024-01-01,form 7\n",
        "d_contacts.csv": CONTACTS,
        "e_products.csv": "product_id,name,category,price,cost\nP1,Tea,Drinks,10.00,4.00\n",
        "f_unknown.csv": "colour,shape\nred,round\n",
    }.items():
        (folder / name).write_text(text)
    report = import_folder(store, lake, folder, settings=ImportSettings(currency="EUR"), clock=clock)
    assert [one.kind for one in report.reports] == ["products", "contacts", "consents", "orders", "lines"]
    assert [one.file_name for one in report.left_out] == ["f_unknown.csv"]
    assert report.mailable.with_proof == 1
    assert rows_of(lake, "SELECT order_id, contact_id, category FROM lines ORDER BY 1") == [
        ("A", 1, "Drinks"),
        ("B", 2, "Drinks"),
    ]
    with store.read() as connection:
        assert verify(connection).intact
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match="no CSV"):
        import_folder(store, lake, tmp_path / "empty", settings=ImportSettings(), clock=clock)


def test_products_that_come_after_the_lines_give_them_their_category(lake: Lake, load: Importer) -> None:
    load(CONTACTS)
    load(ORDERS)
    load(LINES)
    load("product_id,name,category\nP1,Tea,Drinks\n")
    assert rows_of(lake, "SELECT DISTINCT category FROM lines") == [("Drinks",)]


def test_imports_work_on_both_engines(any_store: Store, clock: ManualClock, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    load = importer(any_store, lake, clock, tmp_path)
    for _ in range(2):
        load(CONTACTS)
        load("anonymous_id,email,event,timestamp\nv,a@example.com,click,2025-02-01\n")
        load("email,state,at,proof\na@example.com,granted,2025-01-01,form\n")
        load(ORDERS)
        load("send_id,contact_id,campaign,sent_at,unsubscribed_at\nS1,1,News,2025-02-01,2025-02-02\n")
    assert _count(any_store, contacts) == 2
    assert _count(any_store, imports) == 5
    with any_store.read() as connection:
        assert load_module.mailable(connection).with_consent == 0, "who unsubscribed has withdrawn"


def test_two_people_may_exchange_their_addresses(store: Store, load: Importer, clock: ManualClock) -> None:
    load(CONTACTS)
    clock.advance(timedelta(days=1))
    report = load(CONTACTS.replace("1,a@", "1,x@"))
    assert report.rows_quarantined == 0
    with store.read() as connection:
        rows = connection.execute(select(contacts.c.email).order_by(contacts.c.contact_id)).scalars().all()
    assert rows == ["x@example.com", "b@example.com"]
    refused = load(CONTACTS.replace("1,a@", "1,b@").replace("2,b@", "2,c@"))
    assert refused.reasons[0].reason == "the id belongs to one contact and the address to another"


def test_rows_of_one_order_that_disagree_are_set_aside_with_the_column_and_the_cure(load: Importer) -> None:
    load(CONTACTS)
    header = "order_id,contact_id,ordered_at,product_id,total\n"
    report = load(f"{header}o1,1,2025-01-03,p1,10\no1,1,2025-01-03,p2,15\no2,1,2025-01-03,p1,10\n", "orders.csv")
    assert (report.rows_written, report.rows_quarantined) == (2, 1)
    [reason] = report.reasons
    assert (reason.column, reason.rows) == ("total", 1)
    assert "COLUMN=amount" in reason.reason
