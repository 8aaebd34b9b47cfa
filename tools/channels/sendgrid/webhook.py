"""What SendGrid reports (https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from memory.errors import ConfigurationError
from memory.events import ACCEPTED, BOUNCE, CLICK, COMPLAINT, DEFERRED, DELIVERED, SENT, UNSUBSCRIBE
from tools.channels.sendgrid.options import VENDOR
from tools.channels.vendor import KEY_FIELD
from tools.channels.webhook import RETRY_WINDOW, Bounce, Call, UnreadableError, bytes_of, cause, moment, report, stale
from tools.intake import Incoming

SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
_KINDS: Final = {
    "processed": ACCEPTED,
    "delivered": DELIVERED,
    "deferred": DEFERRED,
    "bounce": BOUNCE,
    "dropped": BOUNCE,
    "spamreport": COMPLAINT,
    "click": CLICK,
    "unsubscribe": UNSUBSCRIBE,
    "group_unsubscribe": UNSUBSCRIBE,
}
_DEAD: Final = frozenset({"bounced address", "invalid"})
_UNWANTED: Final = frozenset({"unsubscribed address", "spam reporting address"})
_CLASSES: Final[Mapping[str, Bounce]] = {
    "content": "block",
    "reputation": "block",
    "frequency or volume too high": "soft",
    "mailbox unavailable": "soft",
    "technical": "soft",
}


class SendGridWebhook:
    """Checked with the public key that SendGrid shows, over the time and the bytes of the body."""

    def __init__(self, secret: str) -> None:
        try:
            key = load_der_public_key(bytes_of(secret))
        except ValueError as error:
            raise _no_key() from error
        if not isinstance(key, EllipticCurvePublicKey):
            raise _no_key()
        self._key = key

    def problem(self, call: Call, now: datetime) -> str:
        stamp = call.headers.get(TIMESTAMP, "")
        try:
            self._key.verify(bytes_of(call.headers.get(SIGNATURE, "")), stamp.encode() + call.body, ECDSA(SHA256()))
            at = moment(stamp)
        except (InvalidSignature, ValueError):
            return "The signature does not fit the body and the key."
        return "The signature is too old, or the clocks differ." if stale(at, now, RETRY_WINDOW) else ""

    def read(self, call: Call, now: datetime) -> list[Incoming]:
        said = json.loads(call.body)
        if not isinstance(said, list):
            raise UnreadableError("it is no list of events")
        return [event for one in said if isinstance(one, dict) for event in _events(one)]


def _events(said: Mapping[str, Any]) -> list[Incoming]:
    kind, key = _KINDS.get(str(said.get("event"))), said.get(KEY_FIELD)
    if kind == ACCEPTED and not key:
        # A campaign of SendGrid's own takes its place under the cap; what else leaves is no marketing.
        kind = SENT if said.get("marketing_campaign_id") else None
    try:
        event_id, address, at = str(said["sg_event_id"]), str(said["email"]), moment(said["timestamp"])
    except (KeyError, ValueError):
        return []
    if kind is None:
        return []
    reason = str(said.get("reason", "")).lower()
    more: dict[str, object] = {}
    if kind == BOUNCE:
        more = {"bounce": _bounce(said, reason), "reason": cause(said.get("status"), said.get("type"), reason)}
    found = [report(VENDOR.name, event_id, kind, at, address, key=key, **more)]
    if said["event"] == "dropped" and reason in _UNWANTED:
        found.append(report(VENDOR.name, f"{event_id}:unwanted", UNSUBSCRIBE, at, address, key=key))
    return found


def _bounce(said: Mapping[str, Any], reason: str) -> Bounce:
    if said["event"] == "dropped":
        return "hard" if reason in _DEAD else "block"
    if said.get("type") == "blocked":
        return "block"
    return _CLASSES.get(str(said.get("bounce_classification", "")).lower(), "hard")


def _no_key() -> ConfigurationError:
    return ConfigurationError(
        "It is no public key as SendGrid shows it.",
        where=VENDOR.webhook_name,
        remedy="Copy the verification key from Settings, Mail Settings, Event Webhook.",
    )


WEBHOOK: Final = SendGridWebhook
