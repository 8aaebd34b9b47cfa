"""The door for providers: open for those whose secret is set, answered when what they say is on record."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from console.provider_door import LONGEST
from console.settings import SERVING_SECRETS
from console.web import public_app
from console.wiring import Workspace
from memory.clock import ManualClock
from memory.errors import ConfigurationError, StoreError
from memory.schema import intake, suppressions
from memory.store import Store
from tests import examples
from tests.console.test_settings import write
from tests.tools.channels.callers import CALLERS, Caller
from tests.tools.channels.providers import PUBLIC
from tests.tools.scene import add_contacts, address
from tools.channels.vendors import VENDORS
from tools.channels.webhook import Call

NOW = examples.NOW


@pytest.fixture(params=sorted(CALLERS))
def caller(request: pytest.FixtureRequest) -> Caller:
    found: Caller = CALLERS[request.param]()
    return found


def door(store: Store, *callers: Caller) -> TestClient:
    add_contacts(store, [1])
    webhooks = {one.vendor: one.webhook() for one in callers}
    return TestClient(public_app(store, ManualClock(NOW), examples.brand(), webhooks=webhooks, public_url=PUBLIC))


def post(client: TestClient, call: Call) -> Any:
    return client.post(call.url.removeprefix(PUBLIC), content=call.body, headers=dict(call.headers))


def said(caller: Caller, kind: str = "delivered", event_id: str = "e1") -> Call:
    from memory.clock import SystemClock

    who = "+33600000001" if caller.vendor == "twilio" else address(1)
    return caller.say(kind, address=who, at=SystemClock().now() - timedelta(seconds=5), event_id=event_id)


def kept(store: Store) -> list[Any]:
    with store.read() as connection:
        return list(connection.execute(select(intake).order_by(intake.c.intake_id)).all())


def test_a_report_is_on_record_and_with_its_contact_when_it_is_answered(store: Store, caller: Caller) -> None:
    client, call = door(store, caller), said(caller)
    for _ in range(2):
        assert post(client, call).status_code == 200
    assert [(row.kind, row.contact_id, row.source) for row in kept(store)] == [("delivered", 1, caller.vendor)]


def test_without_its_secret_or_proof_nothing_is_taken(store: Store, caller: Caller) -> None:
    call = said(caller)
    assert post(door(store), call).status_code == 404
    answer = TestClient(
        public_app(store, ManualClock(NOW), examples.brand(), webhooks={caller.vendor: caller.webhook()})
    )
    refused = answer.post(f"/v1/providers/{caller.vendor}", content=b"{}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "signature")
    assert caller.secret not in refused.text
    assert kept(store) == []


def test_what_cannot_be_read_or_is_too_long_is_turned_away_by_name(store: Store) -> None:
    caller = CALLERS["brevo"]()
    client, call = door(store, caller), said(caller)
    assert post(client, replace(call, body=b"{")).status_code == 422
    assert post(client, replace(call, body=b" " * (LONGEST + 1))).status_code == 413


def test_what_could_not_be_kept_is_not_answered_well_and_counts_once_when_it_comes_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = CALLERS["sendgrid"]()
    client, call = door(store, caller), said(caller, "complaint")

    def broken(*_: object) -> None:
        raise StoreError("The disk is full.", where="store", remedy="Make room.")

    with monkeypatch.context() as patched:
        patched.setattr("console.group_commit.receive", broken)
        answer = post(client, call)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert kept(store) == []
    for _ in range(3):
        assert post(client, call).status_code == 200
    assert len(kept(store)) == 1
    with store.read() as connection:
        assert connection.execute(select(suppressions.c.reason)).scalars().all() == ["complained"]


def test_a_stop_by_text_suppresses_the_number_behind_a_proxy_too(any_store: Store) -> None:
    caller = CALLERS["twilio"]()
    client = door(any_store, caller)
    assert post(client, said(caller, "unsubscribe")).status_code == 200
    with any_store.read() as connection:
        assert connection.execute(select(suppressions.c.channel, suppressions.c.reason)).all() == [
            ("sms", "unsubscribed")
        ]


@pytest.mark.parametrize("first", ["opened", "delivered"])
@pytest.mark.parametrize("forged", [{"event": "unsubscribed"}, {"event": "failed", "reason": "suppress-complaint"}])
def test_a_token_of_mailgun_that_came_before_signs_nothing_else(
    any_store: Store, first: str, forged: dict[str, str]
) -> None:
    caller = CALLERS["mailgun"]()
    client, call = door(any_store, caller), said(caller, first, "e0ab")
    assert post(client, call).status_code == 200
    body = json.loads(call.body)
    body["event-data"] |= forged
    post(client, replace(call, body=json.dumps(body).encode()))
    # The same signature over the same text, cut elsewhere: 1741000000e0 is the same number.
    proof = body["signature"]
    proof |= {"timestamp": f"{proof['timestamp']}e0", "token": "ab"}
    post(client, replace(call, body=json.dumps(body).encode()))
    assert len(kept(any_store)) == 1
    with any_store.read() as connection:
        assert connection.execute(select(suppressions)).all() == []


def test_what_mailgun_reports_twice_over_in_one_call_is_taken_whole(store: Store) -> None:
    caller = CALLERS["mailgun"]()
    client, call = door(store, caller), said(caller, "bounce")
    body = json.loads(call.body)
    body["event-data"]["reason"] = "suppress-unsubscribe"
    for _ in range(2):
        assert post(client, replace(call, body=json.dumps(body).encode())).status_code == 200
    assert [row.kind for row in kept(store)] == ["bounce", "unsubscribe"]
    with store.read() as connection:
        assert connection.execute(select(suppressions.c.reason)).scalars().all() == ["unsubscribed"]


@pytest.mark.parametrize("order", [("bounce", "delivered", "deferred"), ("deferred", "delivered", "bounce")])
def test_reports_in_any_order_leave_the_same_record(store: Store, order: tuple[str, ...]) -> None:
    caller = CALLERS["sendgrid"]()
    client = door(store, caller)
    for kind in order:
        assert post(client, said(caller, kind, kind)).status_code == 200
    assert {row.kind for row in kept(store)} == set(order)
    with store.read() as connection:
        assert connection.execute(select(suppressions.c.reason)).scalars().all() == ["hard_bounce"]


def test_who_serves_holds_no_key_that_can_send(tmp_path: Path) -> None:
    environment = {vendor.key_name: "a key" for vendor in VENDORS.values()}
    environment["NORIA_BREVO_WEBHOOK"] = "a token of some length"
    text = f'name = "Shop"\npublic_url = "{PUBLIC}"\n[channel]\nkind = "brevo"\n'
    folder = write(tmp_path, text)
    serving = Workspace(folder, environment, SERVING_SECRETS)
    assert set(serving.webhooks) == {"brevo"}
    with pytest.raises(ConfigurationError, match="NORIA_BREVO_KEY"):
        _ = serving.channels
    working = Workspace(folder, environment)
    assert working.channels["email"].name == "brevo"
    working.close()


def test_a_report_is_kept_without_the_words_that_could_name_a_person(store: Store) -> None:
    caller = CALLERS["postmark"]()
    client = door(store, caller)
    post(client, said(caller, "bounce"))
    (row,) = kept(store)
    assert row.properties == {"message_key": "key1", "bounce": "hard", "reason": "5.1.1"}
