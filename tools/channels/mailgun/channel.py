"""How mail is handed to Mailgun (https://documentation.mailgun.com/docs/mailgun/api-reference, messages.mime)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import httpx

from tools.channels.channel import Failed, Outcome, Outgoing, Sent
from tools.channels.exchange import Post
from tools.channels.mailgun.options import VENDOR, MailgunOptions
from tools.channels.provider import ProviderChannel
from tools.channels.reply import code_of, document_of
from tools.channels.vendor import KEY_FIELD

HOSTS: Final = {"us": "https://api.mailgun.net", "eu": "https://api.eu.mailgun.net"}


class MailgunChannel(ProviderChannel):
    """One request for each message, which leaves byte for byte as it was composed."""

    def __init__(self, options: MailgunOptions, key: str, public_url: str = "", *, url: str = "") -> None:
        super().__init__(VENDOR, options)
        self._url = f"{url or HOSTS[options.region]}/v3/{options.domain}/messages.mime"
        self._auth = httpx.BasicAuth("api", key)
        self._test = options.test

    def request(self, group: Sequence[Outgoing]) -> Post:
        (message,) = group
        fields = {"to": message.address, f"v:{KEY_FIELD}": message.message_key, "o:tracking": "no"}
        if message.campaign:
            fields["o:tag"] = message.campaign[:128]
        if self._test:
            fields["o:testmode"] = "yes"
        return self._signed(fields, message.content)

    def empty(self) -> Post:
        return self._signed({}, b"")

    def _signed(self, fields: Mapping[str, str], mail: bytes) -> Post:
        files = {"message": ("message.mime", mail, "message/rfc822")}
        request = httpx.Request("POST", self._url, data=fields, files=files)
        request = next(self._auth.auth_flow(request))
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type")}
        return Post(self._url, request.read(), headers)

    def read(self, response: httpx.Response, group: Sequence[Outgoing]) -> list[Outcome]:
        key, said = group[0].message_key, document_of(response)
        if response.is_success:
            return [Sent(key, provider_id=str(said.get("id", ""))[:100] or None)]
        wrong_address = "to parameter is not a valid address" in str(said.get("message", ""))
        return [Failed(key, code_of("", response), hard_bounce=wrong_address)]


CHANNEL: Final = MailgunChannel
