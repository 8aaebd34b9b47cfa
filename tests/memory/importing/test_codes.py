"""Single-use codes come in as files of their own, into the pool of their offer."""

from __future__ import annotations

from sqlalchemy import select

from memory import codes
from memory.clock import ManualClock
from memory.lake import Lake
from memory.offers import open_offers
from memory.schema import offer_codes, quarantine
from memory.store import Store
from tests.examples import NOW
from tests.memory.importing.loading import Importer

OFFERS = (
    "offer_id,kind,percent,code,label_en,starts_at,ends_at,approved_by\n"
    "spring,percent,10,SHARED,10 % off,2020-01-01,2099-01-01,marie\n"
    "plain,percent,5,PLAIN5,5 % off,2020-01-01,2099-01-01,marie\n"
)


def test_codes_fill_the_pool_of_their_offer_once(store: Store, load: Importer) -> None:
    load(OFFERS, "offers.csv")
    text = "Code promo;Offre\nA-1;spring\nA-2;spring\nA-1;spring\n"
    report = load(text, "codes.csv")
    assert (report.kind, report.written, report.rows_quarantined) == ("codes", {"offer_codes": 2}, 0)
    assert load(text, "codes.csv").already_imported
    assert load("offer_id,code\nspring,A-2\nspring,A-3\n", "vouchers.csv").written == {"offer_codes": 1}
    with store.read() as connection:
        assert codes.pools(connection) == [codes.Pool("spring", 3, 3)]


def test_a_pool_stands_in_the_place_of_the_one_code(store: Store, load: Importer, clock: ManualClock) -> None:
    load(OFFERS, "offers.csv")
    load("offer_id,code\nspring,A-1\n", kind="codes")
    with store.read() as connection:
        found = {one.offer_id: (one.single_use, one.code) for one in open_offers(connection, clock.now())}
    assert found == {"spring": (True, ""), "plain": (False, "PLAIN5")}


def test_a_code_that_a_contact_holds_stays_with_it(store: Store, lake: Lake, load: Importer) -> None:
    load(OFFERS, "offers.csv")
    load("contact_id,email\n1,a@example.com\n", kind="contacts")
    load("offer_id,code\nspring,A-1\n", kind="codes")
    with store.write() as connection:
        [code] = codes.lock_free(connection, "spring", 5)
        codes.assign(connection, [(code, 1, "m")], ManualClock(NOW).now())
    assert load("offer_id,code\nspring,A-1\nspring,A-2\n", kind="codes").written == {"offer_codes": 1}
    with store.read() as connection:
        held = connection.execute(select(offer_codes.c.code, offer_codes.c.contact_id).order_by("code")).all()
        assert [tuple(row) for row in held] == [("A-1", 1), ("A-2", None)]
        assert codes.pools(connection) == [codes.Pool("spring", 2, 1)]


def test_codes_without_an_offer_or_that_nobody_could_type_are_set_aside(store: Store, load: Importer) -> None:
    load(OFFERS, "offers.csv")
    report = load(f"offer_id,code\nspring,A-1\nautumn,A-2\nspring,A 3\nspring,{'A' * 65}\nspring,\n", kind="codes")
    assert (report.rows_written, report.rows_quarantined) == (1, 4)
    with store.read() as connection:
        rows = connection.execute(select(quarantine).order_by(quarantine.c.line)).all()
    assert [(row.line, row.column) for row in rows] == [(3, "offer_id"), (4, "code"), (5, "code"), (6, "code")]
    assert rows[0].reason == "no offer with this id is known; import the offers first"
    assert rows[1].reason == rows[2].reason == "a code is one word of at most 64 characters"


def test_a_pool_is_low_when_less_than_a_tenth_is_left() -> None:
    assert not codes.Pool("spring", 100, 10).is_low
    assert codes.Pool("spring", 100, 9).is_low
