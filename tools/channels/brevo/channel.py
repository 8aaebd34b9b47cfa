"""How mail is handed to Brevo (https://developers.brevo.com/reference/sendtransacemail)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import httpx

from tools.channels.brevo.options import VENDOR, BrevoOptions
from tools.channels.channel import Failed, Outcome, Outgoing, Sent
from tools.channels.exchange import Post
from tools.channels.provider import ProviderChannel
from tools.channels.reply import code_of, document_of
from tools.channels.vendor import list_headers, part

HOST: Final = "https://api.brevo.com"
KEY_HEADER: Final = "X-Mailin-custom"
"""What stands in it comes back with every event."""


class BrevoChannel(ProviderChannel):
    """One request for each message.

    Brevo forgets an idempotency key after some minutes, sooner than a worker may come back; so none is relied on.
    """

    def __init__(self, options: BrevoOptions, key: str, public_url: str = "", *, url: str = "") -> None:
        super().__init__(VENDOR, options)
        self._url = f"{url or HOST}/v3/smtp/email"
        self._headers = {"api-key": key, "Content-Type": "application/json", "Accept": "application/json"}
        self._test = options.test

    def request(self, group: Sequence[Outgoing]) -> Post:
        (message,) = group
        headers = {**list_headers(message), KEY_HEADER: message.message_key}
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
        wrong_address = "not valid in to" in str(said.get("message", ""))
        return [Failed(key, code_of(said.get("code"), response), hard_bounce=wrong_address)]


CHANNEL: Final = BrevoChannel
