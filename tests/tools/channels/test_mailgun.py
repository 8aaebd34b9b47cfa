"""Mailgun in particular: the message leaves as it was composed, and what its words for a failure mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.tools.channels import callers, providers
from tests.tools.channels.providers import letter
from tools.channels.channel import Sent

NOW = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)


def test_the_message_is_handed_over_byte_for_byte_with_its_key() -> None:
    with providers.Mailgun() as server:
        channel = server.channel(test=True)
        assert channel.send_many([letter()], seconds=10) == [Sent("key1", "<id-key1>")]
        channel.close()
    headers, body = server.requests[0]
    fields = server.fields_of(headers, body)
    assert letter().content in body
    assert {name: fields[name] for name in ("v:noria_key", "o:tag", "o:testmode", "o:tracking")} == {
        "v:noria_key": "key1",
        "o:tag": "spring",
        "o:testmode": "yes",
        "o:tracking": "no",
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"delivery-status": {"code": 550, "message": "no such user"}}, [("bounce", "hard")]),
        ({"delivery-status": {"code": 552, "message": "5.2.2 full"}}, [("bounce", "soft")]),
        ({"delivery-status": {"code": 554, "message": "5.7.1 listed"}}, [("bounce", "block")]),
        ({"delivery-status": {"code": 498}, "reason": "old"}, [("bounce", "soft")]),
        ({"delivery-status": {"code": 605}, "reason": "suppress-bounce"}, [("bounce", "hard")]),
        ({"delivery-status": {}, "reason": "suppress-unsubscribe"}, [("bounce", "block"), ("unsubscribe", None)]),
        ({"event": "rejected"}, [("bounce", "block")]),
        ({"severity": "temporary"}, [("deferred", None)]),
    ],
)
def test_mailguns_words_mean(words: dict[str, Any], expected: list[tuple[str, str | None]]) -> None:
    caller = callers.Mailgun()
    said = caller.words("bounce", "anna@shop.example.com", "key1", NOW, "t1")
    said["said"] |= words
    found = caller.webhook().read(caller.call(said, NOW), NOW)
    assert [(one.kind, one.properties.get("bounce")) for one in found] == expected
