"""The abandoned cart, followed on the clock: reminded, helped, stopped by the order, and left alone by night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory import cap
from memory.clock import ManualClock
from memory.store import Store
from memory.trigger import EventTrigger
from tests.playbooks.record import EVERYBODY, did, proposed, write_record
from tests.playbooks.scene import DAY, HOUR, MINUTE, Shop, open_shop
from tests.tools.scene import NOW, add_contacts
from tools.unsubscribe import opt_out


@pytest.fixture
def shop(store: Store, clock: ManualClock, tmp_path: Path) -> Shop:
    add_contacts(store, [1, 2])
    add_contacts(store, [3], language="fr")
    return open_shop(store, clock, tmp_path)


@pytest.mark.parametrize(
    ("sequence", "minutes"), [("after_20_minutes", 20), ("after_30_minutes", 30), ("after_60_minutes", 60)]
)
def test_the_reminder_leaves_after_its_minutes_and_the_second_a_day_later(
    shop: Shop, sequence: str, minutes: int
) -> None:
    shop.run("abandoned_cart", only=sequence)
    shop.happens("cart", 1, product_id="p-coffee")
    shop.passes(2 * HOUR)
    shop.passes(21 * HOUR, every=3 * HOUR)
    shop.passes(3 * HOUR)
    first, second = shop.mails(1)
    assert first.at == NOW + minutes * MINUTE
    assert second.at == first.at + DAY
    assert "You put Coffee in your cart" in first.text
    [entry] = shop.entries(1)
    assert (entry.state, entry.exit_reason) == ("exited", "completed")


def test_whoever_orders_is_left_alone_at_once(shop: Shop) -> None:
    shop.run("abandoned_cart", only="after_20_minutes")
    shop.happens("cart", 1, product_id="p-coffee")
    shop.passes(HOUR)
    shop.buys(1)
    shop.passes(3 * DAY, every=HOUR)
    assert shop.steps(1) == ["reminder"]
    assert shop.entries(1)[0].exit_reason == "goal"


def test_whoever_orders_within_the_minutes_never_hears_of_it(shop: Shop) -> None:
    shop.run("abandoned_cart", only="after_20_minutes")
    shop.happens("cart", 1, product_id="p-coffee")
    shop.passes(10 * MINUTE)
    shop.buys(1)
    shop.passes(2 * DAY, every=HOUR)
    assert shop.mails(1) == []


def test_whoever_unsubscribes_gets_no_second_message(shop: Shop) -> None:
    shop.run("abandoned_cart", only="after_20_minutes")
    shop.happens("cart", 1)
    shop.passes(HOUR)
    with shop.place.store.write() as connection:
        opt_out(connection, 1, "email", "the page", shop.clock.now())
    shop.passes(2 * DAY, every=HOUR)
    assert shop.steps(1) == ["reminder"]
    assert shop.entries(1)[0].exit_reason == "consent_withdrawn"


def test_a_product_that_nobody_knows_is_not_named(shop: Shop) -> None:
    shop.run("abandoned_cart", only="after_20_minutes")
    shop.happens("cart", 1, product_id="p-unknown")
    shop.happens("cart", 2)
    shop.passes(30 * MINUTE)
    assert ["You put something in your cart" in mail.text for mail in shop.mails()] == [True, True]


def test_in_french_for_who_reads_french(shop: Shop) -> None:
    shop.run("abandoned_cart", only="after_20_minutes_then_offer")
    shop.happens("cart", 3, product_id="p-tea")
    shop.passes(2 * DAY, every=HOUR)
    first, second = shop.mails(3)
    assert "Vous avez mis Tea dans votre panier" in first.text
    assert "10 % de remise" in second.text


def test_with_an_offer_the_next_day_where_one_is_approved(shop: Shop) -> None:
    shop.run("abandoned_cart", only="after_20_minutes_then_offer")
    shop.happens("cart", 1, product_id="p-coffee")
    shop.passes(2 * DAY, every=HOUR)
    assert shop.steps(1) == ["reminder_offer", "offer"]
    assert "BACK10" in shop.mails(1)[1].text


def test_without_an_offer_three_sequences_are_left(shop: Shop) -> None:
    play = shop.run("abandoned_cart", offer=None)
    assert [one.key for one in play.sequences] == ["after_20_minutes", "after_30_minutes", "after_60_minutes"]


def test_a_cart_left_at_night_waits_for_the_morning(shop: Shop) -> None:
    shop.run("abandoned_cart", only="after_20_minutes")
    shop.clock.advance_to(datetime(2025, 3, 3, 21, 30, tzinfo=UTC))
    shop.happens("cart", 1)
    shop.passes(DAY, every=HOUR)
    first = shop.mails(1)[0]
    # Nine o'clock in Paris.
    assert timedelta() <= first.at - datetime(2025, 3, 4, 8, 0, tzinfo=UTC) < HOUR


def test_the_next_cart_counts_after_a_week(shop: Shop) -> None:
    shop.run("abandoned_cart", only="after_20_minutes")
    shop.happens("cart", 1)
    shop.passes(2 * DAY, every=HOUR)
    shop.happens("cart", 1)
    shop.passes(2 * DAY, every=HOUR)
    assert len(shop.entries(1)) == 1
    shop.passes(4 * DAY, every=6 * HOUR)
    shop.happens("cart", 1)
    shop.passes(HOUR)
    assert [one.occurrence for one in shop.entries(1)] == [1, 2]


def test_the_holdout_is_reminded_of_nothing(shop: Shop, store: Store) -> None:
    add_contacts(store, range(10, 50))
    shop.run("abandoned_cart", holdout_share=0.3)
    for contact in range(10, 50):
        shop.happens("cart", contact)
    shop.passes(2 * DAY, every=HOUR)
    held_out = {one for one in range(10, 50) if shop.entries(one)[0].in_holdout}
    assert held_out
    assert {mail.contact for mail in shop.mails()} == set(range(10, 50)) - held_out
    states = shop.states()
    assert states["withheld"] == 2 * len(held_out)


def test_whoever_fills_the_cart_further_is_reminded_of_what_came_last(shop: Shop) -> None:
    shop.run("abandoned_cart", only="after_20_minutes")
    shop.happens("cart", 1, product_id="p-coffee")
    shop.passes(15 * MINUTE, every=5 * MINUTE)
    shop.happens("cart", 1, product_id="p-tea")
    shop.passes(HOUR, every=5 * MINUTE)
    [only] = shop.mails(1)
    assert only.at == NOW + 35 * MINUTE
    assert "You put Tea in your cart" in only.text


@pytest.mark.parametrize(("clicks", "then"), [(True, "second_offer"), (False, "offer")])
def test_whoever_came_back_by_the_reminder_is_asked_and_not_paid(shop: Shop, clicks: bool, then: str) -> None:
    shop.run("abandoned_cart", only="after_20_minutes_then_offer")
    shop.happens("cart", 1, product_id="p-coffee")
    shop.passes(HOUR)
    if clicks:
        shop.happens("click", 1, link="shop")
    shop.passes(2 * DAY, every=HOUR)
    assert shop.steps(1) == ["reminder_offer", then]
    assert ("BACK10" in shop.mails(1)[1].text) is not clicks


def test_a_second_reminder_waits_for_room_under_the_cap(shop: Shop, store: Store) -> None:
    with store.write() as connection:
        slots = cap.lock(connection, [1], 3)
        for key in ("elsewhere-1", "elsewhere-2"):
            cap.reserve(connection, {1: key}, slots, cap=cap.Cap(3, 7), at=NOW)
            slots = cap.lock(connection, [1], 3)
    shop.run("abandoned_cart", only="after_20_minutes")
    shop.happens("cart", 1)
    shop.passes(3 * DAY, every=HOUR)
    assert shop.steps(1) == ["reminder"]
    shop.passes(4 * DAY, every=6 * HOUR)
    # Seven days after the two that came first there is room again.
    assert shop.steps(1) == ["reminder", "second"]
    assert shop.mails(1)[1].at >= NOW + 7 * DAY


def test_a_record_of_carts_leads_to_a_proposal_that_runs_on(tmp_path: Path) -> None:
    write_record(tmp_path, events=[*did("cart", EVERYBODY, 20), *did("cart", [1, 2], 3)])
    proposal, why = proposed(tmp_path, "abandoned_cart")
    assert proposal is not None, why
    assert proposal.play.trigger == EventTrigger(
        event="cart", records={"product": "product_id"}, restarts=True, runs_days=90
    )
    assert proposal.audience.selected == len(EVERYBODY)


def test_a_record_without_carts_leads_to_none(tmp_path: Path) -> None:
    write_record(tmp_path, events=did("visit", EVERYBODY, 20))
    proposal, why = proposed(tmp_path, "abandoned_cart")
    assert proposal is None
    assert "Nobody shows its signal now" in why
