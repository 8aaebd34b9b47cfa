"""What Twilio reports of texts, and what people answer.

https://www.twilio.com/docs/messaging/guides/track-outbound-message-status and
https://www.twilio.com/docs/usage/security#validating-requests
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

from memory.events import ACCEPTED, BOUNCE, DELIVERED, UNSUBSCRIBE
from tools.channels.twilio.options import VENDOR
from tools.channels.webhook import Bounce, Call, answer, cause, report, same
from tools.intake import Incoming

_KINDS: Final = {"sent": ACCEPTED, "delivered": DELIVERED, "undelivered": BOUNCE, "failed": BOUNCE}
# https://www.twilio.com/docs/api/errors: no such number, no mobile; and filtered or blocked.
_NO_NUMBER: Final = frozenset({"30005", "30006", "21211", "21614"})
_BLOCKED: Final = frozenset({"30004", "30007", "30034", "21610"})
_STOPPED: Final = "21610"
_STOP: Final = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke", "arret"})


class TwilioWebhook:
    """Checked with the auth token of the account over the address that was called and every field of the form."""

    def __init__(self, secret: str) -> None:
        self._token = secret.encode()

    def problem(self, call: Call, now: datetime) -> str:
        fields = parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True)
        signed = call.url + "".join(f"{name}{value}" for name, value in sorted(fields))
        seal = base64.b64encode(hmac.digest(self._token, signed.encode(), hashlib.sha1)).decode()
        fits = same(call.headers.get("x-twilio-signature", ""), seal)
        return "" if fits else "The signature does not fit the address, the form and the token."

    def read(self, call: Call, now: datetime) -> list[Incoming]:
        said = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
        if "MessageSid" not in said:
            raise ValueError("it names no message")
        if "MessageStatus" not in said:
            return [_answer(said, now)]
        kind, status, code = _KINDS.get(said["MessageStatus"]), said["MessageStatus"], said.get("ErrorCode", "")
        if kind is None or not said.get("To"):
            return []
        key = parse_qs(urlsplit(call.url).query).get("key", [""])[0]
        about: dict[str, object] = {"key": key, "channel": VENDOR.carries}
        more: dict[str, object] = {}
        if kind == BOUNCE:
            more = {"bounce": _bounce(code), "reason": cause(code, status)}
        event_id = f"{said['MessageSid']}:{status}"
        found = [report(VENDOR.name, event_id, kind, now, said["To"], **about, **more)]
        if code == _STOPPED:
            found.append(report(VENDOR.name, f"{event_id}:stop", UNSUBSCRIBE, now, said["To"], **about))
        return found


def _answer(said: Mapping[str, str], now: datetime) -> Incoming:
    """What somebody texted; where the carrier took it for a stop it is one, whatever else it says."""
    stops = said.get("OptOutType") == "STOP" or _first_word(said.get("Body", "")) in _STOP
    words = "STOP" if stops else said.get("Body", "")
    sid, sender = said["MessageSid"], said.get("From", "")
    return answer(VENDOR.name, sid, now, sender, words, channel=VENDOR.carries)


def _first_word(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return next(iter(re.findall(r"[a-z]+", plain)), "")


def _bounce(code: str) -> Bounce:
    if code in _NO_NUMBER:
        return "hard"
    return "block" if code in _BLOCKED else "soft"


WEBHOOK: Final = TwilioWebhook
