"""How mail is handed to Amazon SES (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Transient
from tools.channels.exchange import Post
from tools.channels.provider import ProviderChannel
from tools.channels.reply import code_of, document_of
from tools.channels.ses.options import VENDOR, SesOptions
from tools.channels.ses.signature import sign
from tools.channels.vendor import KEY_FIELD

# Errors of a single message, unless it says that somebody is not verified; all others speak of the account.
_OF_ONE: Final = frozenset({"MessageRejected", "BadRequestException", "ValidationException"})
_NOT_IN_TAGS: Final = re.compile(r"[^A-Za-z0-9_.@-]")


class SesChannel(ProviderChannel):
    """One request for each message, which leaves byte for byte as it was composed."""

    def __init__(self, options: SesOptions, key: str, public_url: str = "", *, url: str = "") -> None:
        super().__init__(VENDOR, options)
        self._url = f"{url or f'https://email.{options.region}.amazonaws.com'}/v2/email/outbound-emails"
        self._key = key
        self._options = options

    def request(self, group: Sequence[Outgoing]) -> Post:
        (message,) = group
        tags = {KEY_FIELD: message.message_key, "campaign": _NOT_IN_TAGS.sub("_", message.campaign)[:256]}
        document: dict[str, Any] = {
            "FromEmailAddress": message.sender,
            "Destination": {"ToAddresses": [message.address]},
            "Content": {"Raw": {"Data": base64.b64encode(message.content).decode()}},
            "EmailTags": [{"Name": name, "Value": value} for name, value in tags.items() if value],
        }
        if self._options.configuration_set:
            document["ConfigurationSetName"] = self._options.configuration_set
        return self._signed(document)

    def empty(self) -> Post:
        return self._signed({})

    def _signed(self, document: Mapping[str, Any]) -> Post:
        body = json.dumps(document).encode()
        headers = sign(
            self._url,
            body,
            {"Content-Type": "application/json"},
            key_id=self._options.access_key_id,
            secret=self._key,
            region=self._options.region,
            service="ses",
            at=datetime.now(UTC),
        )
        return Post(self._url, body, headers)

    def read(self, response: httpx.Response, group: Sequence[Outgoing]) -> list[Outcome]:
        key, said = group[0].message_key, document_of(response)
        if response.is_success:
            return [Sent(key, provider_id=str(said.get("MessageId", ""))[:100] or None)]
        error = response.headers.get("x-amzn-errortype", "").partition(":")[0]
        why = code_of(error, response)
        # Its text names whom SES would have verified, so it is read here and kept nowhere.
        text = str(said.get("message") or said.get("Message") or "").lower()
        if "not verified" in text:
            # A sender who lapsed is refused for all; a recipient, as the sandbox wants them verified too, alone.
            return [Transient(key, f"{why}, not verified", away=group[0].sender.lower() in text)]
        return [Failed(key, why) if error in _OF_ONE or not error else Transient(key, why)]


CHANNEL: Final = SesChannel
