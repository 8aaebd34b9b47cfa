"""The welcome, followed on the clock: greeted at once, written to by what they answered, left alone once they order."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from memory import preferences
from memory.clock import ManualClock
from memory.preferences import Preferences
from memory.store import Store
from tests.playbooks.record import EVERYBODY, did, proposed, write_record
from tests.playbooks.scene import DAY, HOUR, Shop, open_shop
from tests.tools.scene import NOW, URL, add_contacts
from tools.unsubscribe import opt_out


@pytest.fixture
def shop(store: Store, clock: ManualClock, tmp_path: Path) -> Shop:
    add_contacts(store, [1, 2], first_name="Ada")
    add_contacts(store, [3], language="fr", first_name="")
    add_contacts(store, [4], consent="")
    return open_shop(store, clock, tmp_path)


def answers(shop: Shop, contact: int, what: str) -> None:
    """What the preference page keeps."""
    said = Preferences(contact_id=contact, answers={"preferred_category": what} if what else {})
    with shop.place.store.write() as connection:
        preferences.save(connection, said, shop.clock.now())


@pytest.mark.parametrize(
    ("sequence", "steps"),
    [("asks_first", ["hello", "a_look_around", "help"]), ("introduces", ["introduction", "a_look_around", "help"])],
)
def test_three_messages_over_ten_days_the_first_at_once(shop: Shop, sequence: str, steps: list[str]) -> None:
    shop.run("welcome", only=sequence)
    shop.happens("signup", 1)
    shop.passes(12 * DAY, every=6 * HOUR)
    assert shop.steps(1) == steps
    assert [mail.at - NOW for mail in shop.mails(1)] == [timedelta(), 3 * DAY, 9 * DAY]
    assert shop.mails(1)[0].subject == "Welcome, Ada"
    # Once in the footer of every message, and once more where the button asks.
    assert [mail.text.count(f"{URL}/p/") for mail in shop.mails(1)] == [2 if sequence == "asks_first" else 1, 1, 1]
    assert shop.entries(1)[0].exit_reason == "completed"


@pytest.mark.parametrize(("answer", "second"), [("Coffee", "their_choice"), ("", "a_look_around")])
def test_what_they_answered_decides_what_follows(shop: Shop, answer: str, second: str) -> None:
    shop.run("welcome", only="asks_first")
    shop.happens("signup", 1)
    shop.passes(DAY, every=6 * HOUR)
    answers(shop, 1, answer)
    shop.passes(11 * DAY, every=6 * HOUR)
    assert shop.steps(1) == ["hello", second, "help"]


@pytest.mark.parametrize("sequence", ["asks_first", "introduces"])
def test_in_french_and_without_a_name_it_reads_as_well(shop: Shop, sequence: str) -> None:
    shop.run("welcome", only=sequence)
    shop.happens("signup", 3)
    answers(shop, 3, "Coffee")
    shop.passes(12 * DAY, every=DAY)
    mails = shop.mails(3)
    assert [mail.subject.split()[0] for mail in mails] == [
        "Bienvenue",
        "Merci" if sequence == "asks_first" else "Un",
        "Pouvons-nous",
    ]
    assert all("Bonjour," in mail.text for mail in mails)


def test_whoever_orders_is_welcomed_no_further(shop: Shop) -> None:
    shop.run("welcome", only="asks_first")
    shop.happens("signup", 1)
    shop.passes(DAY, every=6 * HOUR)
    shop.buys(1)
    shop.passes(11 * DAY, every=DAY)
    assert shop.steps(1) == ["hello"]
    assert shop.entries(1)[0].exit_reason == "goal"


def test_whoever_withdraws_hears_no_more(shop: Shop) -> None:
    shop.run("welcome", only="introduces")
    shop.happens("signup", 1)
    shop.passes(DAY, every=6 * HOUR)
    with shop.place.store.write() as connection:
        opt_out(connection, 1, "email", "the page", shop.clock.now())
    shop.passes(11 * DAY, every=DAY)
    assert shop.steps(1) == ["introduction"]
    assert shop.entries(1)[0].exit_reason == "consent_withdrawn"


def test_without_consent_a_sign_up_is_not_enough(shop: Shop) -> None:
    shop.run("welcome", only="introduces")
    shop.happens("signup", 4)
    shop.passes(DAY, every=6 * HOUR)
    assert shop.mails(4) == []


def test_nobody_is_welcomed_twice(shop: Shop) -> None:
    shop.run("welcome", only="introduces")
    shop.happens("signup", 1)
    shop.passes(20 * DAY, every=DAY)
    shop.happens("signup", 1)
    shop.passes(2 * DAY, every=DAY)
    assert len(shop.mails(1)) == 3


def test_a_sign_up_at_night_is_greeted_in_the_morning(shop: Shop) -> None:
    shop.run("welcome", only="asks_first")
    shop.clock.advance_to(NOW.replace(hour=22))
    shop.happens("signup", 1)
    shop.passes(DAY, every=HOUR)
    [mail] = shop.mails(1)
    # Nine o'clock in Paris.
    assert timedelta() <= mail.at - (NOW.replace(hour=8) + DAY) < HOUR


def test_the_holdout_hears_nothing(shop: Shop, store: Store) -> None:
    add_contacts(store, range(10, 40))
    shop.run("welcome", holdout_share=0.3)
    for contact in range(10, 40):
        shop.happens("signup", contact)
    shop.passes(10 * DAY, every=DAY)
    held_out = {one for one in range(10, 40) if shop.entries(one)[0].in_holdout}
    assert held_out
    assert {mail.contact for mail in shop.mails()} == set(range(10, 40)) - held_out
    assert shop.states()["withheld"] == 3 * len(held_out)


def test_a_record_of_sign_ups_leads_to_a_proposal(tmp_path: Path) -> None:
    write_record(tmp_path, events=did("signup", EVERYBODY, 50))
    proposal, why = proposed(tmp_path, "welcome")
    assert proposal is not None, why
    assert proposal.audience.selected == len(EVERYBODY)


def test_without_sign_ups_there_is_none(tmp_path: Path) -> None:
    write_record(tmp_path, events=did("visit", EVERYBODY, 50))
    proposal, why = proposed(tmp_path, "welcome")
    assert proposal is None
    assert "Nobody shows its signal now" in why
