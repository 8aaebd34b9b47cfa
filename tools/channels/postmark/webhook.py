"""What Postmark reports (https://postmarkapp.com/developer/webhooks/webhooks-overview)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from memory.canonical import digest
from memory.errors import ConfigurationError
from memory.events import BOUNCE, CLICK, COMPLAINT, DEFERRED, DELIVERED, UNSUBSCRIBE
from tools.channels.postmark.options import VENDOR
from tools.channels.vendor import KEY_FIELD
from tools.channels.webhook import Bounce, Call, cause, object_of, part_of, report, same, written_moment
from tools.intake import Incoming

_MOMENTS: Final = ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")
# The kinds of a bounce (https://postmarkapp.com/developer/api/bounce-api#bounce-types); others are no bounce.
_BOUNCES: Final[Mapping[str, Bounce]] = {
    "HardBounce": "hard",
    "BadEmailAddress": "hard",
    "SoftBounce": "soft",
    "Unknown": "soft",
    "Blocked": "block",
    "SpamNotification": "block",
    "VirusNotification": "block",
    "DMARCPolicy": "block",
    "ManuallyDeactivated": "block",
    "SMTPApiError": "block",
    "TemplateRenderingFailed": "block",
}
_KINDS: Final = {
    **dict.fromkeys(_BOUNCES, BOUNCE),
    "Transient": DEFERRED,
    "DnsError": DEFERRED,
    "Unsubscribe": UNSUBSCRIBE,
    "SpamComplaint": COMPLAINT,
}
_SHORTEST: Final = 16


class PostmarkWebhook:
    """Postmark signs nothing; it shows a user and a password that stand in the address of the webhook."""

    def __init__(self, secret: str) -> None:
        if ":" not in secret or len(secret) < _SHORTEST:
            raise ConfigurationError(
                "It is no user:password of at least 16 characters.",
                where=VENDOR.webhook_name,
                remedy="Choose one, and put it into the address of the webhook, as https://user:password@…",
            )
        self._proof = f"Basic {base64.b64encode(secret.encode()).decode()}"

    def problem(self, call: Call, now: datetime) -> str:
        return "" if same(call.headers.get("authorization", ""), self._proof) else "User and password do not fit."

    def read(self, call: Call, now: datetime) -> list[Incoming]:
        said = object_of(call.body)
        kind, address = _kind(said), str(said.get("Recipient") or said.get("Email") or "")
        if not kind or not address:
            return []
        at = written_moment(next((said[name] for name in _MOMENTS if said.get(name)), None))
        names = ("RecordType", "Type", "MessageID", "OriginalLink")
        event_id = digest([address, at.isoformat(), *(str(said.get(name, "")) for name in names)])
        more: dict[str, object] = {}
        if kind == BOUNCE:
            more = {"bounce": _BOUNCES[said["Type"]], "reason": cause(said.get("Details"), said["Type"])}
        key = part_of(said, "Metadata").get(KEY_FIELD)
        return [report(VENDOR.name, event_id, kind, at, address, key=key, **more)]


def _kind(said: Mapping[str, Any]) -> str:
    match said.get("RecordType"):
        case "Delivery":
            return DELIVERED
        case "Bounce":
            return _KINDS.get(str(said.get("Type")), "")
        case "SpamComplaint":
            return COMPLAINT
        case "Click":
            return CLICK
        # Postmark also stops writing by itself after bounces and complaints, which it reports as such.
        case "SubscriptionChange" if (
            said.get("SuppressSending") and said.get("SuppressionReason") == "ManualSuppression"
        ):
            return UNSUBSCRIBE
    return ""


WEBHOOK: Final = PostmarkWebhook
