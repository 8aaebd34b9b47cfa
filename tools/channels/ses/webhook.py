"""What Amazon SES reports through SNS.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html and
https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

from memory.errors import ConfigurationError
from memory.events import ACCEPTED, BOUNCE, CLICK, COMPLAINT, DEFERRED, DELIVERED, UNSUBSCRIBE
from tools.channels.ses.options import VENDOR
from tools.channels.vendor import KEY_FIELD
from tools.channels.webhook import (
    RETRY_WINDOW,
    Bounce,
    Call,
    bytes_of,
    cause,
    object_of,
    part_of,
    report,
    stale,
    written_moment,
)
from tools.intake import Incoming

_TOPIC: Final = re.compile(r"arn:(aws[a-z-]*):sns:([a-z0-9-]+):\d{12}:[A-Za-z0-9_-]+")
_CERTIFICATE: Final = re.compile(r"SimpleNotificationService-[0-9a-f]+\.pem")
_NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_SUBSCRIPTION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_KINDS: Final = {
    "Send": ACCEPTED,
    "Delivery": DELIVERED,
    "DeliveryDelay": DEFERRED,
    "Bounce": BOUNCE,
    "Reject": BOUNCE,
    "Complaint": COMPLAINT,
    "Click": CLICK,
    "Subscription": UNSUBSCRIBE,
}
_PEOPLE: Final = {
    "Bounce": ("bounce", "bouncedRecipients"),
    "Complaint": ("complaint", "complainedRecipients"),
    "DeliveryDelay": ("deliveryDelay", "delayedRecipients"),
}
_REFUSED: Final = frozenset({"ContentRejected", "AttachmentRejected", "MessageTooLarge"})
_PATIENCE_SECONDS: Final = 10.0


class SesWebhook:
    """Taken from one topic of SNS, whose signature is checked with the certificate that it names."""

    def __init__(self, secret: str, fetch: Callable[[str], bytes] | None = None) -> None:
        """``secret`` is the ARN of the topic. ``fetch`` gets what an address of SNS holds."""
        topic = _TOPIC.fullmatch(secret)
        if topic is None:
            raise ConfigurationError(
                "It is no topic of Amazon SNS.",
                where=VENDOR.webhook_name,
                remedy="Set the ARN, as arn:aws:sns:eu-west-3:123456789012:mail.",
            )
        self._topic = secret
        # This host and no other: sns.s3.amazonaws.com is a bucket that anybody could have named so.
        self._sns = f"https://sns.{topic[2]}.amazonaws.com{'.cn' if topic[1] == 'aws-cn' else ''}/"
        self._fetch = fetch or _fetch
        self._keys: dict[str, RSAPublicKey] = {}

    def problem(self, call: Call, now: datetime) -> str:
        try:
            said = object_of(call.body)
            at = written_moment(said.get("Timestamp"))
        except ValueError:
            return "It is no message of Amazon SNS."
        if said.get("TopicArn") != self._topic:
            return "It comes from another topic."
        names = _NOTIFICATION if said.get("Type") == "Notification" else _SUBSCRIPTION
        signed = "".join(f"{name}\n{said[name]}\n" for name in names if name in said)
        hashed = SHA256() if said.get("SignatureVersion") == "2" else SHA1()  # noqa: S303 - version 1 of SNS signs so
        try:
            key = self._key_at(str(said.get("SigningCertURL", "")))
            key.verify(bytes_of(str(said.get("Signature", ""))), signed.encode(), PKCS1v15(), hashed)
        except (InvalidSignature, ValueError):
            return "The signature does not fit."
        except httpx.HTTPError:
            return "The certificate of Amazon SNS could not be fetched."
        return "The signature is too old, or the clocks differ." if stale(at, now, RETRY_WINDOW) else ""

    def read(self, call: Call, now: datetime) -> list[Incoming]:
        said = object_of(call.body)
        if said.get("Type") == "SubscriptionConfirmation":
            url = str(said.get("SubscribeURL"))
            if not url.startswith(self._sns):
                raise ValueError("it is to be confirmed somewhere else")
            self._fetch(url)
        if said.get("Type") != "Notification":
            return []
        try:
            inner = object_of(str(said.get("Message")).encode())
        except ValueError:
            # SES says in plain words that it found the topic.
            return []
        return _events(inner, str(said.get("MessageId")), written_moment(said.get("Timestamp")))

    def _key_at(self, url: str) -> RSAPublicKey:
        if url not in self._keys:
            if not (url.startswith(self._sns) and _CERTIFICATE.fullmatch(url.removeprefix(self._sns))):
                raise ValueError("no certificate of Amazon SNS")
            key = load_pem_x509_certificate(self._fetch(url)).public_key()
            if not isinstance(key, RSAPublicKey):
                raise ValueError("no RSA key")
            self._keys[url] = key
        return self._keys[url]


def _events(said: Mapping[str, Any], message_id: str, at: datetime) -> list[Incoming]:
    event = str(said.get("eventType") or said.get("notificationType"))
    kind, mail = _KINDS.get(event), part_of(said, "mail")
    if kind is None or (kind == UNSUBSCRIBE and not _wants_nothing(said)):
        return []
    part, people = _PEOPLE.get(event, ("", ""))
    found = part_of(said, part).get(people) or mail.get("destination") or []
    addresses = [str(one["emailAddress"]) if isinstance(one, dict) else str(one) for one in found]
    more: dict[str, object] = {}
    if kind == BOUNCE:
        back = part_of(said, "bounce")
        codes = [one.get("status") for one in found if isinstance(one, dict)]
        more = {
            "bounce": "block" if event == "Reject" else _bounce(back),
            "reason": cause(*codes, back.get("bounceSubType"), event),
        }
    key = _key(mail)
    return [
        report(VENDOR.name, f"{message_id}:{place}", kind, at, address, key=key, **more)
        for place, address in enumerate(addresses)
    ]


def _bounce(back: Mapping[str, Any]) -> Bounce:
    if back.get("bounceSubType") in _REFUSED:
        return "block"
    return "hard" if back.get("bounceType") == "Permanent" else "soft"


def _wants_nothing(said: Mapping[str, Any]) -> bool:
    return bool(part_of(part_of(said, "subscription"), "newTopicPreferences").get("unsubscribeAll"))


def _key(mail: Mapping[str, Any]) -> object:
    tagged = part_of(mail, "tags").get(KEY_FIELD)
    if isinstance(tagged, list) and tagged:
        return tagged[0]
    headers = mail.get("headers") if isinstance(mail.get("headers"), list) else []
    return next((one.get("value") for one in headers or [] if one.get("name") == "X-Noria-Message-Key"), None)


def _fetch(url: str) -> bytes:
    return httpx.get(url, timeout=_PATIENCE_SECONDS).raise_for_status().content


WEBHOOK: Final = SesWebhook
