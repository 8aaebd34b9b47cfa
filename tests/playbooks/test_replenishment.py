"""Replenishment, followed on the clock: day 25 of a rhythm of 30, each by their own, and once for each day."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from memory.clock import ManualClock
from memory.lake import LakeTable
from memory.store import Store
from memory.trigger import DateTrigger
from tests.memory.builders import Row, as_rows
from tests.playbooks.record import EVERYBODY, proposed, write_record
from tests.playbooks.scene import DAY, HOUR, Shop, open_shop
from tests.tools.scene import NOW, add_contacts
from tools.unsubscribe import opt_out


@pytest.fixture
def shop(store: Store, clock: ManualClock, tmp_path: Path) -> Shop:
    add_contacts(store, [1, 2], first_name="Ada")
    add_contacts(store, [3], language="fr", first_name="")
    return open_shop(store, clock, tmp_path)


def buys_every(shop: Shop, rhythms: dict[int, tuple[str, int, int]]) -> None:
    """Contact → (category, days between orders, days since the last one), five orders each, as history."""
    orders: list[Row] = []
    lines: list[Row] = []
    for contact, (category, interval, last) in rhythms.items():
        for turn in range(5):
            at = NOW - (last + interval * turn) * DAY
            name = f"h{contact}-{turn}"
            orders.append({"order_id": name, "contact_id": contact, "at": at, "total_cents": 900})
            lines.append(
                {"order_id": name, "line": 1, "contact_id": contact, "at": at, "product_id": f"p-{category}",
                 "category": category, "amount_cents": 900}
            )  # fmt: skip
    people = [{"contact_id": one, "created_at": NOW - 400 * DAY} for one in rhythms]
    shop.place.lake.append(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, orders), batch_id="h")
    shop.place.lake.append(LakeTable.LINES, as_rows(LakeTable.LINES, lines), batch_id="h")
    shop.place.lake.replace(LakeTable.CONTACTS, as_rows(LakeTable.CONTACTS, people))


@pytest.mark.parametrize(("interval", "last", "days"), [(30, 20, 5), (60, 50, 5), (30, 25, 0), (21, 10, 6)])
def test_each_is_reminded_five_days_before_by_their_own_rhythm(shop: Shop, interval: int, last: int, days: int) -> None:
    buys_every(shop, {1: ("coffee", interval, last)})
    shop.run("replenishment", only="one_reminder")
    shop.passes(14 * DAY, every=DAY)
    [mail] = shop.mails(1)
    assert (mail.at, mail.subject) == (NOW + days * DAY, "Time to reorder Coffee")
    assert "https://shop.example.com/coffee" in mail.text


def test_whoever_is_past_the_day_or_buys_too_often_is_not_reminded(shop: Shop) -> None:
    buys_every(shop, {1: ("coffee", 30, 29), 2: ("tea", 10, 5)})
    shop.run("replenishment")
    shop.passes(14 * DAY, every=DAY)
    assert shop.mails() == []


@pytest.mark.parametrize(
    ("buys", "steps"), [(False, ["first_reminder", "second_reminder"]), (True, ["first_reminder"])]
)
def test_a_second_reminder_four_days_later_unless_they_order(shop: Shop, buys: bool, steps: list[str]) -> None:
    buys_every(shop, {1: ("coffee", 30, 25)})
    shop.run("replenishment", only="two_reminders")
    shop.passes(2 * DAY, every=DAY)
    if buys:
        shop.buys(1)
    shop.passes(12 * DAY, every=DAY)
    assert shop.steps(1) == steps
    assert shop.mails(1)[-1].at == NOW + (0 if buys else 4) * DAY
    assert shop.entries(1)[0].exit_reason == ("goal" if buys else "completed")


def test_the_day_comes_anew_with_every_purchase_and_never_without_one(shop: Shop) -> None:
    buys_every(shop, {1: ("coffee", 30, 25), 2: ("coffee", 30, 25)})
    shop.run("replenishment", only="one_reminder")
    shop.passes(5 * DAY, every=DAY)
    shop.buys(1)
    shop.passes(30 * DAY, every=DAY)
    assert [mail.at for mail in shop.mails(1)] == [NOW, NOW + 30 * DAY]
    assert [mail.at for mail in shop.mails(2)] == [NOW]
    assert [one.occurrence for one in shop.entries(1)] == [1, 2]


def test_in_french_and_without_a_name_it_reads_as_well(shop: Shop) -> None:
    buys_every(shop, {3: ("tea", 30, 25)})
    shop.run("replenishment", only="two_reminders")
    shop.passes(5 * DAY, every=DAY)
    first, second = shop.mails(3)
    assert first.subject == "Bientôt à court de Tea"
    assert "Bonjour," in second.text


def test_whoever_withdraws_gets_no_second_reminder(shop: Shop) -> None:
    buys_every(shop, {1: ("coffee", 30, 25)})
    shop.run("replenishment", only="two_reminders")
    shop.passes(DAY, every=DAY)
    with shop.place.store.write() as connection:
        opt_out(connection, 1, "email", "the page", shop.clock.now())
    shop.passes(5 * DAY, every=DAY)
    assert shop.steps(1) == ["first_reminder"]
    assert shop.entries(1)[0].exit_reason == "consent_withdrawn"


def test_a_day_that_begins_at_night_is_reminded_of_in_the_morning(shop: Shop) -> None:
    buys_every(shop, {1: ("coffee", 30, 24)})
    shop.run("replenishment", only="one_reminder")
    shop.clock.advance_to(NOW.replace(hour=22))
    shop.passes(DAY, every=HOUR)
    [mail] = shop.mails(1)
    # Nine o'clock in Paris.
    assert timedelta() <= mail.at - (NOW.replace(hour=8) + DAY) < HOUR


def test_the_holdout_hears_nothing(shop: Shop, store: Store) -> None:
    add_contacts(store, range(10, 40))
    buys_every(shop, dict.fromkeys(range(10, 40), ("coffee", 30, 25)))
    shop.run("replenishment", holdout_share=0.3)
    shop.passes(6 * DAY, every=DAY)
    held_out = {one for one in range(10, 40) if shop.entries(one)[0].in_holdout}
    assert held_out
    assert {mail.contact for mail in shop.mails()} == set(range(10, 40)) - held_out


def test_a_record_of_rhythms_leads_to_a_proposal_for_all_who_come_due(tmp_path: Path) -> None:
    # A day of the rhythm for each: thirty different days until it is due.
    write_record(tmp_path, days_ago={one: [one % 20 + 30 * turn for turn in range(7)] for one in EVERYBODY})
    proposal, why = proposed(tmp_path, "replenishment")
    assert proposal is not None, why
    assert proposal.play.trigger == DateTrigger(feature="replenish_due_in_days", offset_days=-5, runs_days=90)
    assert proposal.audience.selected == len(EVERYBODY)


def test_a_record_without_a_rhythm_leads_to_none(tmp_path: Path) -> None:
    write_record(tmp_path, days_ago={one: [one, 200 + one] for one in EVERYBODY})
    proposal, why = proposed(tmp_path, "replenishment")
    assert proposal is None
    assert "Nobody shows its signal now" in why
