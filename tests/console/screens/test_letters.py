"""Letters in the console: written, counted, previewed and submitted by one person, decided by another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from starlette.testclient import TestClient

from memory import letters, proposals
from memory.journal import entries
from tests.console.conftest import run_in
from tests.console.screens.browser import Desk, beside, chromium, listening, violations
from tests.console.screens.conftest import House, Serve, text_of

WORDS = {
    "en_subject": "What is new in the shop",
    "en_headline": "What is new in the shop",
    "en_body": "Hello, here is what is on in the shop.\nHave a look if you like, and reply if you have a question.",
    "en_button": "See what is on",
    "fr_subject": "Ce qui se passe dans la boutique",
    "fr_headline": "Ce qui se passe dans la boutique",
    "fr_body": "Bonjour, voici ce qui se passe dans la boutique cette semaine.\nJetez-y un œil si vous voulez.",
    "fr_button": "Voir les nouvelles",
}
WHY = {
    "name": "Tuesday's newsletter",
    "intention": "Keep customers close to the shop",
    "metric": "orders",
    "signal": "New things arrived in the shop this week.",
    "receptivity": "They asked for news and many clicked last time.",
    "owner": "ines",
    "stop_rule": "Complaints above one in a thousand",
    "decision": "Whether there is a letter every week",
}
WHOM = {"c0_what": "orders_count", "c0_sign": ">=", "c0_value": "3"}
FORM = WHY | WHOM | WORDS | {"starts_at": "2025-03-04T10:00"}


@pytest.fixture
def house(shop: Path, serve: Serve) -> House:
    return serve(shop)


def begin(person: TestClient) -> str:
    answer = person.post("/console/letters")
    assert answer.status_code == 303
    return str(answer.headers["location"])


def sent(person: TestClient, address: str, act: str, **changes: str) -> str:
    """The page after a form was sent, with what stands there kept."""
    version = re.search(r'name="version" value="(\d+)"', person.get(address).text)
    assert version
    answer = person.post(address, data={**FORM, "version": version[1], "act": act, **changes})
    return answer.text if answer.status_code != 303 else person.get(answer.headers["location"]).text


def test_a_letter_is_saved_counted_previewed_and_submitted(house: House) -> None:
    person = house.person("operator", "ines")
    address = begin(person)
    counted = text_of(sent(person, address, "count"))
    assert "Contacts whose orders ever is at least 3." in counted
    assert re.search(r"selected 160 .* may be written to \d+", counted)
    seen = sent(person, address, "preview")
    assert "No rule stands against these words." in seen
    [source, *_] = re.findall(r'<iframe sandbox [^>]*src="([^"]+)"', seen)
    message = person.get(source)
    assert "sandbox" in message.headers["content-security-policy"]
    assert "Have a look if you like" in message.text
    assert "The worker is taking it up" in sent(person, address, "submit")
    # It holds still from now on.
    assert person.post(address, data=FORM | {"version": "2", "act": "save"}).status_code == 409
    run_in(house.opened.folder)("work", "--once")
    page = person.get(address).text
    assert "It is a proposal now" in page
    with house.opened.store.read() as connection:
        [stored] = letters.newest(connection, limit=9)
        acts = [one.action for one in entries(connection, subject=stored.letter_id)]
        assert stored.proposal_id
        proposal = proposals.get(connection, stored.proposal_id)
    assert acts == ["letter.begun", "letter.saved", "letter.submitted", "letter.proposed"]
    assert proposal.last_editor == "console:ines"
    assert "Tuesday" in house.person("approver").get("/console/").text
    copied = person.post(f"{address}/again").headers["location"]
    assert WORDS["fr_subject"] in person.get(copied).text


def test_what_is_missing_or_refused_is_said_and_nothing_is_handed_in(house: House) -> None:
    person = house.person("operator", "ines")
    address = begin(person)
    unclear = text_of(sent(person, address, "submit", receptivity="", stop_rule="tbd"))
    assert "What shows that these people want to hear it?" in unclear
    assert "What would make you stop it?" in unclear
    claim = text_of(sent(person, address, "submit", en_headline="The best coffee, guaranteed"))
    assert "a claim that nobody approved" in claim
    broken = sent(person, address, "submit", en_body="Hello {{ contact.password }}")
    assert "is not a value that copy may name" in text_of(broken)
    unreadable = sent(person, address, "save", c0_value="many")
    assert "Condition 1: &#39;many&#39; is no number." in unreadable
    assert 'value="many"' in unreadable
    with house.opened.store.read() as connection:
        assert [one.state for one in letters.newest(connection, limit=9)] == ["draft"]


def test_two_people_who_write_at_once_do_not_overwrite_each_other(house: House) -> None:
    ines, paul = house.person("operator", "ines"), house.person("operator", "paul")
    address = begin(ines)
    assert paul.post(address, data=FORM | {"version": "1", "act": "save"}).status_code == 303
    late = ines.post(address, data=FORM | {"version": "1", "act": "save", "name": "Mine"})
    assert late.status_code == 409
    assert "since you opened it" in late.text


def test_viewers_look_and_do_not_write(house: House) -> None:
    address = begin(house.person("operator", "ines"))
    viewer = house.person("viewer")
    assert viewer.get(address).status_code == 200
    assert viewer.post("/console/letters").status_code == 403
    assert viewer.post(address, data=FORM | {"version": "1"}).status_code == 403


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.slow(seconds=40)
def test_a_marketer_writes_tuesdays_newsletter_in_a_browser_and_the_approver_finds_it_in_the_inbox(
    browser: Browser, house: House
) -> None:
    with listening(house) as url:
        desk = Desk(browser, house, url)
        page = desk.browser_of("operator", "ines", java_script_enabled=False, viewport={"width": 360, "height": 780})
        # The first count loads the engine.
        page.set_default_timeout(90_000)
        page.goto("letters")
        page.get_by_role("button", name="Write a letter").click()
        for name, text in (WHY | WORDS).items():
            page.locator(f"[name={name}]").fill(text)
        page.get_by_label("Condition 1: what").select_option("orders ever")
        page.get_by_label("Condition 1: how it compares").select_option("is at least")
        page.get_by_label("Condition 1: value").fill("3")
        page.get_by_role("button", name="Count").click()
        expect(page.get_by_text("Contacts whose orders ever is at least 3.")).to_be_visible()
        expect(page.get_by_text("may be written to")).to_be_visible()
        page.locator("[name=starts_at]").fill("2025-03-04T10:00")
        page.get_by_role("button", name="Preview").click()
        expect(page.frame_locator("iframe").first.get_by_text("Have a look if you like")).to_be_visible()
        expect(page.get_by_text("No rule stands against these words.")).to_be_visible()
        looking = desk.browser_of("operator", "ines", viewport={"width": 360, "height": 780})
        looking.set_default_timeout(90_000)
        looking.goto(page.url)
        assert violations(looking) == []
        assert looking.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("button", name="Submit for approval").click()
        expect(page.get_by_text("The worker is taking it up")).to_be_visible()
        beside(lambda: run_in(house.opened.folder)("work", "--once"))
        approver = desk.browser_of("approver", "ann")
        approver.goto("./")
        approver.get_by_role("link", name="Tuesday's newsletter").click()
        expect(approver.frame_locator("iframe").first.get_by_text("Have a look if you like")).to_be_visible()
        approver.get_by_role("button", name="Approve version 1").click()
        expect(approver.get_by_text("console:ann said yes")).to_be_visible()
        desk.close()
        assert desk.complaints == []
