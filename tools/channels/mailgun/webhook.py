"""What Mailgun reports (https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from memory.events import ACCEPTED, BOUNCE, CLICK, COMPLAINT, DEFERRED, DELIVERED, UNSUBSCRIBE
from tools.channels.mailgun.options import VENDOR
from tools.channels.vendor import KEY_FIELD
from tools.channels.webhook import (
    RETRY_WINDOW,
    Bounce,
    Call,
    bounce_of,
    cause,
    moment,
    object_of,
    part_of,
    report,
    same,
    stale,
)
from tools.intake import Incoming

_LEFT_OUT: Final = "left_out"
_KINDS: Final = {
    "accepted": ACCEPTED,
    "delivered": DELIVERED,
    "failed": BOUNCE,
    "rejected": BOUNCE,
    "complained": COMPLAINT,
    "clicked": CLICK,
    "unsubscribed": UNSUBSCRIBE,
}
_UNWANTED: Final = frozenset({"suppress-unsubscribe", "suppress-complaint"})
# Codes of a mailbox that is not there (RFC 5321, 4.2.3), and Mailgun's own for one that bounced before.
_NO_MAILBOX: Final = frozenset({"550", "551", "553", "605"})


class MailgunWebhook:
    """Checked with the signing key over time and token, which do not cover the body: so a token is good once."""

    def __init__(self, secret: str) -> None:
        self._key = secret.encode()

    def problem(self, call: Call, now: datetime) -> str:
        try:
            proof = part_of(object_of(call.body), "signature")
            stamp, token, mark = (str(proof[name]) for name in ("timestamp", "token", "signature"))
            at = moment(stamp)
        except (KeyError, ValueError):
            return "There is no signature in it."
        if not same(mark, hmac.digest(self._key, f"{stamp}{token}".encode(), hashlib.sha256).hex()):
            return "The signature does not fit the token and the key."
        return "The signature is too old, or the clocks differ." if stale(at, now, RETRY_WINDOW) else ""

    def read(self, call: Call, now: datetime) -> list[Incoming]:
        body = object_of(call.body)
        said, proof = part_of(body, "event-data"), part_of(body, "signature")
        # What was signed names the event, as a whole: its parts could be cut elsewhere under the same signature.
        token = f"{proof.get('timestamp')}{proof.get('token')}"
        kind, address = _KINDS.get(str(said.get("event"))), str(said.get("recipient") or "")
        if kind is None or not address:
            # Kept in nobody's name, so that its token signs nothing else.
            return [report(VENDOR.name, token, _LEFT_OUT, now, "")]
        at, key = moment(said.get("timestamp")), part_of(said, "user-variables").get(KEY_FIELD)
        more: dict[str, object] = {}
        if kind == BOUNCE and said.get("severity") == "temporary":
            kind = DEFERRED
        elif kind == BOUNCE:
            status = part_of(said, "delivery-status")
            reason = cause(status.get("enhanced-code"), status.get("message"), said.get("reason"), status.get("code"))
            more = {"bounce": _bounce(said, status, reason), "reason": reason}
        found = [report(VENDOR.name, token, kind, at, address, key=key, **more)]
        if said.get("reason") in _UNWANTED:
            unwanted = report(VENDOR.name, f"{token}:unwanted", UNSUBSCRIBE, at, address, key=key)
            found.append(replace(unwanted, beside=found[0].event_id))
        return found


def _bounce(said: Mapping[str, Any], status: Mapping[str, Any], reason: str) -> Bounce:
    if said.get("event") == "rejected" or said.get("reason") in _UNWANTED:
        return "block"
    if said.get("reason") == "suppress-bounce":
        return "hard"
    return bounce_of(reason) or ("hard" if str(status.get("code")) in _NO_MAILBOX else "soft")


WEBHOOK: Final = MailgunWebhook
