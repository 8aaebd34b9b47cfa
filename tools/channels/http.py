"""Messages as signed JSON over HTTP, for any provider that somebody has put a small endpoint before.

The body is signed with HMAC-SHA256 over the time and the bytes; the message key is the idempotency key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

import httpx
from pydantic import SecretStr

from memory.canonical import digest
from memory.errors import ConfigurationError
from memory.steps import REACHING
from memory.steps import Channel as ChannelName
from tools.channels.channel import Capabilities, Failed, Outcome, Outgoing, Sent, Transient, Unknown
from tools.channels.exchange import Post, PostingChannel

_SHORTEST_SECRET: Final = 16
_CODE: Final = re.compile(r"[a-z0-9_.-]{1,60}")


@dataclass(frozen=True, kw_only=True)
class HttpEndpoint:
    """Where messages are posted, and what stands behind it."""

    url: str
    carries: ChannelName
    secret: SecretStr | None = None
    batch: bool = False
    """One request for a whole batch instead of one for each message."""
    tells_each: bool = True
    """Whether the answer to a batch says of each message how it ended."""
    idempotent: bool = True
    """Whether it delivers a repeated key once; without that, what was in flight is never repeated."""
    batch_size: int | None = None
    """Messages claimed at a time, and in one request of a batch; None for 200, and for 50 of a batch."""
    connections: int = 4
    timeout_seconds: float = 15.0
    max_length: int | None = None

    @property
    def host(self) -> str:
        """The host name in the address."""
        return httpx.URL(self.url).host

    @property
    def claimed(self) -> int:
        """Messages claimed at a time: small claims cost more for each message, and large requests fail as a whole."""
        return self.batch_size or (50 if self.batch else 200)

    @property
    def is_loopback(self) -> bool:
        """True when it is this very machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class HttpChannel(PostingChannel):
    """Posts messages to one endpoint."""

    def __init__(self, endpoint: HttpEndpoint, *, public_url: str = "") -> None:
        """Raises ConfigurationError for an endpoint to which messages may not be handed."""
        self._secret = _checked(endpoint, public_url)
        self._endpoint = endpoint
        capabilities = Capabilities(
            carries=endpoint.carries,
            idempotent=endpoint.idempotent,
            batch_size=endpoint.claimed,
            at_once=endpoint.claimed
            if endpoint.idempotent or endpoint.batch
            else min(endpoint.claimed, 2 * endpoint.connections),
            tells_each=endpoint.tells_each or not endpoint.batch,
            max_length=endpoint.max_length,
        )
        super().__init__(
            f"http {endpoint.host}"[:32],
            capabilities,
            group=endpoint.claimed if endpoint.batch else 1,
            connections=endpoint.connections,
            repeatable=endpoint.idempotent,
            timeout_seconds=endpoint.timeout_seconds,
        )

    def request(self, group: Sequence[Outgoing]) -> Post:
        messages = [_document(one, self._endpoint.carries) for one in group]
        body = json.dumps({"messages": messages} if self._endpoint.batch else messages[0]).encode()
        stamp = str(int(time.time()))
        seal = hmac.digest(self._secret, f"{stamp}.".encode() + body, hashlib.sha256).hex()
        keys = sorted(one.message_key for one in group)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": keys[0] if len(keys) == 1 else digest(keys),
            "Noria-Timestamp": stamp,
            "Noria-Signature": f"v1={seal}",
        }
        if not self._endpoint.idempotent:
            # Servers hang up on idle connections; a message that cannot be repeated must not be the one to find out.
            headers["Connection"] = "close"
        return Post(self._endpoint.url, body, headers)

    def splits(self, response: httpx.Response) -> bool:
        return not _results(response)

    def read(self, response: httpx.Response, group: Sequence[Outgoing]) -> list[Outcome]:
        results = _results(response)
        if len(group) == 1 and not any("key" in one for one in results):
            results = [{"key": group[0].message_key, **one} for one in results[:1]]
        told = {one.get("key"): one for one in results}
        return [self._outcome(one.message_key, told.get(one.message_key, {}), response) for one in group]

    def _outcome(self, key: str, said: Mapping[str, Any], response: httpx.Response) -> Outcome:
        reason = said.get("reason")
        # A provider's sentence may repeat the address; a code cannot.
        code = reason if isinstance(reason, str) and _CODE.fullmatch(reason) else f"refused: {response.status_code}"
        status = said.get("status", "")
        if not status and self._endpoint.batch and self.capabilities.tells_each and response.is_success:
            status = "untold"
        match status or ("sent" if response.is_success else "failed"):
            case "sent":
                found = said.get("id")
                return Sent(key, provider_id=str(found)[:100] if found is not None else None)
            case "transient":
                return Transient(key, code, deferred=True)
            case "failed":
                return Failed(key, code)
            case "hard_bounce":
                return Failed(key, code, hard_bounce=True)
            case "untold":
                return Unknown(key, "the endpoint did not say what became of it")
            case other:
                return Unknown(key, str(other)[:100])


def _checked(endpoint: HttpEndpoint, public_url: str) -> bytes:
    secret = endpoint.secret.get_secret_value() if endpoint.secret else ""
    if len(secret) < _SHORTEST_SECRET:
        raise ConfigurationError(
            f"There is no secret of at least {_SHORTEST_SECRET} characters to sign messages with.",
            where=f"channel {endpoint.carries}",
            remedy=f"Set NORIA_{endpoint.carries.upper()}_SECRET, and give the endpoint the same.",
        )
    if endpoint.is_loopback:
        return secret.encode()
    if not endpoint.url.startswith("https://"):
        raise ConfigurationError(
            "Messages would cross the network unprotected.",
            where=f"channel {endpoint.carries}",
            remedy="Give an https:// address, or one on this machine.",
        )
    if endpoint.carries == "email" and not public_url.startswith("https://"):
        raise ConfigurationError(
            "Mail may not leave without a public address at which people can unsubscribe.",
            where="channel email",
            remedy="Set public_url to the https:// address of this installation.",
        )
    return secret.encode()


def _document(message: Outgoing, channel: ChannelName) -> dict[str, str | int | bool]:
    envelope = {"key": message.message_key, "channel": channel, **message.fields}
    return envelope if channel not in REACHING else {**envelope, "from": message.sender, "to": message.address}


def _results(response: httpx.Response) -> list[dict[str, Any]]:
    """What the answer says of each message; a single one may stand by itself."""
    try:
        said = response.json()
    except ValueError:
        return []
    if not isinstance(said, dict):
        return []
    found = said.get("results", [said] if "status" in said else [])
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
