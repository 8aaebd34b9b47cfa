"""Resend in particular: batches known again, names that it takes, and what its words for a bounce mean."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.tools.channels import callers, providers
from tests.tools.channels.providers import letter
from tools.channels.channel import Sent, Transient, Unknown
from tools.channels.resend.webhook import ResendWebhook
from tools.channels.webhook import Call

NOW = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)


def test_the_example_of_standard_webhooks_is_taken() -> None:
    headers = {
        "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "svix-timestamp": "1614265330",
        "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    call, then = Call(headers, b'{"test": 2432232314}', ""), datetime.fromtimestamp(1614265330, UTC)
    webhook = ResendWebhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert webhook.problem(call, then) == ""
    assert webhook.problem(replace(call, body=b'{"test": 2432232315}'), then)


def test_a_batch_is_one_request_that_is_known_again_whatever_fault_came_between() -> None:
    with providers.Resend() as server:
        channel = server.channel()
        server.faults = ["cut after", "cut body", "page", 500]
        outcomes = channel.send_many([letter(f"key{one:03}") for one in range(100)], seconds=60)
        channel.close()
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert len(server.requests) == 5
    assert len({headers["idempotency-key"] for headers, _ in server.requests}) == 1
    assert max(server.delivered.values()) == 1
    assert len(server.delivered) == 100


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Maple & Finch", "Maple & Finch <hello@shop.example.com>"),
        ('Maple, "Finch" <x>', "Maple Finch x <hello@shop.example.com>"),
        ("", "hello@shop.example.com"),
    ],
)
def test_a_senders_name_is_written_as_resend_takes_it(name: str, written: str) -> None:
    with providers.Resend() as server:
        channel = server.channel()
        one = letter()
        channel.send_many([replace(one, fields={**one.fields, "from_name": name})], seconds=10)
        channel.close()
    assert json.loads(server.requests[0][1])[0]["from"] == written


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (200, {"data": [{"id": "a"}]}, [Unknown, Unknown]),
        (200, {"data": [{"id": "a"}], "errors": [{"index": 1, "message": "Invalid `to`"}]}, None),
        (400, {"name": "daily_quota_exceeded"}, [Transient, Transient]),
    ],
)
def test_nobody_guesses_which_id_is_whose(status: int, answer: Any, expected: list[type] | None) -> None:
    with providers.Resend() as server:
        server.status, server.answer = status, answer
        channel = server.channel()
        outcomes = channel.send_many([letter("a"), letter("b")], seconds=10)
        channel.close()
    if expected is None:
        assert outcomes[0] == Sent("a", "a")
        assert getattr(outcomes[1], "hard_bounce", False)
    else:
        assert [type(outcome) for outcome in outcomes] == expected


@pytest.mark.parametrize(
    ("event", "back", "expected"),
    [
        ("bounced", {"type": "Permanent", "subType": "Suppressed"}, "hard"),
        ("bounced", {"type": "Transient", "subType": "MailboxFull"}, "soft"),
        ("bounced", {"type": "Transient", "subType": "ContentRejected"}, "block"),
        ("suppressed", {}, "hard"),
        ("failed", {}, "block"),
    ],
)
def test_resends_words_for_a_bounce_mean(event: str, back: dict[str, str], expected: str) -> None:
    caller = callers.Resend()
    words = caller.words(event, "anna@shop.example.com", "key1", NOW, "e1")
    words["said"]["data"]["bounce"] = back
    # Tags may also come as a list.
    words["said"]["data"]["tags"] = [{"name": "noria_key", "value": "key1"}]
    (one,) = caller.webhook().read(caller.call(words, NOW), NOW)
    assert (one.properties["bounce"], one.properties["message_key"]) == (expected, "key1")
