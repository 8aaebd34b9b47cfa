"""Coming to be among the very faithful: recognised once, marked, and at the very top by a person's hand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from memory import alerts, contacts
from memory.clock import ManualClock
from memory.lake import LakeTable
from memory.store import Store
from tests.memory.builders import as_rows
from tests.playbooks.record import orders_of, propose
from tests.playbooks.scene import DAY, HOUR, Shop, open_shop
from tests.tools.scene import NOW, add_contacts
from tools.unsubscribe import opt_out

FAITHFUL, FRENCH, TOP, RISING = 1, 2, 3, 4
OTHERS = range(10, 26)


@pytest.fixture
def shop(store: Store, clock: ManualClock, tmp_path: Path) -> Shop:
    add_contacts(store, [FAITHFUL, TOP, RISING, *OTHERS])
    add_contacts(store, [FRENCH], language="fr")
    shop = open_shop(store, clock, tmp_path)
    order(shop, FAITHFUL, range(3, 60, 10))
    order(shop, FRENCH, range(4, 60, 10))
    order(shop, TOP, range(2, 60, 5))
    order(shop, RISING, (200,))
    for one in OTHERS:
        order(shop, one, (100 + one,))
    return shop


def order(shop: Shop, contact: int, days_ago: Iterable[int], cents: int = 5_000) -> None:
    rows = [
        {"order_id": f"o{contact}-{ago}", "contact_id": contact, "at": NOW - ago * DAY, "total_cents": cents}
        for ago in days_ago
    ]
    shop.place.lake.append(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, rows), batch_id=f"orders-{contact}")


def tier(store: Store, contact: int) -> object:
    with store.read() as connection:
        return contacts.get(connection, contact).attributes.get("tier")


def test_the_faithful_hear_of_it_and_the_others_do_not(shop: Shop, store: Store) -> None:
    shop.run("vip_threshold", only="recognition", offer=None)
    shop.passes(DAY, every=HOUR)
    assert [(mail.contact, mail.step) for mail in shop.mails()] == [(FAITHFUL, "recognition"), (FRENCH, "recognition")]
    assert "Few people come to us as often" in shop.mails(FAITHFUL)[0].text
    assert "Peu de personnes viennent chez nous" in shop.mails(FRENCH)[0].text
    assert [tier(store, one) for one in (FAITHFUL, FRENCH, TOP, RISING)] == ["vip", "vip", "vip", None]


def test_the_very_top_hears_from_a_person_and_from_no_machine(shop: Shop, store: Store) -> None:
    shop.run("vip_threshold", only="recognition", offer=None)
    shop.passes(DAY, every=HOUR)
    with store.read() as connection:
        [task] = alerts.list_alerts(connection)
    assert (task.contact_id, task.step_key, set(task.task)) == (TOP, "by_hand", {"en", "fr"})
    assert shop.steps(TOP) == []
    assert shop.entries(TOP)[0].exit_reason == "by_hand"


@pytest.mark.parametrize(("contact", "words"), [(FAITHFUL, "A small gift"), (FRENCH, "Un petit cadeau")])
def test_with_an_approved_offer_there_is_a_benefit_with_it(shop: Shop, contact: int, words: str) -> None:
    shop.run("vip_threshold", only="recognition_with_gift")
    shop.passes(HOUR)
    [mail] = shop.mails(contact)
    assert mail.step == "benefit"
    assert words in mail.text


def test_without_an_offer_recognition_is_all_there_is(shop: Shop) -> None:
    wanted = shop.run("vip_threshold", offer=None)
    assert [one.key for one in wanted.sequences] == ["recognition"]


def test_whoever_crosses_the_threshold_later_comes_in_then_and_once_only(shop: Shop, store: Store) -> None:
    shop.run("vip_threshold", only="recognition", offer=None)
    shop.passes(DAY, every=12 * HOUR)
    assert tier(store, RISING) is None
    for _ in range(6):
        shop.buys(RISING, cents=9_000)
        shop.passes(DAY, every=12 * HOUR)
    shop.passes(20 * DAY, every=2 * DAY)
    assert shop.steps(RISING) == ["recognition"]
    assert tier(store, RISING) == "vip"
    assert [one.occurrence for one in shop.entries(FAITHFUL)] == [1]


def test_an_order_or_a_way_out_before_the_morning_keeps_the_message_back(shop: Shop, store: Store) -> None:
    shop.clock.advance(12 * HOUR)
    shop.run("vip_threshold", only="recognition", offer=None)
    shop.passes(HOUR)
    assert shop.mails() == []
    shop.buys(FAITHFUL)
    with store.write() as connection:
        opt_out(connection, FRENCH, "email", "the page", shop.clock.now())
    shop.passes(DAY, every=HOUR)
    assert shop.mails() == []
    assert [shop.entries(one)[0].exit_reason for one in (FAITHFUL, FRENCH)] == ["goal", "consent_withdrawn"]


def test_at_night_it_waits_for_the_morning(shop: Shop) -> None:
    shop.clock.advance(12 * HOUR)
    shop.run("vip_threshold", only="recognition", offer=None)
    shop.passes(DAY, every=HOUR)
    # Nine o'clock in Paris.
    assert {mail.at for mail in shop.mails()} == {NOW + 23 * HOUR}


def test_the_holdout_is_neither_written_to_nor_marked(shop: Shop, store: Store) -> None:
    many = range(100, 140)
    add_contacts(store, many)
    for one in many:
        order(shop, one, range(1, 40, 6), cents=50_000)
    add_contacts(store, range(200, 400))
    for one in range(200, 400):
        order(shop, one, (150,), cents=100)
    shop.run("vip_threshold", offer=None, holdout_share=0.3)
    shop.passes(DAY, every=12 * HOUR)
    entered = {one: shop.entries(one)[0] for one in many}
    held_out = {one for one, entry in entered.items() if entry.in_holdout}
    assert held_out
    assert {mail.contact for mail in shop.mails()} & set(many) == set(many) - held_out
    assert {one for one in many if tier(store, one) is None} == held_out


def test_champions_lead_to_a_proposal(store: Store, tmp_path: Path) -> None:
    # Half of them did not order within the last window, or there would be nothing to gain.
    best = orders_of(range(1, 21), range(5, 100, 15)) + orders_of(range(21, 41), range(29, 124, 15))
    orders = best + orders_of(range(41, 161), (190, 200))
    proposal, why = propose(store, tmp_path, "vip_threshold", orders=orders)
    assert proposal is not None, why
    assert proposal.play.reentry.allowed == "never"
    assert [one.key for one in proposal.play.sequences] == ["recognition"]


def test_without_champions_there_is_nothing_to_propose(store: Store, tmp_path: Path) -> None:
    proposal, why = propose(store, tmp_path, "vip_threshold", orders=orders_of(range(1, 161), (10, 200)))
    assert proposal is None
    assert "Nobody shows its signal now" in why
