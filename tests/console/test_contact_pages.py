"""The preference page: no login, no script, two languages, and nothing that a GET or a stranger could change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from console.web import public_app
from memory import preferences
from memory.clock import ManualClock
from memory.preferences import Preferences
from memory.schema import journal, suppressions
from memory.store import Store
from memory.workspace import salt
from tests.tools.scene import DAY, NOW, add_contacts, counts, play, start, workplace
from tests.tools.test_preferences import BRAND
from tools.unsubscribe import WayOut, sign
from tools.worker import tick

FORM = {"frequency": "7", "pause": "30", "topic": ["news"], "answer.preferred_category": "Tea"}


@pytest.fixture
def token(store: Store) -> str:
    add_contacts(store, [1])
    with store.write() as connection:
        return sign(salt(connection), WayOut(contact_id=1, channel="email", campaign_id="c", message_key="k"))


@pytest.fixture
def client(store: Store) -> TestClient:
    return TestClient(public_app(store, ManualClock(NOW), BRAND))


def chosen(store: Store) -> Preferences:
    with store.read() as connection:
        return preferences.of_contact(connection, 1)


def lines(store: Store) -> int:
    with store.read() as connection:
        return len(connection.execute(select(journal)).all())


def test_looking_at_the_page_changes_nothing(client: TestClient, store: Store, token: str) -> None:
    before = lines(store)
    for path in (f"/p/{token}", f"/u/{token}"):
        for ask in ("?frequency=7&pause=30&topic=news", "?List-Unsubscribe=One-Click"):
            assert client.get(path + ask).status_code == 200
            assert client.head(path + ask).status_code in {200, 405}
    assert chosen(store) == Preferences(contact_id=1)
    assert lines(store) == before


def test_what_is_saved_is_kept_and_shown_again(client: TestClient, store: Store, token: str) -> None:
    saved = client.post(f"/p/{token}", data=FORM)
    assert saved.status_code == 200
    assert "Saved." in saved.text
    kept = chosen(store)
    assert (kept.topics, kept.at_most_days, kept.paused_until) == (("news",), 7, NOW + 30 * DAY)
    assert kept.answers == {"preferred_category": "Tea"}
    page = client.get(f"/p/{token}").text
    assert re.findall(r'value="([^"]*)" checked', page) == ["news", "7", "keep", "Tea"]
    assert "Stay paused until April 2, 2025" in page


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["What you get from Maple", "At most one message a week", "What do you like best?", "tea", "Stop all"]),
        ("fr", ["Ce que vous recevez de Maple", "un message par semaine", "Que préférez-vous", "le thé", "Arrêter"]),
    ],
)
def test_the_page_speaks_the_readers_language(client: TestClient, token: str, language: str, words: list[str]) -> None:
    by_browser = client.get(f"/p/{token}", headers={"accept-language": f"{language}-XX,en;q=0.5"})
    by_link = client.get(f"/p/{token}?lang={language}", headers={"accept-language": "de"})
    for page in (by_browser, by_link):
        assert f'<html lang="{language}">' in page.text
        assert [word for word in words if word not in page.text] == []


def test_the_page_needs_no_script_and_names_nobody(client: TestClient, token: str) -> None:
    page = client.get(f"/p/{token}")
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "Name1" not in page.text
    assert "contact1@" not in page.text


@pytest.mark.parametrize("spoil", ["{}x", "x{}", "nonsense", "{}.{}", "%00"])
def test_a_link_that_was_tampered_with_opens_and_changes_nothing(
    client: TestClient, store: Store, token: str, spoil: str
) -> None:
    wrong = spoil.replace("{}", token)
    assert client.get(f"/p/{wrong}").status_code == 404
    assert client.post(f"/p/{wrong}", data=FORM).status_code == 404
    assert chosen(store) == Preferences(contact_id=1)


def test_a_token_of_a_click_is_no_key_to_the_page(client: TestClient, store: Store, token: str) -> None:
    from tools.token import seal

    with store.read() as connection:
        other = seal(salt(connection), "noria click 1", [1, 1, "email", "c", "k"])
    assert client.get(f"/p/{other}").status_code == 404
    assert client.post(f"/u/{other}").status_code == 404


@pytest.mark.parametrize(
    "form", [{}, {**FORM, "frequency": "1"}, {**FORM, "topic": "gossip"}, {**FORM, "pause": ["0", "7"]}]
)
def test_a_form_that_is_none_of_ours_changes_nothing(
    client: TestClient, store: Store, token: str, form: dict[str, str]
) -> None:
    assert client.post(f"/p/{token}", data=form).status_code == 400
    assert chosen(store) == Preferences(contact_id=1)


def test_a_form_without_end_is_not_read_to_its_end(client: TestClient, store: Store, token: str) -> None:
    assert client.post(f"/p/{token}", data={**FORM, "more": "x" * 100_000}).status_code == 400
    assert chosen(store) == Preferences(contact_id=1)


def test_the_last_button_leaves_everything(client: TestClient, store: Store, token: str) -> None:
    action = re.findall(r'action="([^"]+)"', client.get(f"/p/{token}").text)[-1]
    assert action.startswith(f"/u/{token}")
    assert client.post(action).status_code == 200
    with store.read() as connection:
        assert connection.execute(select(suppressions.c.reason)).scalars().all() == ["unsubscribed"]
    after = client.get(f"/p/{token}").text
    assert "You receive no marketing e-mail" in after
    assert "Stop all e-mail" not in after


def test_the_unsubscribe_page_offers_to_choose_instead(client: TestClient, token: str) -> None:
    assert f'href="/p/{token}?lang=en"' in client.get(f"/u/{token}").text


def test_a_pause_on_the_page_stops_the_next_claim(client: TestClient, store: Store, token: str, tmp_path: Path) -> None:
    place = workplace(store, ManualClock(NOW), tmp_path)
    start(place, play(brand=BRAND), [1])
    assert client.post(f"/p/{token}", data={"frequency": "0", "pause": "7"}).status_code == 200
    tick(place)
    assert counts(store) == {"planned": 1}
