"""The confirmation of an address, followed on the clock: asked at once, reminded once, and only a yes is a consent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from console.web import public_app
from memory import consents
from memory.clock import ManualClock
from memory.consents import Consent
from memory.schema import journal, suppressions
from memory.store import Store
from memory.workspace import salt
from tests.examples import brand
from tests.playbooks.record import EVERYBODY, did, proposed, write_record
from tests.playbooks.scene import DAY, HOUR, Shop, open_shop
from tests.tools.scene import NOW, URL, add_contacts
from tools.intake import Incoming, receive
from tools.unsubscribe import WayOut, sign

TEXT = "I agree to receive e-mail from Maple & Finch. (sign-up form, version 3)"


@pytest.fixture
def shop(store: Store, clock: ManualClock, tmp_path: Path) -> Shop:
    add_contacts(store, [1, 2], consent="", first_name="Ada")
    add_contacts(store, [3], consent="", language="fr", first_name="")
    return open_shop(store, clock, tmp_path)


@pytest.fixture
def client(shop: Shop) -> TestClient:
    return TestClient(public_app(shop.place.store, shop.clock, brand()))


def marketing(shop: Shop, contact: int) -> list[Consent]:
    with shop.place.store.read() as connection:
        return [one for one in consents.history(connection, contact) if one.purpose == "marketing"]


def path_in(text: str) -> str:
    found = re.search(re.escape(URL) + r"(/confirm/\S+)", text)
    assert found is not None
    return found[1]


def test_a_confirmation_leaves_at_once_also_at_night_and_one_reminder_after_two_days(shop: Shop) -> None:
    shop.run("double_opt_in")
    night = NOW.replace(hour=22)
    shop.clock.advance_to(night)
    shop.happens("signup_pending", 1, text=TEXT)
    shop.passes(5 * DAY, every=12 * HOUR)
    assert [(mail.step, mail.at) for mail in shop.mails()] == [("confirmation", night), ("reminder", night + 2 * DAY)]
    assert shop.entries(1)[0].exit_reason == "not_confirmed"
    assert marketing(shop, 1) == []


def test_the_button_of_the_message_makes_a_consent_with_its_proof(shop: Shop, client: TestClient) -> None:
    shop.run("double_opt_in")
    shop.happens("signup_pending", 1, text=TEXT)
    shop.passes(HOUR, every=HOUR)
    path = path_in(shop.mails(1)[0].text)
    assert client.post(path).status_code == 200
    [found] = marketing(shop, 1)
    assert (found.contact_id, found.channel, found.state, found.at) == (1, "email", "granted", NOW + HOUR)
    assert found.wording == TEXT
    assert "address left in a form on 2025-03-03T09:00:00+00:00, event e1" in found.proof
    assert "confirmed on 2025-03-03T10:00:00+00:00" in found.proof
    assert TEXT in found.proof
    shop.passes(5 * DAY, every=DAY)
    assert shop.steps(1) == ["confirmation"]
    assert shop.entries(1)[0].exit_reason == "goal"


def test_whoever_confirmed_may_be_written_to_and_whoever_did_not_may_not(shop: Shop) -> None:
    for contact in (1, 2):
        shop.happens("signup_pending", contact, text=TEXT)
    shop.happens("confirm", 1)
    shop.run("welcome", only="introduces")
    for contact in (1, 2):
        shop.happens("signup", contact)
    shop.passes(HOUR, every=HOUR)
    assert [mail.contact for mail in shop.mails()] == [1]


def test_the_same_button_twice_is_one_consent(shop: Shop, client: TestClient) -> None:
    shop.run("double_opt_in")
    shop.happens("signup_pending", 1, text=TEXT)
    shop.passes(HOUR, every=HOUR)
    path = path_in(shop.mails(1)[0].text)
    for _ in range(2):
        assert client.post(path).status_code == 200
        shop.clock.advance(HOUR)
    assert len(marketing(shop, 1)) == 1
    with shop.place.store.read() as connection:
        query = select(journal.c.action).where(journal.c.action == "contact.confirmed")
        assert len(connection.execute(query).all()) == 1


def test_a_scanner_that_follows_the_link_consents_to_nothing(shop: Shop, client: TestClient) -> None:
    shop.run("double_opt_in")
    shop.happens("signup_pending", 1, text=TEXT)
    shop.passes(HOUR, every=HOUR)
    answer = client.get(path_in(shop.mails(1)[0].text))
    assert (answer.status_code, '<form method="post">' in answer.text) == (200, True)
    assert marketing(shop, 1) == []


def test_a_confirmation_by_a_machine_does_nothing(shop: Shop) -> None:
    shop.run("double_opt_in")
    shop.happens("signup_pending", 1, text=TEXT)
    at = shop.clock.now()
    receive(shop.place.store, [Incoming(event_id="m", kind="confirm", at=at, contact=1, human=False)], at)
    shop.passes(3 * DAY, every=DAY)
    assert marketing(shop, 1) == []
    assert shop.steps(1) == ["confirmation", "reminder"]


@pytest.mark.parametrize("kind", ["garbled", "unsubscribe"])
def test_no_other_link_confirms(shop: Shop, client: TestClient, kind: str) -> None:
    with shop.place.store.write() as connection:
        other = sign(salt(connection), WayOut(1, "email", "c", "k"))
    path = f"/confirm/{'x.y' if kind == 'garbled' else other}"
    assert client.get(path).status_code == client.post(path).status_code == 404
    assert marketing(shop, 1) == []


def test_without_any_text_the_consent_has_no_proof_and_reaches_nobody(shop: Shop) -> None:
    shop.happens("signup_pending", 1)
    shop.happens("confirm", 1)
    [found] = marketing(shop, 1)
    assert (found.state, found.proof) == ("granted", "")
    shop.run("welcome", only="introduces")
    shop.happens("signup", 1)
    shop.passes(HOUR, every=HOUR)
    assert shop.mails() == []


def test_the_text_that_the_confirmation_names_comes_before_that_of_the_form(shop: Shop) -> None:
    shop.happens("signup_pending", 1, text="old words")
    shop.happens("confirm", 1, text=TEXT)
    assert (marketing(shop, 1)[0].wording, marketing(shop, 1)[0].confirmed) == (TEXT, True)


def test_in_french_and_without_a_name_it_reads_as_well(shop: Shop, client: TestClient) -> None:
    shop.run("double_opt_in")
    shop.happens("signup_pending", 3, text=TEXT)
    shop.passes(3 * DAY, every=DAY)
    first, second = shop.mails(3)
    assert (first.subject, second.subject) == ("Confirmez votre adresse", "Votre adresse n’est pas encore confirmée")
    assert "Bonjour," in first.text
    assert "publicitaire" not in first.text
    page = client.get(path_in(second.text), headers={"accept-language": "fr"})
    assert "Voulez-vous recevoir à cette adresse" in page.text


def test_an_address_cannot_be_flooded_by_leaving_it_again_and_again(shop: Shop) -> None:
    shop.run("double_opt_in")
    for _ in range(5):
        shop.happens("signup_pending", 1, text=TEXT)
        shop.passes(12 * HOUR, every=12 * HOUR)
    assert len(shop.mails(1)) == 2
    shop.passes(DAY, every=12 * HOUR)
    shop.happens("signup_pending", 1, text=TEXT)
    shop.passes(HOUR, every=HOUR)
    assert len(shop.mails(1)) == 3


def test_an_address_that_wants_nothing_gets_no_confirmation_either(shop: Shop, client: TestClient) -> None:
    shop.run("double_opt_in")
    shop.happens("signup_pending", 1, text=TEXT)
    shop.passes(HOUR, every=HOUR)
    found = re.search(re.escape(URL) + r"(/u/\S+)", shop.mails(1)[0].text)
    assert found is not None
    client.post(found[1])
    shop.passes(3 * DAY, every=DAY)
    assert shop.steps(1) == ["confirmation"]
    with shop.place.store.read() as connection:
        assert len(connection.execute(select(suppressions)).all()) == 1


def test_nobody_is_held_out_of_a_service(shop: Shop, store: Store) -> None:
    add_contacts(store, range(10, 40), consent="")
    shop.run("double_opt_in")
    for contact in range(10, 40):
        shop.happens("signup_pending", contact, text=TEXT)
    shop.passes(HOUR, every=HOUR)
    assert {mail.contact for mail in shop.mails()} == set(range(10, 40))


def test_a_record_of_addresses_left_leads_to_a_proposal_without_a_holdout(tmp_path: Path) -> None:
    write_record(tmp_path, events=did("signup_pending", EVERYBODY, 20))
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    asked = [
        Consent(contact_id=one, channel="email", purpose="transactional", state="granted", at=NOW - 20 * DAY, proof="e")
        for one in EVERYBODY
    ]
    with store.write() as connection:
        consents.record(connection, asked)
    store.close()
    proposal, why = proposed(tmp_path, "double_opt_in")
    assert proposal is not None, why
    assert (proposal.play.holdout_share, proposal.audience.holdout) == (0.0, 0)
    assert proposal.audience.treated == len(EVERYBODY)


def test_without_addresses_left_there_is_none(tmp_path: Path) -> None:
    write_record(tmp_path, events=did("signup", EVERYBODY, 20))
    proposal, why = proposed(tmp_path, "double_opt_in")
    assert proposal is None
    assert "Nobody shows its signal now" in why
