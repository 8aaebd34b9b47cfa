"""What Brevo reports (https://developers.brevo.com/docs/transactional-webhooks)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from memory.canonical import digest
from memory.errors import ConfigurationError
from memory.events import ACCEPTED, BOUNCE, CLICK, COMPLAINT, DEFERRED, DELIVERED, UNSUBSCRIBE
from tools.channels.brevo.channel import KEY_HEADER
from tools.channels.brevo.options import VENDOR
from tools.channels.webhook import Bounce, Call, cause, moment, report, same
from tools.intake import Incoming

_BOUNCES: Final[Mapping[str, Bounce]] = {
    "hard_bounce": "hard",
    "invalid_email": "hard",
    "soft_bounce": "soft",
    "blocked": "block",
    "error": "block",
}
_KINDS: Final = {
    **dict.fromkeys(_BOUNCES, BOUNCE),
    "request": ACCEPTED,
    "delivered": DELIVERED,
    "deferred": DEFERRED,
    "spam": COMPLAINT,
    "complaint": COMPLAINT,
    "click": CLICK,
    "unsubscribe": UNSUBSCRIBE,
    "unsubscribed": UNSUBSCRIBE,
}
_SHORTEST: Final = 16


class BrevoWebhook:
    """Brevo signs nothing; it shows a token that is set when the webhook is made."""

    def __init__(self, secret: str) -> None:
        if len(secret) < _SHORTEST:
            raise ConfigurationError(
                "The token has fewer than 16 characters.",
                where=VENDOR.webhook_name,
                remedy="Draw one, for example openssl rand -hex 32, and make the webhook with it.",
            )
        self._proof = f"Bearer {secret}"

    def problem(self, call: Call, now: datetime) -> str:
        return "" if same(call.headers.get("authorization", ""), self._proof) else "The token does not fit."

    def read(self, call: Call, now: datetime) -> list[Incoming]:
        said = json.loads(call.body)
        # Brevo can also send several events at a time.
        return [event for one in (said if isinstance(said, list) else [said]) for event in _events(one)]


def _events(said: Any) -> list[Incoming]:
    kind = _KINDS.get(str(said.get("event"))) if isinstance(said, dict) else None
    if kind is None or not said.get("email"):
        return []
    # The one moment in it that does not hang on the time zone of the account.
    at = moment(said["ts_epoch"] / 1000 if isinstance(said.get("ts_epoch"), int) else said.get("ts_event"))
    address = str(said["email"])
    names = ("event", "message-id", "link")
    event_id = digest([address, at.isoformat(), *(str(said.get(name, "")) for name in names)])
    more: dict[str, object] = {}
    if kind == BOUNCE:
        more = {"bounce": _BOUNCES[said["event"]], "reason": cause(said.get("reason"), said["event"])}
    return [report(VENDOR.name, event_id, kind, at, address, key=said.get(KEY_HEADER), **more)]


WEBHOOK: Final = BrevoWebhook
