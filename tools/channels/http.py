"""Messages as signed JSON over HTTP, for any provider that somebody has put a small endpoint before.

The body is signed with HMAC-SHA256 over the time and the bytes; the message key is the idempotency key.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any, Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from pydantic import SecretStr
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from memory.canonical import digest
from memory.errors import ConfigurationError
from memory.steps import REACHING
from memory.steps import Channel as ChannelName
from tools.channels.channel import Capabilities, Failed, Outcome, Outgoing, Sent, Transient, Unknown

_ATTEMPTS: Final = 5
_PAUSE: Final = wait_exponential(multiplier=0.2, max=10) + wait_random(0, 0.2)
_SHORTEST_SECRET: Final = 16
_NOT_TAKEN: Final = frozenset({408, 425, 429, 503})
# What these speak of is the endpoint and our right to use it, never one message.
_OUR_TROUBLE: Final = frozenset({401, 402, 403, 404, 405, 407, 415})
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
    batch_size: int = 50
    connections: int = 4
    timeout_seconds: float = 15.0
    max_length: int | None = None

    @property
    def host(self) -> str:
        """The host name in the address."""
        return httpx.URL(self.url).host

    @property
    def is_loopback(self) -> bool:
        """True when it is this very machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class _NoAnswerError(Exception):
    """The endpoint did not take it, or nobody can tell whether it did."""

    def __init__(self, reason: str, *, left: bool, pause_seconds: float = 0.0) -> None:
        self.reason = reason
        self.left = left
        """True when it may have left all the same."""
        self.pause_seconds = pause_seconds
        super().__init__(reason)


class HttpChannel:
    """Posts messages to one endpoint."""

    def __init__(self, endpoint: HttpEndpoint, *, public_url: str = "") -> None:
        """Raises ConfigurationError for an endpoint to which messages may not be handed."""
        self._secret = _checked(endpoint, public_url)
        self.name = f"http {endpoint.host}"[:32]
        self.capabilities = Capabilities(
            carries=endpoint.carries,
            idempotent=endpoint.idempotent,
            batch_size=endpoint.batch_size,
            at_once=endpoint.batch_size
            if endpoint.idempotent or endpoint.batch
            else min(endpoint.batch_size, 2 * endpoint.connections),
            tells_each=endpoint.tells_each or not endpoint.batch,
            max_length=endpoint.max_length,
        )
        self._endpoint = endpoint
        self._runner: asyncio.Runner | None = None
        self._client: httpx.AsyncClient | None = None

    def send_many(self, batch: Sequence[Outgoing], *, seconds: float) -> list[Outcome]:
        if not batch:
            return []
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(self._send_all(batch, time.monotonic() + seconds))

    def close(self) -> None:
        """Let go of connections."""
        if self._runner is not None:
            if self._client is not None:
                self._runner.run(self._client.aclose())
                self._client = None
            self._runner.close()
            self._runner = None

    async def _send_all(self, batch: Sequence[Outgoing], until: float) -> list[Outcome]:
        if self._client is None:
            # The environment names no proxy here: what leaves, and through whom, is in the settings alone.
            self._client = httpx.AsyncClient(
                transport=AiohttpTransport(trust_env=False), timeout=self._endpoint.timeout_seconds, trust_env=False
            )
        client = self._client
        waiting = deque([list(batch)] if self._endpoint.batch else [[message] for message in batch])
        outcomes: dict[str, Outcome] = {}
        away = ""

        async def work() -> None:
            nonlocal away
            while waiting:
                group = waiting.popleft()
                if away or time.monotonic() > until:
                    late = Transient("", away or "not started in time", tried=bool(away), away=bool(away))
                    outcomes.update({one.message_key: replace(late, message_key=one.message_key) for one in group})
                    continue
                try:
                    said = await self._ask(client, group, until)
                except httpx.ConnectError as error:
                    # One refusal speaks for all: each message's own attempts would take hours.
                    away = f"the endpoint could not be reached: {type(error).__name__}"
                    said = [Transient(one.message_key, away, away=True) for one in group]
                outcomes.update({outcome.message_key: outcome for outcome in said})

        await asyncio.gather(*(work() for _ in range(min(self._endpoint.connections, len(waiting)))))
        return [outcomes[message.message_key] for message in batch]

    async def _ask(self, client: httpx.AsyncClient, group: Sequence[Outgoing], until: float) -> list[Outcome]:
        lost = False

        def may_be_asked_again(error: BaseException) -> bool:
            nonlocal lost
            if not isinstance(error, _NoAnswerError):
                return isinstance(error, httpx.ConnectError)
            lost |= error.left
            return not error.left or self._endpoint.idempotent

        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception(may_be_asked_again),
                stop=stop_after_attempt(_ATTEMPTS) | stop_before_delay(until - time.monotonic()),
                wait=_pause,
                reraise=True,
            ):
                with attempt:
                    response = await self._post(client, group, until)
        except httpx.ConnectError:
            if not lost:
                raise
            return [Unknown(one.message_key, "the connection was lost while it was in flight") for one in group]
        except _NoAnswerError as error:
            if lost:
                return [Unknown(one.message_key, error.reason) for one in group]
            return [Transient(one.message_key, error.reason, pause_seconds=error.pause_seconds) for one in group]
        if response.status_code in _OUR_TROUBLE or response.is_redirect:
            reason = f"the endpoint does not take our messages: {response.status_code}"
            return [(Unknown if lost else Transient)(one.message_key, reason) for one in group]
        if response.is_client_error and len(group) > 1 and not _results(response):
            # Something in it is wrong: each is asked by itself, so that one does not take the others with it.
            return [outcome for one in group for outcome in await self._ask(client, [one], until)]
        return self._read(response, group)

    async def _post(self, client: httpx.AsyncClient, group: Sequence[Outgoing], until: float) -> httpx.Response:
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
        patience = min(self._endpoint.timeout_seconds, max(until - time.monotonic(), 0.1))
        try:
            response = await client.post(self._endpoint.url, content=body, headers=headers, timeout=patience)
        except (httpx.TransportError, aiohttp.ClientError) as error:
            # The transport calls a hang-up in mid-flight a time-out of the connection too; its cause tells them apart.
            if isinstance(error.__cause__, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
                raise httpx.ConnectError("unreachable") from error
            reason = f"the connection was lost while it was in flight: {type(error).__name__}"
            raise _NoAnswerError(reason, left=True) from error
        code = response.status_code
        if code in _NOT_TAKEN:
            reason = f"the endpoint asks for patience: {code}"
            raise _NoAnswerError(reason, left=False, pause_seconds=_retry_after(response))
        if code == httpx.codes.CONFLICT or response.is_server_error:
            reason = f"the endpoint failed: {code}"
            raise _NoAnswerError(reason, left=True, pause_seconds=_retry_after(response))
        return response

    def _read(self, response: httpx.Response, group: Sequence[Outgoing]) -> list[Outcome]:
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


def _retry_after(response: httpx.Response) -> float:
    """Seconds that the other side asks to be left alone, as a number or a date (RFC 9110, 10.2.3)."""
    said = response.headers.get("Retry-After", "")
    if said.isdecimal():
        return float(said)
    try:
        return max((parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return 0.0


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.pause_seconds if isinstance(error, _NoAnswerError) else 0.0
    return max(asked, _PAUSE(state))
