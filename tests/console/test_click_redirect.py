"""Links of messages: they lead only where the message did, and only people's clicks count."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from email import message_from_bytes
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import delete, select, update
from starlette.testclient import TestClient

from console.click_redirect import ClickRules
from console.web import public_app
from memory.clock import ManualClock
from memory.schema import campaign_versions, contacts, intake, link_targets
from memory.store import Store
from memory.workspace import salt
from tests import examples
from tests.tools.scene import DAY, NOW, add_contacts, counts, outbox, play, start, workplace
from tools.clicks import ClickLinks
from tools.token import seal
from tools.worker import tick

URL = "https://news.shop.example.com"
PERSON = {"user-agent": "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"}
SHOP = "https://shop.example.com"


class Mailed:
    """One message that left, its links, and a browser."""

    def __init__(self, store: Store, clock: ManualClock, tmp_path: Path, **changes: Any) -> None:
        self.store, self.clock = store, clock
        place = workplace(store, clock, tmp_path, public_url=URL, **{"click_url": URL, **changes})
        add_contacts(store, [1], last_human_signal_at=NOW - 50 * DAY, sent_since_signal=3)
        start(place, play(), [1])
        tick(place)
        ((self.key, mail),) = outbox(tmp_path).items()
        parts = {part.get_content_type(): part.get_payload(decode=True) for part in message_from_bytes(mail).walk()}
        self.html, self.text = (bytes(parts[kind]).decode() for kind in ("text/html", "text/plain"))
        self.client = TestClient(public_app(store, clock, examples.brand()), follow_redirects=False)

    @property
    def links(self) -> list[str]:
        return [unescape(one) for one in re.findall(r'href="([^"]+)"', self.html)]

    @property
    def path(self) -> str:
        (found,) = {urlsplit(one).path for one in self.links if "/c/" in one}
        return found

    def link(self, name: str, target: str = SHOP) -> str:
        """Another link of the same message."""
        with self.store.read() as connection:
            made = ClickLinks(salt(connection), URL)
        address = made.address(self.key, name, target)
        made.keep(self.store)
        return urlsplit(address).path

    def clicks(self) -> list[tuple[str, bool]]:
        with self.store.read() as connection:
            query = select(intake.c.properties, intake.c.human).order_by(intake.c.intake_id)
            return [(row.properties["link"], row.human) for row in connection.execute(query)]

    def signal(self) -> tuple[datetime | None, int]:
        with self.store.read() as connection:
            row = connection.execute(select(contacts)).one()
            return row.last_human_signal_at, row.sent_since_signal


Send = Callable[..., Mailed]


@pytest.fixture
def mailed(store: Store, clock: ManualClock, tmp_path: Path) -> Send:
    return lambda **changes: Mailed(store, clock, tmp_path, **changes)


def test_a_click_leads_on_and_is_a_sign_of_life(any_store: Store, clock: ManualClock, tmp_path: Path) -> None:
    mail = Mailed(any_store, clock, tmp_path)
    assert mail.signal() == (NOW - 50 * DAY, 4)
    clock.advance(timedelta(hours=2))
    answer = mail.client.get(mail.path, headers=PERSON)
    assert (answer.status_code, answer.headers["location"]) == (302, SHOP)
    with any_store.read() as connection:
        row = connection.execute(select(intake)).one()
    assert (row.kind, row.contact_id, row.human, row.at) == ("click", 1, True, clock.now())
    told = {name: row.properties[name] for name in ("message_key", "step", "link")}
    assert told == {"message_key": mail.key, "step": "mail1", "link": "shop"}
    assert mail.signal() == (clock.now(), 0)


def test_only_links_to_the_brand_are_counted(mailed: Send) -> None:
    mail = mailed()
    assert [urlsplit(one).path.split("/")[1] for one in mail.links] == ["c", "u"]
    assert mail.text.count(f"{URL}/c/") == 1
    assert SHOP not in mail.html.replace(URL, "")


def test_without_counting_links_lead_straight_to_the_brand(mailed: Send) -> None:
    mail = mailed(click_url="")
    assert mail.links[0] == SHOP
    assert "/c/" not in mail.html + mail.text


def test_a_link_names_neither_the_reader_nor_the_target(mailed: Send) -> None:
    from base64 import urlsafe_b64decode

    mail = mailed()
    said = urlsafe_b64decode(mail.path.removeprefix("/c/").split(".")[0] + "==").decode()
    assert mail.key in said
    assert "shop.example" not in said
    assert "@" not in said


def test_a_link_that_was_tampered_with_leads_nowhere(mailed: Send) -> None:
    mail = mailed()
    content, mark = mail.path.removeprefix("/c/").split(".")
    for wrong in (
        content,
        f"{content}x.{mark}",
        f"{content}.{mark[:-3]}",
        f"{mark}.{content}",
        "x",
        "https:%2F%2Fevil.example",
    ):
        answer = mail.client.get(f"/c/{wrong}", headers=PERSON)
        assert answer.status_code == 404
        assert "location" not in answer.headers
    assert mail.clicks() == []


@pytest.mark.parametrize(
    "target", ["https://evil.example.net/", "javascript:alert(1)", "//evil.example.net", SHOP + "@evil.example.net"]
)
def test_even_a_signed_link_leads_to_no_foreign_domain(mailed: Send, target: str) -> None:
    mail = mailed()
    answer = mail.client.get(mail.link("shop", target), headers=PERSON)
    assert answer.status_code == 404
    assert "location" not in answer.headers
    assert mail.clicks() == []


def test_a_link_to_what_no_message_was_rendered_with_leads_nowhere(mailed: Send) -> None:
    mail = mailed()
    with mail.store.read() as connection:
        unknown = seal(salt(connection), "noria click 1", [mail.key, "shop", "0" * 24])
        nobody = seal(salt(connection), "noria click 1", ["f" * 64, "shop", "0" * 24])
        other = seal(salt(connection), "noria unsubscribe 1", [mail.key, "shop", "0" * 24])
    for token in (unknown, nobody, other):
        assert mail.client.get(f"/c/{token}", headers=PERSON).status_code == 404


def test_a_parameter_cannot_change_where_a_link_leads(mailed: Send) -> None:
    mail = mailed()
    mail.clock.advance(DAY)
    for more in ("?url=https://evil.example.net", "?to=//evil.example.net", "?next=https://evil.example.net#x"):
        assert mail.client.get(mail.path + more, headers=PERSON).headers["location"] == SHOP


def test_old_links_still_lead_on(mailed: Send) -> None:
    mail = mailed()
    mail.clock.advance(3000 * DAY)
    assert mail.client.get(mail.path, headers=PERSON).headers["location"] == SHOP


@pytest.mark.parametrize(
    "headers",
    [
        {"user-agent": ""},
        {"user-agent": "Mozilla/5.0 (compatible; bingbot/2.0)"},
        {"user-agent": "Barracuda Sentinel (EE)"},
        {"user-agent": "python-requests/2.32"},
        {"user-agent": "Mozilla/5.0 (Windows NT 10.0) HeadlessChrome/130.0"},
        {**PERSON, "sec-purpose": "prefetch;prerender"},
    ],
)
def test_the_click_of_a_scanner_is_kept_and_never_counted(mailed: Send, headers: dict[str, str]) -> None:
    mail = mailed()
    before = mail.signal()
    mail.clock.advance(DAY)
    assert mail.client.get(mail.path, headers=headers).status_code == 302
    assert mail.clicks() == [("shop", False)]
    assert mail.signal() == before


def test_a_head_request_is_a_machine_and_leaves_room_for_the_person_after_it(mailed: Send) -> None:
    mail = mailed()
    mail.clock.advance(DAY)
    assert mail.client.head(mail.path, headers=PERSON).headers["location"] == SHOP
    assert mail.clicks() == [("shop", False)]
    mail.client.get(mail.path, headers=PERSON)
    assert mail.clicks() == [("shop", False), ("shop", True)]


@pytest.mark.parametrize(("seconds", "human"), [(9, False), (10, True)])
def test_nobody_reads_and_clicks_within_seconds_of_the_send(mailed: Send, seconds: int, human: bool) -> None:
    mail = mailed()
    mail.clock.advance(timedelta(seconds=seconds))
    mail.client.get(mail.path, headers=PERSON)
    assert mail.clicks() == [("shop", human)]


def test_many_links_within_a_second_are_a_scanner_and_take_back_what_the_first_did(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    mail = Mailed(any_store, clock, tmp_path)
    before = mail.signal()
    clock.advance(DAY)
    mail.client.get(mail.path, headers=PERSON)
    assert mail.signal() == (clock.now(), 0)
    for name in ("product", "reorder"):
        clock.advance(timedelta(milliseconds=300))
        mail.client.get(mail.link(name), headers=PERSON)
    assert mail.clicks() == [("shop", False), ("product", False), ("reorder", False)]
    assert mail.signal() == before


def test_two_links_a_while_apart_are_a_person(mailed: Send) -> None:
    mail = mailed()
    mail.clock.advance(DAY)
    mail.client.get(mail.path, headers=PERSON)
    mail.clock.advance(timedelta(seconds=5))
    mail.client.get(mail.link("product"), headers=PERSON)
    assert mail.clicks() == [("shop", True), ("product", True)]


def test_the_same_click_again_within_a_minute_is_one(mailed: Send) -> None:
    mail = mailed()
    mail.clock.advance(DAY)
    for _ in range(3):
        mail.client.get(mail.path, headers=PERSON)
    assert mail.clicks() == [("shop", True)]


def test_with_counting_off_old_links_lead_on_and_nothing_is_kept(mailed: Send) -> None:
    mail = mailed()
    mail.clock.advance(DAY)
    client = TestClient(
        public_app(mail.store, mail.clock, examples.brand(), clicks=ClickRules(keep=False)), follow_redirects=False
    )
    assert client.get(mail.path, headers=PERSON).headers["location"] == SHOP
    assert mail.clicks() == []


def test_the_click_of_somebody_erased_leads_on_and_is_not_kept(mailed: Send) -> None:
    mail = mailed()
    mail.clock.advance(DAY)
    with mail.store.write() as connection:
        connection.execute(update(contacts).values(erased_at=NOW, email=None))
    assert mail.client.get(mail.path, headers=PERSON).headers["location"] == SHOP
    assert mail.clicks() == []


def test_where_links_lead_is_on_record_before_the_message_leaves(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    mail = Mailed(store, clock, tmp_path)
    assert counts(store) == {"sent": 1}
    with store.write() as connection:
        assert connection.execute(select(link_targets.c.address)).scalars().all() == [SHOP]
        connection.execute(delete(link_targets))
    assert mail.client.get(mail.path, headers=PERSON).status_code == 404


def test_a_click_on_a_play_that_somebody_touched_goes_by_what_is_stored_now(mailed: Send) -> None:
    mail = mailed()
    with mail.store.write() as connection:
        body = connection.execute(select(campaign_versions.c.body)).scalar_one()
        body["brand"]["website"] = "https://elsewhere.example.org"
        connection.execute(update(campaign_versions).values(body=body))
    assert mail.client.get(mail.path, headers=PERSON).status_code == 404
