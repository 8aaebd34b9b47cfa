"""Amazon SES in particular: signed requests, topics that are confirmed, and certificates of Amazon alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.tools.channels import callers, providers
from tests.tools.channels.providers import letter
from tools.channels.channel import Failed, Sent, Transient
from tools.channels.ses.signature import sign
from tools.channels.webhook import Call

NOW = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)


def test_the_signature_is_that_of_the_suite_that_aws_publishes() -> None:
    # "post-vanilla" of the Signature Version 4 test suite.
    headers = sign(
        "https://example.amazonaws.com/",
        b"",
        {},
        key_id="AKIDEXAMPLE",
        secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        region="us-east-1",
        service="service",
        at=datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
    )
    assert headers["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
    )


def test_the_message_is_handed_over_byte_for_byte_with_its_key() -> None:
    with providers.Ses() as server:
        channel = server.channel(configuration_set="noria")
        assert channel.send_many([letter()], seconds=10) == [Sent("key1", "id-key1")]
        outcomes = channel.send_many([letter("key2", "gone"), letter("key3", "soft")], seconds=10)
        channel.close()
    said = json.loads(server.requests[0][1])
    assert base64.b64decode(said["Content"]["Raw"]["Data"]) == letter().content
    assert said["ConfigurationSetName"] == "noria"
    assert outcomes == [
        Failed("key2", "refused: 400 MessageRejected"),
        Transient("key3", "refused: 400 SendingPausedException"),
    ]


class Unverified(providers.Ses):
    """Refuses whatever it is given, as SES does while an identity is not verified."""

    def __init__(self, identity: str) -> None:
        super().__init__()
        self._identity = identity

    def answers(self, judged: Sequence[tuple[str, str, str]]) -> tuple[int, Any]:
        self.headers = {"x-amzn-ErrorType": "MessageRejected"}
        start = "Email address is not verified. The following identities failed the check in region EU-WEST-3:"
        return 400, {"message": f"{start} {self._identity}"}


@pytest.mark.parametrize(("who", "away"), [("Hello@Shop.example.com", True), ("anna@shop.example.com", False)])
def test_who_is_not_verified_makes_messages_wait_and_a_sender_all_of_them(who: str, away: bool) -> None:
    with Unverified(who) as server:
        channel = server.channel(connections=1)
        outcomes = channel.send_many([letter("key1"), letter("key2")], seconds=10)
        channel.close()
    assert outcomes == [
        Transient(key, "refused: 400 MessageRejected, not verified", away=away) for key in ("key1", "key2")
    ]
    assert len(server.requests) == (1 if away else 2)


def test_a_subscription_is_confirmed_at_amazon_and_nowhere_else() -> None:
    caller = callers.Ses("1")
    webhook = caller.webhook()
    said = {"Type": "SubscriptionConfirmation", "MessageId": "m1", "Message": "You chose", "Token": "t"}
    said |= {"Timestamp": NOW.isoformat(), "SubscribeURL": "https://sns.eu-west-3.amazonaws.com/?Action=Confirm"}
    call = caller.call(said, NOW)
    assert webhook.problem(call, NOW) == ""
    assert webhook.read(call, NOW) == []
    assert caller.fetched == [callers.CERTIFICATE, said["SubscribeURL"]]
    for url in ("https://evil.example.com/", "https://sns.s3.amazonaws.com/?Action=Confirm"):
        with pytest.raises(ValueError, match="somewhere else"):
            webhook.read(caller.call({**said, "SubscribeURL": url}, NOW), NOW)
    assert len(caller.fetched) == 2


def test_a_topic_in_china_has_its_certificate_there() -> None:
    caller = callers.Ses()
    caller.secret = "arn:aws-cn:sns:cn-north-1:123456789012:mail"
    url = "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-1.pem"
    words = caller.words("delivered", callers.ANNA, "key1", NOW, "m1")
    call = caller.call({**words, "TopicArn": caller.secret, "SigningCertURL": url}, NOW)
    assert caller.webhook().problem(call, NOW) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"TopicArn": "arn:aws:sns:eu-west-3:123456789012:other"},
        {"SigningCertURL": "https://sns.eu-west-3.amazonaws.com.evil.example.com/x.pem"},
        {"SigningCertURL": "http://sns.eu-west-3.amazonaws.com/SimpleNotificationService-1.pem"},
        # Buckets that anybody can have, another region, and what else may lie on the right host.
        {"SigningCertURL": "https://sns.s3.amazonaws.com/SimpleNotificationService-1.pem"},
        {"SigningCertURL": "https://sns.s3-eu-west-3.amazonaws.com/SimpleNotificationService-1.pem"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem"},
        {"SigningCertURL": "https://sns.eu-west-3.amazonaws.com/x.pem"},
        {"SigningCertURL": "https://sns.eu-west-3.amazonaws.com/x/SimpleNotificationService-1.pem"},
        {"SigningCertURL": "https://sns.eu-west-3.amazonaws.com/SimpleNotificationService-1.pem?x=.pem"},
        {"SignatureVersion": "1"},
    ],
)
def test_another_topic_certificate_or_version_is_turned_away(changes: dict[str, str]) -> None:
    caller = callers.Ses()
    call = caller.say("delivered", at=NOW)
    touched = json.dumps({**json.loads(call.body), **changes}).encode()
    assert caller.webhook().problem(Call(call.headers, touched, call.url), NOW)
    assert set(caller.fetched) <= {callers.CERTIFICATE}


@pytest.mark.parametrize(
    ("back", "expected"),
    [
        ({"bounceType": "Permanent", "bounceSubType": "OnAccountSuppressionList"}, "hard"),
        ({"bounceType": "Transient", "bounceSubType": "MailboxFull"}, "soft"),
        ({"bounceType": "Transient", "bounceSubType": "ContentRejected"}, "block"),
        ({"bounceType": "Undetermined", "bounceSubType": "Undetermined"}, "soft"),
    ],
)
def test_the_words_of_ses_for_a_bounce_mean(back: dict[str, Any], expected: str) -> None:
    caller = callers.Ses()
    words = caller.words("bounce", "anna@shop.example.com", "key1", NOW, "m1")
    inner = json.loads(words["Message"])
    inner["bounce"] |= back
    (one,) = caller.webhook().read(caller.call({**words, "Message": json.dumps(inner)}, NOW), NOW)
    assert one.properties["bounce"] == expected
