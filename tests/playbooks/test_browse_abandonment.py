"""A product that was looked at and left, followed on the clock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from memory.clock import ManualClock
from memory.store import Store
from tests.playbooks.record import EVERYBODY, did, proposed, write_record
from tests.playbooks.scene import DAY, HOUR, MINUTE, Shop, open_shop
from tests.tools.scene import NOW, add_contacts
from tools.unsubscribe import opt_out


@pytest.fixture
def shop(store: Store, clock: ManualClock, tmp_path: Path) -> Shop:
    add_contacts(store, [1, 2], first_name="Ada")
    add_contacts(store, [3], language="fr", first_name="")
    return open_shop(store, clock, tmp_path)


@pytest.mark.parametrize(
    ("sequence", "subject"), [("the_product", "You looked at Coffee"), ("a_question", "A question about Coffee, Ada?")]
)
def test_a_day_after_the_look_one_message_names_the_product(shop: Shop, sequence: str, subject: str) -> None:
    shop.run("browse_abandonment", only=sequence)
    shop.happens("view", 1, product_id="p-coffee")
    shop.passes(3 * DAY, every=6 * HOUR)
    [mail] = shop.mails()
    assert (mail.contact, mail.at, mail.subject) == (1, NOW + DAY, subject)
    assert "https://shop.example.com/coffee" in mail.text
    assert shop.entries(1)[0].exit_reason == "completed"


def test_whoever_looks_on_is_written_to_a_day_after_the_last_look(shop: Shop) -> None:
    shop.run("browse_abandonment", only="the_product")
    shop.happens("view", 1, product_id="p-coffee")
    shop.passes(5 * HOUR, every=HOUR)
    shop.happens("view", 1, product_id="p-tea")
    shop.passes(2 * DAY, every=HOUR)
    [mail] = shop.mails(1)
    assert (mail.at, mail.subject) == (NOW + 5 * HOUR + DAY, "You looked at Tea")


@pytest.mark.parametrize("sequence", ["the_product", "a_question"])
def test_in_french_and_without_a_name_it_reads_as_well(shop: Shop, sequence: str) -> None:
    shop.run("browse_abandonment", only=sequence)
    shop.happens("view", 3, product_id="p-tea")
    shop.passes(2 * DAY, every=6 * HOUR)
    [mail] = shop.mails(3)
    assert "Vous avez regardé Tea dans notre boutique" in mail.text
    assert "Bonjour," in mail.text


def test_a_page_without_a_product_or_with_one_that_nobody_knows_is_not_written_about(shop: Shop) -> None:
    shop.run("browse_abandonment", only="the_product")
    shop.happens("view", 1)
    shop.happens("view", 2, product_id="p-gone")
    shop.passes(2 * DAY, every=6 * HOUR)
    assert shop.mails() == []
    assert shop.entries(1) == []


@pytest.mark.parametrize("hours_from_look", [-1, 0, 1, 23])
def test_whoever_has_a_cart_hears_nothing_of_the_look(shop: Shop, hours_from_look: int) -> None:
    shop.run("browse_abandonment", only="the_product")
    if hours_from_look < 0:
        shop.happens("cart", 1, product_id="p-tea")
        shop.passes(-hours_from_look * HOUR, every=HOUR)
    shop.happens("view", 1, product_id="p-coffee")
    if hours_from_look >= 0:
        shop.passes(hours_from_look * HOUR + 30 * MINUTE, every=HOUR)
        shop.happens("cart", 1, product_id="p-coffee")
    shop.passes(2 * DAY, every=HOUR)
    assert shop.mails(1) == []
    assert shop.entries(1)[0].exit_reason == "has_a_cart"


def test_whoever_orders_leaves_before_the_message(shop: Shop) -> None:
    shop.run("browse_abandonment", only="the_product")
    shop.happens("view", 1, product_id="p-coffee")
    shop.passes(HOUR, every=HOUR)
    shop.buys(1)
    shop.passes(2 * DAY, every=6 * HOUR)
    assert shop.mails(1) == []
    assert shop.entries(1)[0].exit_reason == "goal"


def test_whoever_has_just_bought_is_looking_up_what_they_bought(shop: Shop) -> None:
    shop.run("browse_abandonment", only="the_product")
    shop.buys(1)
    shop.passes(HOUR, every=HOUR)
    shop.happens("view", 1, product_id="p-coffee")
    shop.happens("view", 2, product_id="p-coffee")
    shop.passes(2 * DAY, every=6 * HOUR)
    assert [mail.contact for mail in shop.mails()] == [2]


def test_whoever_withdraws_leaves(shop: Shop) -> None:
    shop.run("browse_abandonment", only="the_product")
    shop.happens("view", 1, product_id="p-coffee")
    shop.passes(HOUR, every=HOUR)
    with shop.place.store.write() as connection:
        opt_out(connection, 1, "email", "the page", shop.clock.now())
    shop.passes(2 * DAY, every=6 * HOUR)
    assert shop.mails(1) == []
    assert shop.entries(1)[0].exit_reason == "consent_withdrawn"


def test_at_most_once_in_two_weeks(shop: Shop) -> None:
    shop.run("browse_abandonment", only="the_product")
    for wait in (10 * DAY, 4 * DAY, 2 * DAY):
        shop.happens("view", 1, product_id="p-coffee")
        shop.passes(wait, every=DAY)
    assert [one.occurrence for one in shop.entries(1)] == [1, 2]
    assert [mail.at for mail in shop.mails(1)] == [NOW + DAY, NOW + 15 * DAY]


def test_a_look_at_night_is_answered_in_the_morning(shop: Shop) -> None:
    shop.run("browse_abandonment", only="the_product")
    night = NOW.replace(hour=22)
    shop.clock.advance_to(night)
    shop.happens("view", 1, product_id="p-coffee")
    shop.passes(2 * DAY, every=HOUR)
    [mail] = shop.mails(1)
    # Nine o'clock in Paris, the second morning after.
    assert timedelta() <= mail.at - (NOW.replace(hour=8) + 2 * DAY) < HOUR


def test_the_holdout_hears_nothing(shop: Shop, store: Store) -> None:
    add_contacts(store, range(10, 40))
    shop.run("browse_abandonment", holdout_share=0.3)
    for contact in range(10, 40):
        shop.happens("view", contact, product_id="p-coffee")
    shop.passes(2 * DAY, every=6 * HOUR)
    held_out = {one for one in range(10, 40) if shop.entries(one)[0].in_holdout}
    assert held_out
    assert {mail.contact for mail in shop.mails()} == set(range(10, 40)) - held_out
    assert shop.states()["withheld"] == len(held_out)


def test_a_record_of_looks_leads_to_a_proposal(tmp_path: Path) -> None:
    write_record(tmp_path, events=did("view", EVERYBODY, 20, product_id="product-tea"))
    proposal, why = proposed(tmp_path, "browse_abandonment")
    assert proposal is not None, why
    assert proposal.audience.selected == len(EVERYBODY)


def test_looks_at_no_product_lead_to_none(tmp_path: Path) -> None:
    write_record(tmp_path, events=did("view", EVERYBODY, 20))
    proposal, why = proposed(tmp_path, "browse_abandonment")
    assert proposal is None
    assert "Nobody shows its signal now" in why
