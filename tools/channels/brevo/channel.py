"""How mail is handed to Brevo (https://developers.brevo.com/reference/sendtransacemail)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4, uuid5

import httpx

from tools.channels.brevo.options import VENDOR, BrevoOptions
from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Unknown
from tools.channels.exchange import Post
from tools.channels.provider import ProviderChannel
from tools.channels.reply import code_of, document_of
from tools.channels.vendor import list_headers, part

HOST: Final = "https://api.brevo.com"
KEY_HEADER: Final = "X-Mailin-custom"
"""What stands in it comes back with every event."""
_KNOWN_ALREADY: Final = "duplicate_parameter"


class BrevoChannel(ProviderChannel):
    """One request for each message, which Brevo carries out once however often it is repeated within half an hour."""

    def __init__(self, options: BrevoOptions, key: str, public_url: str = "", *, url: str = "") -> None:
        super().__init__(VENDOR, options, repeatable=True)
        self._url = f"{url or HOST}/v3/smtp/email"
        self._headers = {"api-key": key, "Content-Type": "application/json", "Accept": "application/json"}
        self._test = options.test
        self._turn = uuid4()

    def send_many(self, batch: Sequence[Outgoing], *, seconds: float) -> list[Outcome]:
        # A key that Brevo may have kept of a refusal must not stand in the way of the next try.
        self._turn = uuid4()
        return super().send_many(batch, seconds=seconds)

    def request(self, group: Sequence[Outgoing]) -> Post:
        (message,) = group
        headers = {**list_headers(message), KEY_HEADER: message.message_key}
        headers["idempotencyKey"] = str(uuid5(self._turn, message.message_key))
        if self._test:
            headers["X-Sib-Sandbox"] = "drop"
        document: dict[str, Any] = {
            "sender": {"name": part(message, "from_name"), "email": message.sender},
            "to": [{"email": message.address}],
            "replyTo": {"email": part(message, "reply_to") or message.sender},
            "subject": part(message, "subject"),
            "htmlContent": part(message, "html"),
            "textContent": part(message, "text"),
            "headers": headers,
        }
        if message.campaign:
            document["tags"] = [message.campaign]
        return Post(self._url, json.dumps(document).encode(), self._headers)

    def empty(self) -> Post:
        return Post(self._url, b"{}", self._headers)

    def read(self, response: httpx.Response, group: Sequence[Outgoing]) -> list[Outcome]:
        key, said = group[0].message_key, document_of(response)
        if response.is_success:
            return [Sent(key, provider_id=str(said.get("messageId", ""))[:100] or None)]
        if said.get("code") == _KNOWN_ALREADY:
            return [Unknown(key, "Brevo had it before and does not say what became of it")]
        wrong_address = "not valid in to" in str(said.get("message", ""))
        return [Failed(key, code_of(said.get("code"), response), hard_bounce=wrong_address)]


CHANNEL: Final = BrevoChannel
