"""What Resend reports (https://resend.com/docs/webhooks/event-types), signed as Standard Webhooks says."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from memory.errors import ConfigurationError
from memory.events import ACCEPTED, BOUNCE, CLICK, COMPLAINT, DEFERRED, DELIVERED
from tools.channels.resend.options import VENDOR
from tools.channels.vendor import KEY_FIELD
from tools.channels.webhook import (
    REPLAY_WINDOW,
    Bounce,
    Call,
    bytes_of,
    cause,
    moment,
    object_of,
    part_of,
    report,
    stale,
    written_moment,
)
from tools.intake import Incoming

_KINDS: Final = {
    "email.sent": ACCEPTED,
    "email.delivered": DELIVERED,
    "email.delivery_delayed": DEFERRED,
    "email.bounced": BOUNCE,
    "email.suppressed": BOUNCE,
    "email.failed": BOUNCE,
    "email.complained": COMPLAINT,
    "email.clicked": CLICK,
}
_REFUSED: Final = frozenset({"MessageRejected", "ContentRejected", "AttachmentRejected"})
_SHORTEST: Final = 16


class ResendWebhook:
    """Checked with the signing secret (whsec_…) over id, time and body (https://www.standardwebhooks.com)."""

    def __init__(self, secret: str) -> None:
        self._key = bytes_of(secret.removeprefix("whsec_"))
        if len(self._key) < _SHORTEST:
            raise ConfigurationError(
                "It is no signing secret as Resend shows it.",
                where=VENDOR.webhook_name,
                remedy="Copy the one that begins with whsec_ from the page of the webhook.",
            )

    def problem(self, call: Call, now: datetime) -> str:
        stamp = call.headers.get("svix-timestamp", "")
        signed = f"{call.headers.get('svix-id', '')}.{stamp}.".encode() + call.body
        seal = hmac.digest(self._key, signed, hashlib.sha256)
        marks = call.headers.get("svix-signature", "").split()
        if not any(hmac.compare_digest(bytes_of(mark[3:]), seal) for mark in marks if mark.startswith("v1,")):
            return "The signature does not fit the body and the secret."
        try:
            at = moment(stamp)
        except ValueError:
            return "The signature has no time."
        return "The signature is too old, or the clocks differ." if stale(at, now, REPLAY_WINDOW) else ""

    def read(self, call: Call, now: datetime) -> list[Incoming]:
        said = object_of(call.body)
        kind, data = _KINDS.get(str(said.get("type"))), part_of(said, "data")
        recipients = data.get("to")
        if kind is None or not recipients:
            return []
        address = str(recipients if isinstance(recipients, str) else recipients[0])
        more: dict[str, object] = {}
        if kind == BOUNCE:
            back = part_of(data, "bounce")
            more = {
                "bounce": _bounce(str(said["type"]), back),
                "reason": cause(back.get("message"), back.get("subType"), said["type"]),
            }
        at = written_moment(said.get("created_at"))
        return [report(VENDOR.name, call.headers["svix-id"], kind, at, address, key=_key(data), **more)]


def _bounce(event: str, back: Mapping[str, Any]) -> Bounce:
    if event == "email.failed" or back.get("subType") in _REFUSED:
        return "block"
    return "hard" if event == "email.suppressed" or back.get("type") == "Permanent" else "soft"


def _key(data: Mapping[str, Any]) -> object:
    tags = data.get("tags")
    if isinstance(tags, list):
        tags = {one.get("name"): one.get("value") for one in tags if isinstance(one, dict)}
    return tags.get(KEY_FIELD) if isinstance(tags, dict) else None


WEBHOOK: Final = ResendWebhook
