"""What every provider's reports promise, tried on each of them in its own words and under its own signature."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from memory.errors import ConfigurationError
from memory.events import BOUNCE, REPLY, SENT, UNSUBSCRIBE
from tests.tools.channels.callers import CALLERS, Caller
from tools.channels.vendors import VENDORS, open_webhook

NOW = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
KINDS = [(name, kind) for name, vendor in VENDORS.items() for kind in vendor.reports if kind != SENT]
TIMED = [name for name, caller in CALLERS.items() if caller.signs_time]
SEALED = [name for name, caller in CALLERS.items() if caller.signs_body]


def who(name: str) -> str:
    return "+33600000001" if name == "twilio" else "anna@shop.example.com"


@pytest.fixture(params=sorted(CALLERS))
def caller(request: pytest.FixtureRequest) -> Caller:
    found: Caller = CALLERS[request.param]()
    return found


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_each_kind_that_a_provider_reports_is_told_in_the_one_vocabulary(name: str, kind: str) -> None:
    caller = CALLERS[name]()
    call, webhook = caller.say(kind, address=who(name), at=NOW), caller.webhook()
    assert webhook.problem(call, NOW) == ""
    (event,) = webhook.read(call, NOW)
    assert (event.kind, event.contact, event.at, event.source) == (kind, who(name), NOW, name)
    assert event.event_id.startswith(f"{name}:")
    if name != "twilio" or kind not in {UNSUBSCRIBE, REPLY}:
        assert event.properties["message_key"] == "key1"
        # A machine says it, and a click may be a scanner's.
        assert not event.human
    assert event.properties.get("channel", "email") == VENDORS[name].carries
    if kind == BOUNCE:
        assert event.properties["bounce"] == "hard"
        assert "@" not in str(event.properties["reason"])


def test_another_secret_is_noticed(caller: Caller) -> None:
    call = caller.say("delivered", at=NOW)
    other = CALLERS[caller.vendor]()
    other.secret = other.secret if caller.vendor in {"sendgrid", "ses"} else f"{other.secret}BBBB"
    assert other.webhook().problem(call, NOW)


@pytest.mark.parametrize("name", SEALED)
def test_a_body_that_was_touched_is_noticed(name: str) -> None:
    caller = CALLERS[name]()
    call = caller.say("delivered", address="+33600000001", at=NOW)
    touched = replace(call, body=call.body.replace(b"33600000001", b"33600000002"))
    assert touched.body != call.body
    assert caller.webhook().problem(touched, NOW)


def test_a_call_without_any_proof_is_turned_away(caller: Caller) -> None:
    call = caller.say("delivered", at=NOW)
    assert caller.webhook().problem(replace(call, headers={}, body=b"[]"), NOW)


@pytest.mark.parametrize("name", TIMED)
def test_an_old_signature_and_one_from_the_future_are_turned_away(name: str) -> None:
    caller = CALLERS[name]()
    call, webhook = caller.say("delivered", at=NOW), caller.webhook()
    assert webhook.problem(call, NOW + timedelta(minutes=4)) == ""
    assert webhook.problem(call, NOW + timedelta(hours=26))
    assert webhook.problem(call, NOW - timedelta(minutes=6))


def test_the_same_event_again_has_the_same_name_and_another_one_has_not(caller: Caller) -> None:
    webhook = caller.webhook()
    said = [caller.say("delivered", at=NOW, event_id=name) for name in ("e1", "e1", "e2")]
    first, again, other = [webhook.read(call, NOW)[0].event_id for call in said]
    assert first == again != other


def test_what_noria_has_no_use_for_is_left_out(caller: Caller) -> None:
    found = caller.webhook().read(caller.say("opened", at=NOW), NOW)
    # Mailgun's tokens are spent all the same, in nobody's name.
    kept: list[Any] = [("left_out", "", {})] if caller.vendor == "mailgun" else []
    assert [(one.kind, one.contact, one.properties) for one in found] == kept


def test_what_cannot_be_read_is_an_error_that_the_door_can_name(caller: Caller) -> None:
    call = replace(caller.say("delivered", at=NOW), body=b"{")
    with pytest.raises(ValueError, match=r"."):
        caller.webhook().read(call, NOW)


@pytest.mark.parametrize("name", [name for name in CALLERS if name not in {"mailgun", "twilio"}])
def test_a_secret_that_cannot_be_one_is_refused_at_once_and_not_repeated(name: str) -> None:
    with pytest.raises(ConfigurationError, match=VENDORS[name].webhook_name) as raised:
        open_webhook(name, SecretStr("hunter2"))
    assert "hunter2" not in str(raised.value)
