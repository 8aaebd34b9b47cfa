"""The thanks after a purchase, followed on the clock: once it has arrived, a person behind it, and nothing sold."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agents.outcomes import campaign_outcomes
from memory import alerts
from memory.clock import ManualClock
from memory.store import Store
from tests.playbooks.record import EVERYBODY, proposed, write_record
from tests.playbooks.scene import DAY, HOUR, Shop, open_shop
from tests.plays import PLAYBOOKS
from tests.tools.scene import NOW, add_contacts
from tools.unsubscribe import opt_out


@pytest.fixture
def shop(store: Store, clock: ManualClock, tmp_path: Path) -> Shop:
    add_contacts(store, [1, 2], first_name="Ada")
    add_contacts(store, [3], language="fr", first_name="")
    return open_shop(store, clock, tmp_path)


@pytest.mark.parametrize(("sequence", "days"), [("after_5_days", 5), ("after_10_days", 10)])
def test_thanks_come_once_it_has_arrived_and_sell_nothing(shop: Shop, sequence: str, days: int) -> None:
    shop.run("post_purchase", only=sequence)
    shop.buys(1)
    shop.passes(30 * DAY, every=DAY)
    [mail] = shop.mails()
    assert (mail.contact, mail.at) == (1, NOW + days * DAY)
    assert "Thank you for your order of March 3, 2025" in mail.text
    assert "Visit" not in mail.text
    assert shop.entries(1)[0].exit_reason == "completed"


def test_no_sequence_speaks_of_an_offer_or_has_a_button() -> None:
    known = PLAYBOOKS["post_purchase"]
    assert known.offer.use == "none"
    assert not any(copy.button for step in known.sends() for copy in step.copies.values())


def test_in_french_and_without_a_name_it_reads_as_well(shop: Shop) -> None:
    shop.run("post_purchase", only="after_5_days")
    shop.buys(3)
    shop.passes(6 * DAY, every=DAY)
    [mail] = shop.mails(3)
    assert "Merci de votre commande du 3 mars 2025" in mail.text


@pytest.mark.parametrize("replies", [True, False])
def test_a_reply_is_given_to_a_person_at_once(shop: Shop, replies: bool) -> None:
    shop.run("post_purchase", only="after_5_days")
    shop.buys(1)
    shop.passes(6 * DAY, every=DAY)
    if replies:
        shop.happens("reply", 1)
    shop.passes(HOUR, every=HOUR)
    with shop.place.store.read() as connection:
        found = [(one.contact_id, one.step_key) for one in alerts.list_alerts(connection)]
    assert found == ([(1, "answer_it")] if replies else [])
    assert shop.entries(1)[0].state == ("exited" if replies else "active")


def test_the_next_order_ends_it(shop: Shop) -> None:
    shop.run("post_purchase", only="after_5_days")
    shop.buys(1)
    shop.passes(2 * DAY, every=DAY)
    shop.buys(1)
    shop.passes(10 * DAY, every=DAY)
    assert shop.mails(1) == []
    assert [one.exit_reason for one in shop.entries(1)] == ["goal"]


def test_a_return_is_not_thanked_for(shop: Shop) -> None:
    shop.run("post_purchase", only="after_5_days")
    shop.buys(1, cents=-2_000)
    shop.passes(6 * DAY, every=DAY)
    assert shop.entries(1) == []


def test_whoever_withdraws_hears_nothing(shop: Shop) -> None:
    shop.run("post_purchase", only="after_5_days")
    shop.buys(1)
    shop.passes(DAY, every=DAY)
    with shop.place.store.write() as connection:
        opt_out(connection, 1, "email", "the page", shop.clock.now())
    shop.passes(6 * DAY, every=DAY)
    assert shop.mails(1) == []
    assert shop.entries(1)[0].exit_reason == "consent_withdrawn"


def test_whoever_orders_often_is_not_thanked_each_time(shop: Shop) -> None:
    shop.run("post_purchase", only="after_5_days")
    for wait in (30 * DAY, 58 * DAY):
        shop.buys(1)
        shop.passes(wait, every=DAY)
    assert len(shop.mails(1)) == 1
    shop.passes(DAY, every=DAY)
    # The campaign lets people in for ninety days; the next one would thank them again.
    assert len(shop.entries(1)) == 1


def test_an_order_at_night_is_thanked_for_in_the_morning(shop: Shop) -> None:
    shop.run("post_purchase", only="after_5_days")
    shop.clock.advance_to(NOW.replace(hour=22))
    shop.buys(1)
    shop.passes(4 * DAY, every=DAY)
    shop.passes(2 * DAY, every=HOUR)
    [mail] = shop.mails(1)
    # Nine o'clock in Paris.
    assert timedelta() <= mail.at - (NOW.replace(hour=8) + 6 * DAY) < HOUR


def test_the_holdout_hears_nothing_and_gives_nobody_work(shop: Shop, store: Store) -> None:
    add_contacts(store, range(10, 40))
    shop.run("post_purchase", holdout_share=0.3)
    for contact in range(10, 40):
        shop.buys(contact)
    shop.passes(11 * DAY, every=DAY)
    held_out = {one for one in range(10, 40) if shop.entries(one)[0].in_holdout}
    assert held_out
    assert {mail.contact for mail in shop.mails()} == set(range(10, 40)) - held_out
    for contact in held_out:
        shop.happens("reply", contact)
    shop.passes(DAY, every=DAY)
    with shop.place.store.read() as connection:
        assert alerts.list_alerts(connection) == []


def test_the_order_that_lets_a_contact_in_is_no_effect_of_it(shop: Shop) -> None:
    wanted = shop.run("post_purchase", only="after_5_days")
    for contact in (1, 2):
        shop.buys(contact)
    shop.passes(2 * DAY, every=DAY)
    shop.buys(2)
    shop.passes(DAY, every=DAY)
    counted = campaign_outcomes(
        shop.place.store,
        shop.place.lake,
        shop.campaign_id,
        goal=wanted.goal,
        arms=["after_5_days"],
        as_of=shop.clock.now(),
    )
    assert {arm.name: (arm.contacts, arm.conversions) for arm in counted.arms}["after_5_days"] == (2, 1)


def test_a_record_of_orders_leads_to_a_proposal(tmp_path: Path) -> None:
    write_record(tmp_path, days_ago={one: [30 + one % 20, 130 + one] for one in EVERYBODY})
    proposal, why = proposed(tmp_path, "post_purchase")
    assert proposal is not None, why
    assert proposal.audience.selected == len(EVERYBODY)


def test_a_record_without_orders_of_late_leads_to_none(tmp_path: Path) -> None:
    write_record(tmp_path, days_ago={one: [130 + one, 260] for one in EVERYBODY})
    proposal, why = proposed(tmp_path, "post_purchase")
    assert proposal is None
    assert "Nobody shows its signal now" in why
