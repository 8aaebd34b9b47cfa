"""How mail is handed to Resend (https://resend.com/docs/api-reference/emails/send-batch-emails)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import httpx

from memory.canonical import digest
from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Transient, Unknown
from tools.channels.exchange import NoAnswerError, Post
from tools.channels.provider import ProviderChannel
from tools.channels.reply import code_of, document_of
from tools.channels.resend.options import VENDOR, ResendOptions
from tools.channels.vendor import KEY_FIELD, list_headers, part

HOST: Final = "https://api.resend.com"
# Resend refuses a quoted name, and takes these for the end of an unquoted one.
_NOT_IN_NAMES: Final = re.compile(r'[<>",;:@()\[\]\\]+')
_NOT_IN_TAGS: Final = re.compile(r"[^A-Za-z0-9_-]")


class ResendChannel(ProviderChannel):
    """Up to a hundred messages in one request, which Resend carries out once however often it is repeated."""

    def __init__(self, options: ResendOptions, key: str, public_url: str = "", *, url: str = "") -> None:
        super().__init__(VENDOR, options, repeatable=True)
        self._url = f"{url or HOST}/emails/batch"
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "x-batch-validation": "permissive",
        }

    def request(self, group: Sequence[Outgoing]) -> Post:
        headers = {**self._headers, "Idempotency-Key": digest([one.message_key for one in group])}
        return Post(self._url, json.dumps([_document(one) for one in group]).encode(), headers)

    def empty(self) -> Post:
        return Post(self._url, b"[]", self._headers)

    def read(self, response: httpx.Response, group: Sequence[Outgoing]) -> list[Outcome]:
        said = document_of(response)
        if response.is_client_error:
            if "quota" in str(said.get("name", "")):
                return [Transient(one.message_key, code_of(said["name"], response)) for one in group]
            return [Failed(one.message_key, code_of(said.get("name"), response)) for one in group]
        if not isinstance(said.get("data"), list):
            raise NoAnswerError("Resend did not say what became of it", left=True)
        refused = {
            one["index"]: str(one.get("message", ""))
            for one in said.get("errors") or []
            if isinstance(one, dict) and isinstance(one.get("index"), int)
        }
        ids = [str(one.get("id", "")) if isinstance(one, dict) else "" for one in said["data"]]
        taken = [place for place in range(len(group)) if place not in refused]
        # Ids come for those that were taken, in order; if their number is another, nobody can tell which is whose.
        told = dict(zip(taken, ids, strict=True)) if len(ids) == len(taken) else {}
        return [self._outcome(one, place, told, refused) for place, one in enumerate(group)]

    def _outcome(
        self, message: Outgoing, place: int, told: dict[int, str], refused: dict[int, str]
    ) -> Sent | Failed | Unknown:
        if place in refused:
            return Failed(message.message_key, "refused: invalid", hard_bounce="`to`" in refused[place])
        if place in told:
            return Sent(message.message_key, provider_id=told[place][:100] or None)
        return Unknown(message.message_key, "Resend did not say what became of it")


def _document(message: Outgoing) -> dict[str, Any]:
    name = " ".join(_NOT_IN_NAMES.sub(" ", part(message, "from_name")).split())
    tags = {KEY_FIELD: message.message_key, "campaign": _NOT_IN_TAGS.sub("_", message.campaign)}
    return {
        "from": f"{name} <{message.sender}>" if name else message.sender,
        "to": [message.address],
        "reply_to": part(message, "reply_to") or message.sender,
        "subject": part(message, "subject"),
        "html": part(message, "html"),
        "text": part(message, "text"),
        "headers": list_headers(message),
        "tags": [{"name": tag, "value": value} for tag, value in tags.items() if value],
    }


CHANNEL: Final = ResendChannel
