"""SendGrid in particular: how a message is written, and what its words for a bounce mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from memory.events import BOUNCE, SENT, UNSUBSCRIBE
from tests.tools.channels import callers, providers
from tests.tools.channels.providers import letter
from tools.channels.channel import Failed, Sent, Transient
from tools.channels.sendgrid.webhook import SIGNATURE, TIMESTAMP, SendGridWebhook
from tools.channels.webhook import Call

NOW = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
# The example of SendGrid's own libraries, which they all test with.
KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvFYPAZFceEu"
    "/1FwCM/QmGUhA=="
)
MARK = "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0="
STAMP = "1588788367"
BODY = b'{"category":"example_payload","event":"test_event","message_id":"message_id"}'


def test_the_example_of_sendgrids_own_libraries_is_taken() -> None:
    webhook, then = SendGridWebhook(KEY), datetime.fromtimestamp(int(STAMP), UTC)
    assert webhook.problem(Call({SIGNATURE: MARK, TIMESTAMP: STAMP}, BODY, ""), then) == ""
    assert webhook.problem(Call({SIGNATURE: MARK, TIMESTAMP: "1588788368"}, BODY, ""), then)


def test_a_message_carries_its_key_its_way_out_and_no_tracking() -> None:
    with providers.SendGrid() as server:
        channel = server.channel(test=True)
        assert channel.send_many([letter()], seconds=10) == [Sent("key1", "id-key1")]
        channel.close()
    said = json.loads(server.requests[0][1])
    (envelope,) = said["personalizations"]
    assert envelope["custom_args"] == {"noria_key": "key1"}
    assert envelope["headers"]["List-Unsubscribe"] == f"<{providers.PUBLIC}/u/token>"
    assert envelope["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert said["categories"] == ["spring"]
    assert said["mail_settings"] == {"sandbox_mode": {"enable": True}}
    assert not any(one["enable"] for one in said["tracking_settings"].values())


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("personalizations.0.to.0.email", Failed("key1", "refused: 400 personalizations.0.to.0.email", True)),
        ("subject", Failed("key1", "refused: 400 subject")),
        ("anna@shop.example.com", Failed("key1", "refused: 400")),
    ],
)
def test_only_a_refusal_of_the_recipient_speaks_of_the_address(field: str, expected: Failed) -> None:
    with providers.SendGrid() as server:
        server.status, server.answer = 400, {"errors": [{"message": "anna@shop.example.com", "field": field}]}
        channel = server.channel()
        assert channel.send_many([letter()], seconds=10) == [expected]
        channel.close()


def test_a_key_that_sendgrid_does_not_know_is_no_fault_of_the_messages_and_is_not_tried_on_each() -> None:
    with providers.SendGrid() as server:
        channel = server.channel(key="another", connections=1)
        outcomes = channel.send_many([letter("a"), letter("b"), letter("c")], seconds=10)
        channel.close()
    reason = "SendGrid does not take our messages: 401"
    assert outcomes == [Transient(key, reason, away=True) for key in "abc"]
    assert len(server.requests) == 1


def read(**words: Any) -> list[tuple[str, Any]]:
    caller = callers.SendGrid()
    said = {"email": "anna@shop.example.com", "timestamp": int(NOW.timestamp()), "sg_event_id": "e1", **words}
    return [(one.kind, one.properties.get("bounce")) for one in caller.webhook().read(caller.call(said, NOW), NOW)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"event": "bounce", "type": "bounce"}, [(BOUNCE, "hard")]),
        ({"event": "bounce", "type": "blocked"}, [(BOUNCE, "block")]),
        ({"event": "bounce", "bounce_classification": "Mailbox Unavailable"}, [(BOUNCE, "soft")]),
        ({"event": "bounce", "bounce_classification": "Reputation"}, [(BOUNCE, "block")]),
        ({"event": "dropped", "reason": "Bounced Address"}, [(BOUNCE, "hard")]),
        ({"event": "dropped", "reason": "Spam Content"}, [(BOUNCE, "block")]),
        ({"event": "dropped", "reason": "Unsubscribed Address"}, [(BOUNCE, "block"), (UNSUBSCRIBE, None)]),
        ({"event": "group_unsubscribe"}, [(UNSUBSCRIBE, None)]),
        ({"event": "processed"}, []),
        ({"event": "processed", "marketing_campaign_id": 7}, [(SENT, None)]),
        ({"event": "delivered", "timestamp": "soon"}, []),
    ],
)
def test_sendgrids_words_mean(words: dict[str, Any], expected: list[tuple[str, Any]]) -> None:
    assert read(**words) == expected


def test_one_call_brings_many_events() -> None:
    caller = callers.SendGrid()
    said = [caller.words("delivered", f"contact{one}@shop.example.com", "key", NOW, f"e{one}") for one in range(100)]
    assert len(caller.webhook().read(caller.call(said, NOW), NOW)) == 100
