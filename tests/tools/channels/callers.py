"""Providers that report: each writes and signs as the real one does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.tools.channels.providers import PUBLIC
from tools.channels.vendors import open_webhook
from tools.channels.webhook import Call, Webhook

ANNA = "anna@shop.example.com"
TOPIC = "arn:aws:sns:eu-west-3:123456789012:mail"
CERTIFICATE = "https://sns.eu-west-3.amazonaws.com/SimpleNotificationService-1.pem"


class Caller(ABC):
    """Makes the calls of one provider. An event is told in its own words, by Noria's name for its kind."""

    vendor: ClassVar[str]
    signs_body: ClassVar[bool] = True
    signs_time: ClassVar[bool] = True
    secret: str

    def webhook(self) -> Webhook:
        """What checks and reads the calls."""
        from pydantic import SecretStr

        return open_webhook(self.vendor, SecretStr(self.secret))

    @abstractmethod
    def words(self, kind: str, address: str, key: str, at: datetime, event_id: str) -> Any:
        """One event as the provider writes it."""

    @abstractmethod
    def call(self, words: Any, at: datetime) -> Call:
        """A request with what is to be reported, signed at that moment."""

    def say(
        self,
        kind: str,
        *,
        address: str = "anna@shop.example.com",
        key: str = "key1",
        at: datetime,
        event_id: str = "e1",
    ) -> Call:
        """A call about one event."""
        return self.call(self.words(kind, address, key, at, event_id), at)

    def _called(self, body: bytes, headers: Mapping[str, str], query: str = "") -> Call:
        return Call(dict(headers), body, f"{PUBLIC}/v1/providers/{self.vendor}{query}")


class SendGrid(Caller):
    vendor = "sendgrid"

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.secret = base64.b64encode(public).decode()

    def words(self, kind: str, address: str, key: str, at: datetime, event_id: str) -> Any:
        named = {"accepted": "processed", "complaint": "spamreport"}.get(kind, kind)
        said = {"email": address, "event": named, "timestamp": int(at.timestamp()), "sg_event_id": event_id}
        more = {"bounce": {"type": "bounce", "status": "5.1.1", "reason": f"550 5.1.1 <{address}> unknown"}}
        return {**said, "sg_event_id": event_id, "noria_key": key, **more.get(kind, {})}

    def call(self, words: Any, at: datetime) -> Call:
        body, stamp = json.dumps(words if isinstance(words, list) else [words]).encode(), str(int(at.timestamp()))
        mark = base64.b64encode(self._key.sign(stamp.encode() + body, ec.ECDSA(SHA256()))).decode()
        name = "x-twilio-email-event-webhook"
        return self._called(body, {f"{name}-signature": mark, f"{name}-timestamp": stamp})


class Resend(Caller):
    vendor = "resend"
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    def words(self, kind: str, address: str, key: str, at: datetime, event_id: str) -> Any:
        own = {
            "accepted": "sent",
            "deferred": "delivery_delayed",
            "bounce": "bounced",
            "complaint": "complained",
            "click": "clicked",
        }
        data: dict[str, Any] = {"email_id": "5f1", "to": [address], "tags": {"noria_key": key, "campaign": "spring"}}
        if kind == "bounce":
            data["bounce"] = {"type": "Permanent", "subType": "General", "message": f"smtp; 550 5.1.1 <{address}>"}
        said = {"type": f"email.{own.get(kind, kind)}", "created_at": at.isoformat(), "data": data}
        return {"svix-id": event_id, "said": said}

    def call(self, words: Any, at: datetime) -> Call:
        body, stamp = json.dumps(words["said"]).encode(), str(int(at.timestamp()))
        signed = f"{words['svix-id']}.{stamp}.".encode() + body
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        mark = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        marks = f"v1,{base64.b64encode(b'an older secret').decode()} v1,{mark}"
        return self._called(body, {"svix-id": words["svix-id"], "svix-timestamp": stamp, "svix-signature": marks})


class Postmark(Caller):
    vendor = "postmark"
    secret = "postmark:a long password"
    signs_body = signs_time = False

    def words(self, kind: str, address: str, key: str, at: datetime, event_id: str) -> Any:
        moment = at.isoformat().replace("+00:00", "Z")
        said: dict[str, Any] = {"MessageID": event_id, "Metadata": {"noria_key": key}}
        match kind:
            case "delivered":
                return {**said, "RecordType": "Delivery", "Recipient": address, "DeliveredAt": moment}
            case "click":
                return {**said, "RecordType": "Click", "Recipient": address, "ReceivedAt": moment}
            case "complaint":
                return {
                    **said,
                    "RecordType": "SpamComplaint",
                    "Type": "SpamComplaint",
                    "Email": address,
                    "BouncedAt": moment,
                }
            case "unsubscribe":
                change = {"SuppressSending": True, "SuppressionReason": "ManualSuppression", "ChangedAt": moment}
                return {**said, **change, "RecordType": "SubscriptionChange", "Recipient": address}
        kinds = {"bounce": "HardBounce", "deferred": "Transient"}
        back = {"Type": kinds.get(kind, kind), "Details": f"smtp;550 5.1.1 <{address}> unknown"}
        return {**said, **back, "RecordType": "Bounce", "Email": address, "BouncedAt": moment}

    def call(self, words: Any, at: datetime) -> Call:
        proof = base64.b64encode(self.secret.encode()).decode()
        return self._called(json.dumps(words).encode(), {"authorization": f"Basic {proof}"})


class Mailgun(Caller):
    vendor = "mailgun"
    secret = "a signing key of Mailgun"
    signs_body = False

    def words(self, kind: str, address: str, key: str, at: datetime, event_id: str) -> Any:
        own = {"bounce": "failed", "deferred": "failed", "complaint": "complained", "click": "clicked"}
        said: dict[str, Any] = {
            "event": own.get(kind, {"unsubscribe": "unsubscribed"}.get(kind, kind)),
            "recipient": address,
            "timestamp": at.timestamp(),
            "user-variables": {"noria_key": key},
        }
        if kind in {"bounce", "deferred"}:
            said["severity"] = "temporary" if kind == "deferred" else "permanent"
            said["reason"] = "generic" if kind == "deferred" else "bounce"
            said["delivery-status"] = {"code": 550, "message": f"5.1.1 <{address}> unknown"}
        return {"token": event_id, "said": said}

    def call(self, words: Any, at: datetime) -> Call:
        stamp = str(int(at.timestamp()))
        mark = hmac.digest(self.secret.encode(), f"{stamp}{words['token']}".encode(), hashlib.sha256).hex()
        proof = {"timestamp": stamp, "token": words["token"], "signature": mark}
        return self._called(json.dumps({"signature": proof, "event-data": words["said"]}).encode(), {})


class Brevo(Caller):
    vendor = "brevo"
    secret = "a token of some length"
    signs_body = signs_time = False

    def words(self, kind: str, address: str, key: str, at: datetime, event_id: str) -> Any:
        own = {"accepted": "request", "bounce": "hard_bounce", "complaint": "spam", "unsubscribe": "unsubscribed"}
        return {
            "event": own.get(kind, kind),
            "email": address,
            "message-id": event_id,
            "ts_epoch": int(at.timestamp() * 1000),
            "X-Mailin-custom": key,
            "reason": f"550 5.1.1 <{address}> unknown",
        }

    def call(self, words: Any, at: datetime) -> Call:
        return self._called(json.dumps(words).encode(), {"authorization": f"Bearer {self.secret}"})


class Ses(Caller):
    vendor = "ses"
    secret = TOPIC

    def __init__(self, version: str = "2") -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self._version = version
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
        since = datetime.fromisoformat("2025-01-01T00:00:00+00:00")
        made = x509.CertificateBuilder(name, name, self._key.public_key(), 1, since, since + timedelta(days=9000))
        self.certificate = made.sign(self._key, SHA256()).public_bytes(Encoding.PEM)
        self.fetched: list[str] = []

    def webhook(self) -> Webhook:
        from tools.channels.ses.webhook import SesWebhook

        def fetch(url: str) -> bytes:
            self.fetched.append(url)
            return self.certificate

        return SesWebhook(self.secret, fetch)

    def words(self, kind: str, address: str, key: str, at: datetime, event_id: str) -> Any:
        own = {"accepted": "Send", "delivered": "Delivery", "deferred": "DeliveryDelay", "unsubscribe": "Subscription"}
        said: dict[str, Any] = {
            "eventType": own.get(kind, kind.title()),
            "mail": {"destination": [address], "tags": {"noria_key": [key], "ses:from-domain": ["shop.example.com"]}},
        }
        who = [{"emailAddress": address, "status": "5.1.1", "diagnosticCode": f"smtp; 550 <{address}>"}]
        if kind == "bounce":
            said["bounce"] = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": who}
        elif kind == "complaint":
            said["complaint"] = {"complainedRecipients": [{"emailAddress": address}]}
        elif kind == "unsubscribe":
            said["subscription"] = {"newTopicPreferences": {"unsubscribeAll": True}}
        return {"Type": "Notification", "MessageId": event_id, "Message": json.dumps(said), "Timestamp": at.isoformat()}

    def call(self, words: Any, at: datetime) -> Call:
        said = {"TopicArn": TOPIC, "SignatureVersion": self._version, "SigningCertURL": CERTIFICATE, **words}
        names = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
        signed = "".join(f"{name}\n{said[name]}\n" for name in names if name in said).encode()
        hashed = SHA256() if self._version == "2" else SHA1()
        said["Signature"] = base64.b64encode(self._key.sign(signed, padding.PKCS1v15(), hashed)).decode()
        return self._called(json.dumps(said).encode(), {"x-amz-sns-message-type": said["Type"]})


class Twilio(Caller):
    vendor = "twilio"
    secret = "an auth token"
    signs_time = False

    def words(self, kind: str, address: str, key: str, at: datetime, event_id: str) -> Any:
        if kind in {"unsubscribe", "reply"}:
            body = "Stop, please" if kind == "unsubscribe" else "When do you open?"
            return {"MessageSid": event_id, "From": address, "To": "+33700000000", "Body": body}
        own = {"accepted": "sent", "bounce": "undelivered"}
        said = {"MessageSid": event_id, "MessageStatus": own.get(kind, kind), "To": address, "?key": key}
        return {**said, "ErrorCode": "30005"} if kind == "bounce" else said

    def call(self, words: Any, at: datetime) -> Call:
        fields = {name: value for name, value in words.items() if name != "?key"}
        query = f"?{urlencode({'key': words['?key']})}" if "?key" in words else ""
        made = self._called(urlencode(fields).encode(), {}, query)
        signed = made.url + "".join(f"{name}{fields[name]}" for name in sorted(fields))
        mark = base64.b64encode(hmac.digest(self.secret.encode(), signed.encode(), hashlib.sha1)).decode()
        return Call({"x-twilio-signature": mark}, made.body, made.url)


CALLERS: dict[str, type[Caller]] = {
    one.vendor: one for one in (SendGrid, Resend, Postmark, Mailgun, Brevo, Ses, Twilio)
}
