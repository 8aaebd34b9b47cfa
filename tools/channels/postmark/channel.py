"""How mail is handed to Postmark (https://postmarkapp.com/developer/api/email-api#send-batch-emails)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from email.utils import formataddr
from typing import Any, Final

import httpx

from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Transient, Unknown
from tools.channels.exchange import Post
from tools.channels.postmark.options import VENDOR, PostmarkOptions
from tools.channels.provider import ProviderChannel
from tools.channels.reply import code_of, document_of, json_of
from tools.channels.vendor import KEY_FIELD, list_headers, part

HOST: Final = "https://api.postmarkapp.com"
TEST_TOKEN: Final = "POSTMARK_API_TEST"  # noqa: S105 - public: with it messages are checked and not delivered
_INACTIVE: Final = 406
_INVALID: Final = 300
_WRONG_RECIPIENT: Final = re.compile(r"(invalid|error\s+parsing)\s+'to'", re.IGNORECASE)
# Codes that speak of one message (https://postmarkapp.com/developer/api/overview#error-codes); others of the account.
_OF_ONE: Final = frozenset({_INVALID, 402, 403, _INACTIVE, 409, 411})


class PostmarkChannel(ProviderChannel):
    """Up to 200 messages in one request; the answer says of each how it ended."""

    def __init__(self, options: PostmarkOptions, key: str, public_url: str = "", *, url: str = "") -> None:
        super().__init__(VENDOR, options)
        self._url = f"{url or HOST}/email/batch"
        self._headers = {
            "X-Postmark-Server-Token": TEST_TOKEN if options.test else key,
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        self._stream = options.stream

    def request(self, group: Sequence[Outgoing]) -> Post:
        return Post(self._url, json.dumps([self._document(one) for one in group]).encode(), self._headers)

    def empty(self) -> Post:
        return Post(self._url, b"[]", self._headers)

    def _document(self, message: Outgoing) -> dict[str, Any]:
        document = {
            "From": formataddr((part(message, "from_name"), message.sender)),
            "To": message.address,
            "ReplyTo": part(message, "reply_to"),
            "Subject": part(message, "subject"),
            "TextBody": part(message, "text"),
            "HtmlBody": part(message, "html"),
            "MessageStream": self._stream,
            "Headers": [{"Name": name, "Value": value} for name, value in list_headers(message).items()],
            "Metadata": {KEY_FIELD: message.message_key},
            "TrackOpens": False,
            "TrackLinks": "None",
        }
        return {**document, "Tag": message.campaign} if message.campaign else document

    def read(self, response: httpx.Response, group: Sequence[Outgoing]) -> list[Outcome]:
        if response.is_client_error:
            return [self._outcome(one, document_of(response), response) for one in group]
        said = json_of(response)
        if not isinstance(said, list) or len(said) != len(group):
            return [Unknown(one.message_key, "Postmark did not say what became of it") for one in group]
        return [self._outcome(one, its, response) for one, its in zip(group, said, strict=True)]

    def _outcome(self, message: Outgoing, said: Any, response: httpx.Response) -> Outcome:
        key = message.message_key
        error = said.get("ErrorCode") if isinstance(said, dict) else None
        if error == 0:
            return Sent(key, provider_id=str(said.get("MessageID", ""))[:100] or None)
        if not isinstance(error, int):
            return Unknown(key, "Postmark did not say what became of it")
        why = code_of(error, response)
        if error not in _OF_ONE:
            return Transient(key, why)
        wrong = error == _INVALID and _WRONG_RECIPIENT.match(str(said.get("Message", ""))) is not None
        return Failed(key, why, hard_bounce=wrong or error == _INACTIVE)


CHANNEL: Final = PostmarkChannel
