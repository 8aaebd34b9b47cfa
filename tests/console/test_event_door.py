"""A shop's events: only signed ones, only sound ones, each once, and answered when they are on record."""

from __future__ import annotations

import base64
import hmac
import json
import os
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from shutil import which
from threading import Thread
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy import insert, select
from starlette.applications import Starlette
from starlette.testclient import TestClient

from console.event_door import LONGEST, event_door, sign
from console.group_commit import GroupCommit
from console.web import public_app
from memory.clock import ManualClock, SystemClock
from memory.lake import Lake, LakeTable
from memory.schema import contact_aliases, contacts, intake
from memory.store import Store
from tests import examples
from tests.tools.scene import DAY, NOW, add_contacts
from tools.drain import drain

KEY = "k" * 40
EVENT = {"event_id": "e1", "kind": "view", "at": "2025-03-03T08:00:00Z", "contact": "contact1@shop.example.com"}
ORDER = {
    "order_id": "O1",
    "currency": "EUR",
    "total_cents": 1600,
    "lines": [{"product_id": "P1", "category": "Coffee", "quantity": 2, "amount_cents": 1600}],
}


@pytest.fixture
def client(any_store: Store) -> TestClient:
    add_contacts(any_store, [1])
    return TestClient(public_app(any_store, ManualClock(NOW), examples.brand(), events_key=SecretStr(KEY)))


def send(client: TestClient, event: Any, *, key: str = KEY, **headers: str) -> Any:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    signed = {"noria-signature": sign(key, body, SystemClock().now()), **headers}
    return client.post("/v1/events", content=body, headers=signed)


def kept(store: Store) -> list[Any]:
    with store.read() as connection:
        return list(connection.execute(select(intake).order_by(intake.c.intake_id)).all())


def test_an_event_is_on_record_when_it_is_answered(client: TestClient, any_store: Store) -> None:
    answer = send(client, {**EVENT, "properties": {"product_id": "P1", "price_cents": 800, "new": True}})
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    (row,) = kept(any_store)
    assert (row.kind, row.contact_id, row.source, row.human) == ("view", 1, "shop", True)
    assert row.properties == {"product_id": "P1", "price_cents": 800, "new": True}
    with any_store.read() as connection:
        assert connection.execute(select(contacts.c.last_human_signal_at)).scalar_one() == NOW - timedelta(hours=1)


def test_the_same_event_again_is_no_error_and_counts_once(client: TestClient, any_store: Store) -> None:
    for expected in ("accepted", "duplicate", "duplicate"):
        answer = send(client, EVENT)
        assert (answer.status_code, answer.json()["status"]) == (202, expected)
    assert len(kept(any_store)) == 1


@pytest.mark.parametrize("key", [KEY, "whsec_" + base64.b64encode(b"s" * 32).decode()], ids=["text", "whsec"])
def test_standard_webhooks_are_understood(any_store: Store, key: str) -> None:
    add_contacts(any_store, [1])
    app = public_app(any_store, ManualClock(NOW), examples.brand(), events_key=SecretStr(key))
    secret, body = b"s" * 32 if key.startswith("whsec_") else key.encode(), json.dumps(EVENT).encode()

    def sent(at: int, signed: bytes, header: str = "v1,{}") -> int:
        mark = base64.b64encode(hmac.digest(secret, f"m1.{at}.".encode() + signed, "sha256")).decode()
        headers = {"webhook-id": "m1", "webhook-timestamp": str(at), "webhook-signature": header.format(mark)}
        return TestClient(app).post("/v1/events", content=body, headers=headers).status_code

    now = int(SystemClock().now().timestamp())
    assert sent(now - 600, body) == 401
    assert sent(now, b"{}") == 401
    assert sent(now, body, "v1a,{}") == 401
    assert kept(any_store) == []
    assert sent(now, body, "v1,bm9uZQ== v1,{}") == 202
    assert len(kept(any_store)) == 1


def test_several_events_are_kept_together_or_not_at_all(client: TestClient, any_store: Store) -> None:
    two = [EVENT, {**EVENT, "event_id": "e2"}]
    assert send(client, {"events": [*two, {**EVENT, "kind": "open"}]}).status_code == 422
    assert kept(any_store) == []
    answer = send(client, {"events": [*two, EVENT]})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2, "duplicates": 1})


def test_an_order_reaches_the_lake(client: TestClient, any_store: Store, tmp_path: Any) -> None:
    assert send(client, {**EVENT, "kind": "order", "properties": ORDER}).status_code == 202
    lake = Lake(tmp_path / "lake")
    assert drain(any_store, lake) == 1
    (row,) = lake.connect().table(LakeTable.ORDERS.value).to_pyarrow().to_pylist()
    assert (row["order_id"], row["total_cents"], row["contact_id"]) == ("O1", 1600, 1)


def test_visitors_are_known_by_an_anonymous_id_and_strangers_are_kept_as_such(
    client: TestClient, any_store: Store
) -> None:
    with any_store.write() as connection:
        connection.execute(insert(contact_aliases).values(source="shop", alias="visitor-7", contact_id=1))
    base = {name: value for name, value in EVENT.items() if name != "contact"}
    assert send(client, {**base, "anonymous_id": "visitor-7"}).status_code == 202
    assert send(client, {**base, "event_id": "e2", "anonymous_id": "visitor-8"}).status_code == 202
    assert [row.contact_id for row in kept(any_store)] == [1, None]


def test_a_shops_own_number_is_never_taken_for_noria_s(client: TestClient, any_store: Store) -> None:
    assert send(client, {**EVENT, "contact": "1"}).status_code == 202
    assert [row.contact_id for row in kept(any_store)] == [None]


def test_an_event_id_cannot_pass_for_one_of_noria_s_own(client: TestClient, any_store: Store) -> None:
    send(client, {**EVENT, "event_id": "unsubscribe:k"})
    assert [row.event_id for row in kept(any_store)] == ["shop:unsubscribe:k"]


@pytest.mark.parametrize("header", ["", "nonsense", "t=1,v1=" + "0" * 64, "v1=" + "0" * 64])
def test_without_a_signature_nothing_comes_in(client: TestClient, any_store: Store, header: str) -> None:
    answer = client.post("/v1/events", content=json.dumps(EVENT), headers={"noria-signature": header})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "signature")
    assert kept(any_store) == []


def test_another_key_another_body_or_another_moment_is_refused(client: TestClient, any_store: Store) -> None:
    assert send(client, EVENT, key="x" * 40).status_code == 401
    real = SystemClock().now()
    signed = sign(KEY, json.dumps(EVENT).encode(), real)
    other = json.dumps({**EVENT, "kind": "cart"})
    assert client.post("/v1/events", content=other, headers={"noria-signature": signed}).status_code == 401
    moved = signed.replace("t=1", "t=2", 1) if signed.startswith("t=1") else "t=1" + signed[3:]
    assert client.post("/v1/events", content=json.dumps(EVENT), headers={"noria-signature": moved}).status_code == 401
    assert kept(any_store) == []


@pytest.mark.parametrize(("minutes", "status"), [(-6, 401), (-4, 202), (4, 202), (6, 401)])
def test_an_old_request_cannot_be_played_again(store: Store, minutes: int, status: int) -> None:
    real = ManualClock(NOW + 900 * DAY)
    app = Starlette(routes=[event_door(GroupCommit(store, ManualClock(NOW)), SecretStr(KEY), real_time=real)])
    body = json.dumps(EVENT).encode()
    signed = sign(KEY, body, real.now() + timedelta(minutes=minutes))
    assert TestClient(app).post("/v1/events", content=body, headers={"noria-signature": signed}).status_code == status


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "View!"}, "kind"),
        ({"kind": "complaint"}, "mail providers"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2025-03-03T08:00:00"}, "timezone"),
        ({"event_id": ""}, "event_id"),
        ({"event_id": "a\u0000b"}, "event_id"),
        ({"contact": None}, "either contact or anonymous_id"),
        ({"anonymous_id": "v1"}, "either contact or anonymous_id"),
        ({"colour": "red"}, "colour"),
        ({"properties": {"nested": {"a": 1}}}, "nested"),
        ({"properties": {"Bad Name": 1}}, "properties"),
        ({"properties": {"price_cents": 1.5}}, "price_cents"),
        ({"properties": {"value_cents": "8,00"}}, "value_cents"),
        ({"properties": {"note": "a\u0000b"}}, "note"),
        ({"properties": {f"p{n}": n for n in range(51)}}, "properties"),
        ({"kind": "order", "properties": {}}, "order_id"),
        ({"kind": "order", "properties": {**ORDER, "total_cents": "16.00"}}, "total_cents"),
        ({"kind": "order", "properties": {**ORDER, "currency": "euro"}}, "currency"),
        ({"kind": "order", "properties": {**ORDER, "lines": [{"amount": 3}]}}, "amount"),
    ],
)
def test_what_is_wrong_with_an_event_is_said_by_its_place(store: Store, changes: dict[str, Any], said: str) -> None:
    client = TestClient(public_app(store, ManualClock(NOW), examples.brand(), events_key=SecretStr(KEY)))
    answer = send(client, {**EVENT, **changes})
    assert answer.status_code == 422
    assert said in answer.json()["error"]["what"]
    assert "contact1@" not in answer.text
    assert kept(store) == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff\xfe", b'{"properties": {"x": NaN}}', b"null", b"[" * 9000, b'{"events": [{}, 3]}']
)
def test_a_body_that_is_no_event_is_refused(store: Store, body: bytes) -> None:
    client = TestClient(public_app(store, ManualClock(NOW), examples.brand(), events_key=SecretStr(KEY)))
    assert send(client, body).status_code == 422


def test_a_body_that_is_too_long_is_not_read(store: Store) -> None:
    client = TestClient(public_app(store, ManualClock(NOW), examples.brand(), events_key=SecretStr(KEY)))
    answer = send(client, b" " * (LONGEST + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_without_a_key_the_door_is_shut(store: Store) -> None:
    client = TestClient(public_app(store, ManualClock(NOW), examples.brand()))
    assert send(client, EVENT).status_code == 404
    assert client.get("/v1/events").status_code == 405
    assert kept(store) == []


def test_what_cannot_be_kept_is_not_said_to_be_accepted(store: Store) -> None:
    client = TestClient(public_app(store, ManualClock(NOW), examples.brand(), events_key=SecretStr(KEY)))
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE intake")
    answer = send(client, EVENT)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.skipif(not (which("curl") and which("openssl")), reason="the example needs curl and openssl")
def test_the_example_of_the_documentation_works(store: Store) -> None:
    page = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
    example = page.split("```bash\n")[1].split("```")[0]
    add_contacts(store, [1], email="anna@example.com")
    web = public_app(store, ManualClock(NOW + DAY), examples.brand(), events_key=SecretStr(KEY))
    server = uvicorn.Server(uvicorn.Config(web, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        done = subprocess.run(
            ["/bin/sh", "-c", example.replace("8321", str(port))],
            env={**os.environ, "NORIA_EVENTS_KEY": KEY},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    finally:
        server.should_exit = True
        thread.join()
    assert json.loads(done.stdout) == {"status": "accepted"}
    assert [(row.kind, row.contact_id) for row in kept(store)] == [("cart", 1)]


def test_every_answer_of_a_door_has_the_headers_of_the_pages_and_what_is_not_posted_is_told_so(
    client: TestClient,
) -> None:
    for answer, status in ((client.post("/v1/events", content=b"{}"), 401), (client.get("/v1/events"), 405)):
        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
