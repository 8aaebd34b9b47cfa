"""How text messages are handed to Twilio (https://www.twilio.com/docs/messaging/api/message-resource)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

import httpx

from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Transient
from tools.channels.exchange import Post
from tools.channels.provider import ProviderChannel
from tools.channels.reply import code_of, document_of
from tools.channels.twilio.options import VENDOR, TwilioOptions
from tools.channels.vendor import part

HOST: Final = "https://api.twilio.com"
# No number, no mobile number, or one that said STOP (https://www.twilio.com/docs/api/errors).
_DEAD: Final = frozenset({21211, 21217, 21610, 21614})
# The text or this recipient only; all other codes speak of the account or the sender.
_OF_ONE: Final = _DEAD | {21408, 21602, 21604, 21612, 21617}


class TwilioChannel(ProviderChannel):
    """One request for each text; Twilio calls back with what becomes of it."""

    def __init__(self, options: TwilioOptions, key: str, public_url: str = "", *, url: str = "") -> None:
        super().__init__(VENDOR, options)
        self._url = f"{url or HOST}/2010-04-01/Accounts/{options.account}/Messages.json"
        self._auth = httpx.BasicAuth(options.api_key, key)
        self._sender = {"MessagingServiceSid" if options.sender.startswith("MG") else "From": options.sender}
        self._reports = f"{public_url}/v1/providers/twilio" if public_url else ""

    def request(self, group: Sequence[Outgoing]) -> Post:
        (message,) = group
        fields = {"To": message.address, "Body": part(message, "text"), **self._sender}
        if self._reports:
            fields["StatusCallback"] = f"{self._reports}?{urlencode({'key': message.message_key})}"
        return self._signed(fields)

    def empty(self) -> Post:
        return self._signed(self._sender)

    def _signed(self, fields: Mapping[str, str]) -> Post:
        request = httpx.Request("POST", self._url, data=fields)
        request = next(self._auth.auth_flow(request))
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type")}
        return Post(self._url, request.read(), headers)

    def read(self, response: httpx.Response, group: Sequence[Outgoing]) -> list[Outcome]:
        key, said = group[0].message_key, document_of(response)
        if response.is_success:
            return [Sent(key, provider_id=str(said.get("sid", ""))[:100] or None)]
        error = said.get("code")
        why = code_of(error, response)
        if error is not None and error not in _OF_ONE:
            return [Transient(key, why)]
        return [Failed(key, why, hard_bounce=error in _DEAD)]


CHANNEL: Final = TwilioChannel
