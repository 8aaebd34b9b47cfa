"""The HTTP channel: signed, patient within limits, and honest about what it does not know."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import SecretStr

from memory.errors import ConfigurationError
from tests.tools.channels.http_server import SECRET, Endpoint
from tests.tools.channels.test_conformance import over_http
from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Transient, Unknown
from tools.channels.http import HttpChannel, HttpEndpoint


def text(key: str = "key1", number: str = "+33612345678") -> Outgoing:
    return Outgoing(key, "Maple & Finch", number, b"Hi. STOP", {"text": "Hi. STOP"})


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with Endpoint() as found:
        yield found


def say(server: Endpoint, *messages: Outgoing, seconds: float = 30, **changes: Any) -> list[Outcome]:
    channel = over_http(server, **changes)
    try:
        return channel.send_many(messages or [text()], seconds=seconds)
    finally:
        channel.close()


def test_the_signature_covers_time_and_bytes_and_the_key_is_the_messages(server: Endpoint) -> None:
    say(server)
    headers, body = server.requests[0]
    assert abs(int(headers["noria-timestamp"]) - time.time()) < 60
    signed = headers["noria-timestamp"].encode() + b"." + body
    assert headers["noria-signature"] == "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["idempotency-key"] == "key1"
    assert json.loads(body) == {
        "key": "key1",
        "channel": "sms",
        "from": "Maple & Finch",
        "to": "+33612345678",
        "text": "Hi. STOP",
    }
    assert SECRET not in f"{headers}{body!r}"


def test_another_secret_is_turned_away_and_that_is_no_contacts_fault(server: Endpoint) -> None:
    (outcome,) = say(server, secret=SecretStr("another secret of some length"))
    assert outcome == Transient("key1", "the endpoint does not take our messages: 401", away=True)
    assert not server.delivered


def test_a_crm_is_told_the_address_the_field_and_the_value(server: Endpoint) -> None:
    fields: dict[str, str | int | bool] = {"email": "anna@shop.example.com", "field": "stage", "value": 3}
    say(server, Outgoing("key1", "", "anna@shop.example.com", b"{}", fields), carries="crm")
    assert json.loads(server.requests[0][1]) == {"key": "key1", "channel": "crm", **fields}


def test_an_audience_is_told_a_hash_and_nothing_else(server: Endpoint) -> None:
    fields = {"audience": "lapsed", "action": "remove", "email_sha256": "ab" * 32}
    say(server, Outgoing("key1", "", "ab" * 32, b"{}", fields), carries="audience")
    assert json.loads(server.requests[0][1]) == {"key": "key1", "channel": "audience", **fields}


@pytest.mark.parametrize("fault", [429, 503, 500, 502, 409, "cut", "cut after", "garbage"])
def test_passing_trouble_is_waited_out_and_delivers_once(server: Endpoint, fault: int | str) -> None:
    server.faults = [fault, fault]
    assert isinstance(say(server)[0], Sent)
    assert server.delivered == {"key1": 1}
    assert len(server.requests) == 3
    assert len({headers["idempotency-key"] for headers, _ in server.requests}) == 1


@pytest.mark.parametrize(("fault", "expected"), [(429, Transient), (503, Transient), (500, Unknown), ("cut", Unknown)])
def test_after_some_attempts_it_gives_up_and_says_what_it_knows(
    server: Endpoint, fault: int | str, expected: type[Outcome]
) -> None:
    server.faults = [fault] * 20
    assert isinstance(say(server, seconds=20)[0], expected)
    assert len(server.requests) == 5


def test_once_something_may_have_left_no_later_refusal_makes_it_certain_that_it_did_not(server: Endpoint) -> None:
    server.faults = ["cut after", *[503] * 20]
    assert isinstance(say(server)[0], Unknown)


def test_retry_after_is_honoured_where_there_is_time(server: Endpoint) -> None:
    server.faults, server.retry_after = [429], "2"
    begun = time.monotonic()
    assert isinstance(say(server)[0], Sent)
    assert time.monotonic() - begun >= 2


@pytest.mark.parametrize("dated", [False, True])
def test_where_there_is_no_time_the_message_goes_back_for_as_long_as_asked(server: Endpoint, dated: bool) -> None:
    later = datetime.now(UTC) + timedelta(seconds=900)
    server.faults, server.retry_after = [429], format_datetime(later, usegmt=True) if dated else "900"
    begun = time.monotonic()
    (outcome,) = say(server, seconds=5)
    assert time.monotonic() - begun < 2
    assert isinstance(outcome, Transient)
    assert outcome.pause_seconds == pytest.approx(900, abs=5)


@pytest.mark.parametrize("fault", ["cut after", "garbage", 500, 504])
def test_an_endpoint_that_knows_no_keys_is_never_asked_twice(server: Endpoint, fault: int | str) -> None:
    server.faults = [fault]
    assert isinstance(say(server, idempotent=False)[0], Unknown)
    assert len(server.requests) == 1


def test_an_endpoint_that_knows_no_keys_is_asked_again_where_nothing_can_have_left(server: Endpoint) -> None:
    server.faults = [429]
    assert isinstance(say(server, idempotent=False)[0], Sent)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (200, {}, Sent("key1")),
        (200, "not JSON", Sent("key1")),
        (200, {"status": "failed", "reason": "spam"}, Failed("key1", "spam")),
        (200, {"status": "failed", "reason": "anna@example.com said no"}, Failed("key1", "refused: 200")),
        (200, {"status": "who knows"}, Unknown("key1", "who knows")),
        (400, {}, Failed("key1", "refused: 400")),
        (422, {}, Failed("key1", "refused: 422")),
        (404, {}, Transient("key1", "the endpoint does not take our messages: 404")),
        (301, {}, Transient("key1", "the endpoint does not take our messages: 301")),
    ],
)
def test_what_the_endpoint_says_becomes_the_outcome(
    server: Endpoint, status: int, answer: Any, expected: Outcome
) -> None:
    server.answer = answer
    server.faults = [] if status == 200 else [status]
    (outcome,) = say(server)
    assert outcome == expected


def test_a_batch_is_one_request_and_what_is_left_out_of_the_answer_is_unknown(server: Endpoint) -> None:
    server.answer = {"results": [{"key": "a", "status": "sent"}]}
    outcomes = say(server, text("a"), text("b"), batch=True)
    assert [type(outcome) for outcome in outcomes] == [Sent, Unknown]
    assert len(server.requests) == 1


def test_a_batch_refused_as_a_whole_is_asked_one_by_one(server: Endpoint) -> None:
    server.faults = [400, 400]
    outcomes = say(server, text("a"), text("b"), text("c"), batch=True)
    assert [type(outcome) for outcome in outcomes] == [Failed, Sent, Sent]


def test_an_endpoint_that_answers_for_a_whole_batch_says_so(server: Endpoint) -> None:
    server.answer = "OK"
    channel = over_http(server, batch=True, tells_each=False)
    assert not channel.capabilities.tells_each
    outcomes = channel.send_many([text("a"), text("b")], seconds=30)
    channel.close()
    assert [type(outcome) for outcome in outcomes] == [Sent, Sent]


@pytest.mark.parametrize(
    ("changes", "public_url", "what"),
    [
        ({"secret": None}, "https://out.example.com", "secret"),
        ({"secret": SecretStr("short")}, "https://out.example.com", "secret"),
        ({"url": "http://messages.example.com"}, "https://out.example.com", "unprotected"),
        ({"carries": "email"}, "", "unsubscribe"),
        ({"carries": "sms"}, "", ""),
        ({"carries": "email"}, "https://out.example.com", ""),
    ],
)
def test_messages_are_only_handed_to_an_endpoint_that_may_have_them(
    changes: dict[str, Any], public_url: str, what: str
) -> None:
    values: dict[str, Any] = {
        "url": "https://messages.example.com",
        "carries": "sms",
        "secret": SecretStr(SECRET),
        **changes,
    }
    if not what:
        HttpChannel(HttpEndpoint(**values), public_url=public_url)
        return
    with pytest.raises(ConfigurationError, match=what) as raised:
        HttpChannel(HttpEndpoint(**values), public_url=public_url)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("values", "claimed"), [({}, 200), ({"batch": True}, 50), ({"batch": True, "batch_size": 7}, 7)]
)
def test_where_one_request_carries_a_batch_fewer_are_claimed_at_a_time(values: dict[str, Any], claimed: int) -> None:
    values = {"url": "http://127.0.0.1:9/", "carries": "sms", "secret": SecretStr(SECRET), **values}
    assert HttpChannel(HttpEndpoint(**values)).capabilities.batch_size == claimed
