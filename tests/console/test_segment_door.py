"""Calls of the Segment protocol: with the key, each once, in Noria's words, and what is wrong named by its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from starlette.testclient import TestClient

from console.segment_door import LONGEST
from console.web import public_app
from memory import contacts
from memory.clock import ManualClock
from memory.schema import contact_aliases, intake
from memory.store import Store
from tests import examples
from tests.tools.scene import NOW, add_contacts, address

KEY = "w" * 40
VIEW = {
    "userId": address(1), "event": "Product Viewed", "messageId": "m1", "timestamp": "2025-03-03T08:00:00Z",
    "properties": {"product_id": "P1", "price": 19.99, "currency": "EUR", "brand": {"name": "x"}, "inStock": True},
}  # fmt: skip
ORDER = {
    "type": "track", "userId": address(1), "event": "Order Completed", "messageId": "m2",
    "properties": {
        "order_id": "O1", "currency": "eur", "total": 45.98, "discount": 4,
        "products": [{"product_id": "P1", "category": "Coffee", "price": 24.99, "quantity": 2}],
    },
}  # fmt: skip


@pytest.fixture
def client(store: Store) -> TestClient:
    add_contacts(store, [1, 2])
    return TestClient(public_app(store, ManualClock(NOW), examples.brand(), segment_key=SecretStr(KEY)))


def send(client: TestClient, method: str, body: Any, *, key: str = KEY) -> Any:
    # As a sender in any language may write it, lone surrogates among it.
    return client.post(f"/v1/{method}", content=json.dumps(body), auth=(key, ""))


def kept(store: Store) -> list[Any]:
    with store.read() as connection:
        return list(connection.execute(select(intake).order_by(intake.c.intake_id)).all())


def test_a_track_call_is_an_event_once(client: TestClient, store: Store) -> None:
    assert send(client, "track", VIEW).json() == {"success": True, "accepted": 1, "duplicates": 0, "refused": []}
    assert send(client, "track", VIEW).json()["duplicates"] == 1
    (row,) = kept(store)
    assert (row.kind, row.contact_id, row.source, row.event_id) == ("view", 1, "segment", "segment:m1")
    assert row.properties == {"product_id": "P1", "price_cents": 1999, "currency": "EUR", "in_stock": True}


def test_an_order_has_its_lines_in_whole_minor_units(client: TestClient, store: Store) -> None:
    yen = {**ORDER, "messageId": "m3", "properties": {"order_id": "O2", "currency": "JPY", "total": 1500}}
    assert send(client, "batch", {"batch": [ORDER, yen]}).json()["accepted"] == 2
    euros, other = kept(store)
    assert (euros.kind, euros.properties["total_cents"], euros.properties["discount_cents"]) == ("order", 4598, 400)
    (line,) = euros.properties["lines"]
    assert line == {"product_id": "P1", "category": "Coffee", "quantity": 2, "amount_cents": 4998}
    assert other.properties["total_cents"] == 1500


def test_of_a_batch_the_sound_part_is_kept_and_the_rest_named_by_its_place(client: TestClient, store: Store) -> None:
    wrong: list[Any] = [
        {"type": "track", "event": "X"},
        {"type": "track", "userId": "a"},
        {"type": "track", "userId": "a", "event": "Email Bounced", "timestamp": "yesterday"},
        {**ORDER, "properties": {"order_id": "O3"}},
        {**ORDER, "properties": {"order_id": "O3", "currency": "EUR", "total": "much"}},
        {"type": "identify", "userId": "alone"},
        {"type": "track", "userId": "a", "event": "bounce"},
        {"type": "identify", "userId": "a\x00b", "traits": {"email": address(1)}},
        {"type": "identify", "userId": "\ud800", "traits": {"email": address(1)}},
        {**ORDER, "properties": {"order_id": "O4", "currency": "EUR", "products": [{"quantity": 10**9}]}},
    ]
    said = send(client, "batch", {"batch": [ORDER, *wrong]})
    assert said.status_code == 200
    assert said.json()["accepted"] == 1
    assert [one["call"] for one in said.json()["refused"]] == list(range(1, len(wrong) + 1))
    assert len(kept(store)) == 1


def test_whom_a_call_identifies_is_known_by_that_name_from_then_on(client: TestClient, store: Store) -> None:
    visit = {"anonymousId": "browser-1", "name": "Home", "messageId": "p1"}
    send(client, "page", visit)
    who = {"userId": "u-1", "anonymousId": "browser-1", "traits": {"email": address(1), "consent": True}}
    assert send(client, "identify", who).status_code == 200
    send(client, "page", {**visit, "messageId": "p2"})
    assert [row.contact_id for row in kept(store)] == [None, 1]
    with store.read() as connection:
        assert contacts.find(connection, "u-1").contact_id == 1


def test_a_name_is_never_taken_from_one_contact_and_given_to_another(client: TestClient, store: Store) -> None:
    send(client, "identify", {"anonymousId": "shared", "traits": {"email": address(1)}})
    send(client, "identify", {"anonymousId": "shared", "traits": {"email": address(2)}})
    send(client, "identify", {"userId": "u-9", "traits": {"email": "stranger@else.example"}})
    with store.read() as connection:
        found = connection.execute(select(contact_aliases.c.alias, contact_aliases.c.contact_id)).all()
    assert [tuple(row) for row in found if row.alias in {"shared", "u-9"}] == [("shared", 1)]


@pytest.mark.parametrize("key", ["", "x" * 40, KEY[:-1]])
def test_without_the_key_nothing_is_taken(client: TestClient, store: Store, key: str) -> None:
    assert send(client, "track", VIEW, key=key).status_code == 401
    assert kept(store) == []


def test_a_door_without_a_key_and_a_method_that_is_none_are_shut(client: TestClient, store: Store) -> None:
    shut = TestClient(public_app(store, ManualClock(NOW), examples.brand()))
    assert send(shut, "track", VIEW).status_code == 404
    assert send(client, "group", VIEW).status_code == 404


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"batch": 1}', b'{"batch": [1]}', b"[" * 100_000])
def test_what_is_no_call_is_refused(client: TestClient, body: bytes) -> None:
    assert client.post("/v1/batch", content=body, auth=(KEY, "")).status_code == 400


def test_a_body_that_is_too_long_is_refused(client: TestClient) -> None:
    assert client.post("/v1/batch", content=b" " * (LONGEST + 1), auth=(KEY, "")).status_code == 413
