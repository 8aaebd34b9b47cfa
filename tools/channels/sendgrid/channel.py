"""How mail is handed to SendGrid (https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import httpx

from tools.channels.channel import Failed, Outcome, Outgoing, Sent
from tools.channels.exchange import Post
from tools.channels.provider import ProviderChannel
from tools.channels.reply import code_of, document_of
from tools.channels.sendgrid.options import VENDOR, SendGridOptions
from tools.channels.vendor import KEY_FIELD, list_headers, part

HOSTS: Final = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}
_OFF: Final = {"enable": False}


class SendGridChannel(ProviderChannel):
    """One request for each message: one batch would share its text."""

    def __init__(self, options: SendGridOptions, key: str, public_url: str = "", *, url: str = "") -> None:
        super().__init__(VENDOR, options)
        self._url = f"{url or HOSTS[options.region]}/v3/mail/send"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._test = options.test

    def request(self, group: Sequence[Outgoing]) -> Post:
        return Post(self._url, json.dumps(self._document(group[0])).encode(), self._headers)

    def empty(self) -> Post:
        return Post(self._url, b"{}", self._headers)

    def _document(self, message: Outgoing) -> dict[str, Any]:
        envelope = {
            "to": [{"email": message.address}],
            "headers": list_headers(message),
            "custom_args": {KEY_FIELD: message.message_key},
        }
        document: dict[str, Any] = {
            "personalizations": [envelope],
            "from": {"email": message.sender, "name": part(message, "from_name")},
            "reply_to": {"email": part(message, "reply_to")},
            "subject": part(message, "subject"),
            "content": [
                {"type": "text/plain", "value": part(message, "text")},
                {"type": "text/html", "value": part(message, "html")},
            ],
            "tracking_settings": {
                "click_tracking": {"enable": False, "enable_text": False},
                "open_tracking": _OFF,
                "subscription_tracking": _OFF,
            },
        }
        if message.campaign:
            document["categories"] = [message.campaign]
        if self._test:
            document["mail_settings"] = {"sandbox_mode": {"enable": True}}
        return document

    def read(self, response: httpx.Response, group: Sequence[Outgoing]) -> list[Outcome]:
        key = group[0].message_key
        if response.is_success:
            return [Sent(key, provider_id=response.headers.get("X-Message-Id"))]
        errors = document_of(response).get("errors")
        fields = [str(one.get("field")) for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
        wrong_address = any(field.startswith("personalizations.0.to") for field in fields)
        return [Failed(key, code_of(fields[0] if fields else "", response), hard_bounce=wrong_address)]


CHANNEL: Final = SendGridChannel
