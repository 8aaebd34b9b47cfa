"""Postmark in particular: the test token, streams, and what its words mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.tools.channels import callers, providers
from tests.tools.channels.providers import letter
from tools.channels.channel import Failed, Outcome, Sent, Transient, Unknown

NOW = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)


def test_in_test_mode_the_token_is_the_one_with_which_nothing_is_delivered() -> None:
    with providers.Postmark() as server:
        channel = server.channel(test=True)
        channel.send_many([letter()], seconds=10)
        channel.close()
    assert server.requests[0][0]["x-postmark-server-token"] == "POSTMARK_API_TEST"
    (said,) = json.loads(server.requests[0][1])
    assert (said["MessageStream"], said["Tag"], said["TrackOpens"], said["TrackLinks"]) == (
        "broadcast",
        "spring",
        False,
        "None",
    )
    assert {"Name": "List-Unsubscribe", "Value": f"<{providers.PUBLIC}/u/token>"} in said["Headers"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([{"ErrorCode": 0, "Message": "OK", "MessageID": "m1"}], Sent("key1", "m1")),
        ([{"ErrorCode": 406, "Message": "inactive"}], Failed("key1", "refused: 200 406", True)),
        ([{"ErrorCode": 300, "Message": "Invalid 'To' address: 'x'."}], Failed("key1", "refused: 200 300", True)),
        ([{"ErrorCode": 300, "Message": "Invalid 'From' address: 'x'."}], Failed("key1", "refused: 200 300")),
        ([{"ErrorCode": 412, "Message": "Account is pending"}], Transient("key1", "refused: 200 412")),
        ([{"Message": "?"}], Unknown("key1", "Postmark did not say what became of it")),
        ([], Unknown("key1", "Postmark did not say what became of it")),
        ("<html>", Unknown("key1", "Postmark did not say what became of it")),
    ],
)
def test_what_postmark_says_of_each_becomes_its_outcome(answer: Any, expected: Outcome) -> None:
    with providers.Postmark() as server:
        server.answer = answer
        channel = server.channel()
        assert channel.send_many([letter()], seconds=10) == [expected]
        channel.close()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"Type": "SoftBounce"}, ("bounce", "soft")),
        ({"Type": "Blocked"}, ("bounce", "block")),
        ({"Type": "BadEmailAddress"}, ("bounce", "hard")),
        ({"Type": "Unsubscribe"}, ("unsubscribe", None)),
        ({"Type": "AutoResponder"}, None),
        ({"RecordType": "SubscriptionChange", "SuppressSending": True, "SuppressionReason": "HardBounce"}, None),
        (
            {"RecordType": "SubscriptionChange", "SuppressSending": False, "SuppressionReason": "ManualSuppression"},
            None,
        ),
    ],
)
def test_postmarks_words_mean(words: dict[str, Any], expected: tuple[str, str | None] | None) -> None:
    caller = callers.Postmark()
    said = {**caller.words("bounce", "anna@shop.example.com", "key1", NOW, "m1"), **words}
    found = [(one.kind, one.properties.get("bounce")) for one in caller.webhook().read(caller.call(said, NOW), NOW)]
    assert found == ([] if expected is None else [expected])
