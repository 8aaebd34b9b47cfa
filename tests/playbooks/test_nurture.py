"""Letters whose readers choose the next one, followed through every way on the clock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from memory import alerts
from memory.clock import ManualClock
from memory.lake import LakeTable
from memory.store import Store
from tests.memory.builders import as_rows
from tests.playbooks.record import did, orders_of, propose
from tests.playbooks.scene import DAY, HOUR, Shop, open_shop
from tests.tools.scene import NOW, add_contacts
from tools.unsubscribe import opt_out

WAITS = {"over_three_weeks": (3, 4, 5, 6), "over_five_weeks": (6, 8, 10, 11)}


@pytest.fixture
def shop(store: Store, clock: ManualClock, tmp_path: Path) -> Shop:
    add_contacts(store, [1, 2])
    add_contacts(store, [3], language="fr")
    return open_shop(store, clock, tmp_path)


def follow(shop: Shop, *clicks: str, sequence: str = "over_three_weeks", contact: int = 1) -> list[str]:
    """Fill in the form, click these after the letters (one each, "" for none), and tell which letters came."""
    shop.run("nurture", only=sequence)
    shop.happens("form", contact)
    shop.passes(2 * HOUR)
    for place, days in enumerate(WAITS[sequence]):
        if place < len(clicks) and clicks[place]:
            shop.happens("click", contact, link=clicks[place], message_key="m")
        shop.passes(days * DAY, every=DAY)
    shop.passes(DAY, every=DAY)
    return shop.steps(contact)


@pytest.mark.parametrize("sequence", WAITS)
@pytest.mark.parametrize(
    ("clicks", "letters"),
    [
        (("looking", "self", "", "price"), ["question", "looking", "for_you", "doubts", "answer"]),
        (("choosing", "other", "", ""), ["question", "choosing", "for_others", "doubts", "goodbye"]),
        (("looking", "", "", "delivery"), ["question", "looking", "open_shop", "doubts", "answer"]),
        (("asking", "", "", ""), ["question", "asking", "open_shop", "doubts", "goodbye"]),
        (("", "", "", ""), ["question", "question_again", "open_shop", "doubts", "goodbye"]),
        (("", "asking", "", "unsure"), ["question", "question_again", "asking_late", "doubts", "answer"]),
        (("choosing", "later"), ["question", "choosing"]),
    ],
)
def test_each_click_chooses_the_next_letter(
    shop: Shop, sequence: str, clicks: tuple[str, ...], letters: list[str]
) -> None:
    assert follow(shop, *clicks, sequence=sequence) == letters
    [entry] = shop.entries(1)
    assert (entry.state, entry.exit_reason) == ("exited", "not_now" if "later" in clicks else "completed")


def test_a_letter_of_choices_shows_each_with_its_link(shop: Shop) -> None:
    follow(shop)
    question = shop.mails(1)[0].text.replace("\r\n", "\n")
    for label in ("I am just looking around", "I am choosing something", "I have a question"):
        assert f"{label}\nhttps://shop.example.com" in question


def test_in_french_for_who_reads_french(shop: Shop) -> None:
    follow(shop, "choosing", "other", "", "price", contact=3)
    mails = shop.mails(3)
    assert "Je regarde simplement\r\nhttps://shop.example.com" in mails[0].text
    assert [mail.subject.split(",")[0] for mail in mails[1:3]] == ["Choisir", "Quelque chose pour quelqu’un d’autre"]
    assert all(word not in mail.text for mail in mails for word in ("Hello", "Reply"))


def test_who_asks_or_doubts_becomes_a_task_for_a_person(shop: Shop) -> None:
    follow(shop, "asking", "", "", "unsure")
    with shop.place.store.read() as connection:
        raised = alerts.list_alerts(connection)
    assert [one.step_key for one in raised] == ["help", "talk"]
    assert all(one.contact_id == 1 and set(one.task) == {"en", "fr"} for one in raised)


def test_an_order_ends_the_letters(shop: Shop) -> None:
    shop.run("nurture")
    shop.happens("form", 1)
    shop.passes(2 * HOUR)
    shop.buys(1)
    shop.passes(20 * DAY, every=DAY)
    assert shop.steps(1) == ["question"]
    assert shop.entries(1)[0].exit_reason == "goal"


def test_whoever_unsubscribes_gets_no_further_letter(shop: Shop) -> None:
    shop.run("nurture")
    shop.happens("form", 1)
    shop.passes(2 * HOUR)
    with shop.place.store.write() as connection:
        opt_out(connection, 1, "email", "the page", shop.clock.now())
    shop.passes(20 * DAY, every=DAY)
    assert shop.steps(1) == ["question"]
    assert shop.entries(1)[0].exit_reason == "consent_withdrawn"


def test_a_customer_who_fills_in_a_form_is_not_led_in_again(shop: Shop) -> None:
    lake = shop.place.lake
    order = {"order_id": "o1", "contact_id": 1, "at": NOW - 40 * DAY, "total_cents": 900}
    lake.append(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, [order]), batch_id="one")
    people = [{"contact_id": one, "created_at": NOW - 400 * DAY} for one in (1, 2, 3)]
    lake.replace(LakeTable.CONTACTS, as_rows(LakeTable.CONTACTS, people))
    shop.run("nurture")
    shop.happens("form", 1)
    shop.happens("form", 2)
    shop.passes(2 * HOUR)
    assert (shop.steps(1), shop.steps(2)) == ([], ["question"])
    assert shop.entries(1)[0].exit_reason == "already_customer"


def test_a_form_late_in_the_evening_is_answered_the_next_morning(shop: Shop) -> None:
    shop.run("nurture")
    shop.clock.advance(10 * HOUR + timedelta(minutes=30))
    shop.happens("form", 1)
    shop.passes(DAY, every=HOUR)
    [question] = shop.mails(1)
    # Nine o'clock in Paris.
    assert timedelta() <= question.at - (NOW + 23 * HOUR) < HOUR


def test_another_form_opens_the_letters_again_after_half_a_year_only(shop: Shop) -> None:
    shop.run("nurture", trigger={"kind": "event", "event": "form", "runs_days": 300})
    shop.happens("form", 1)
    shop.passes(50 * DAY, every=2 * DAY)
    shop.happens("form", 1)
    shop.passes(DAY, every=12 * HOUR)
    assert [one.occurrence for one in shop.entries(1)] == [1]
    shop.passes(130 * DAY, every=30 * DAY)
    shop.happens("form", 1)
    shop.passes(DAY, every=12 * HOUR)
    assert [one.occurrence for one in shop.entries(1)] == [1, 2]


def test_the_holdout_gets_no_letter_and_no_task(shop: Shop, store: Store) -> None:
    add_contacts(store, range(10, 40))
    shop.run("nurture", holdout_share=0.3)
    for contact in range(10, 40):
        shop.happens("form", contact)
    shop.passes(4 * DAY, every=DAY)
    held_out = {one for one in range(10, 40) if shop.entries(one)[0].in_holdout}
    assert held_out
    assert {mail.contact for mail in shop.mails()} == set(range(10, 40)) - held_out
    with store.read() as connection:
        assert alerts.list_alerts(connection) == []


def test_forms_in_the_record_lead_to_a_proposal(store: Store, tmp_path: Path) -> None:
    proposal, why = propose(
        store,
        tmp_path,
        "nurture",
        orders=orders_of(range(81, 161), (30, 60, 200)),
        events=did("form", range(1, 81), 20, 70),
    )
    assert proposal is not None, why
    assert proposal.play.trigger.kind == "event"
    assert proposal.audience.reachable == 80
    assert len(proposal.play.sequences[0].steps) == 33


def test_without_a_form_in_the_record_there_is_nothing_to_propose(store: Store, tmp_path: Path) -> None:
    proposal, why = propose(store, tmp_path, "nurture", orders=orders_of(range(81, 161), (30, 60, 200)))
    assert proposal is None
    assert "Nobody shows its signal now" in why
