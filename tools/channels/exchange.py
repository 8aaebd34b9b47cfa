"""Messages posted to an API: many requests at once, asked again where that is safe, honest about what may have left."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from tools.channels.channel import Capabilities, Outcome, Outgoing, Transient, Unknown
from tools.patience import asked_for

_ATTEMPTS: Final = 5
_PAUSE: Final = wait_exponential(multiplier=0.2, max=10) + wait_random(0, 0.2)
_NOT_TAKEN: Final = frozenset({408, 425, 429, 503})
# What these speak of is the account and our right to use it, never one message.
_OUR_TROUBLE: Final = frozenset({401, 402, 403, 404, 405, 407, 415})
# Servers hang up on connections that were idle for a minute; a message must not be the one to find out.
_IDLE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Post:
    """One request that carries messages."""

    url: str
    content: bytes
    headers: Mapping[str, str]


class NoAnswerError(Exception):
    """The other side did not take it, or nobody can tell whether it did."""

    def __init__(self, reason: str, *, left: bool, pause_seconds: float = 0.0, away: bool = False) -> None:
        self.reason = reason
        self.left = left
        """True when it may have left all the same."""
        self.pause_seconds = pause_seconds
        self.away = away
        """True when it takes nothing of ours now: to ask again, or for another message, is of no use."""
        super().__init__(reason)


class PostingChannel(ABC):
    """A channel that posts to one API; how that one is spoken to is written in its subclass."""

    def __init__(
        self,
        name: str,
        capabilities: Capabilities,
        *,
        group: int,
        connections: int,
        repeatable: bool,
        timeout_seconds: float = 15.0,
        title: str = "the endpoint",
    ) -> None:
        """``group`` messages go into one request; a ``repeatable`` one is carried out once however often it is made."""
        self.name = name
        self.capabilities = capabilities
        self.title = title
        self._group = group
        self._connections = connections
        self._repeatable = repeatable
        self._timeout_seconds = timeout_seconds
        self._runner: asyncio.Runner | None = None
        self._client: httpx.AsyncClient | None = None
        self._resting_until = 0.0

    @abstractmethod
    def request(self, group: Sequence[Outgoing]) -> Post:
        """The request that carries these messages."""

    @abstractmethod
    def read(self, response: httpx.Response, group: Sequence[Outgoing]) -> list[Outcome]:
        """What an answer says of each message. Raises NoAnswerError for one that says nothing, to be asked again."""

    def splits(self, response: httpx.Response) -> bool:
        """Whether a refusal of many may be the fault of one, so that each is to be asked by itself."""
        return response.is_client_error

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
            limits = httpx.Limits(keepalive_expiry=_IDLE_SECONDS)
            self._client = httpx.AsyncClient(
                transport=AiohttpTransport(trust_env=False, limits=limits), trust_env=False
            )
        client = self._client
        size = self._group
        waiting = deque([batch[start : start + size] for start in range(0, len(batch), size)])
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
                    reason = f"{self.title} could not be reached: {type(error).__name__}"
                    said = [Transient(one.message_key, reason, away=True) for one in group]
                # One refusal speaks for all: each message's own attempts would take hours.
                away = next((one.reason for one in said if isinstance(one, Transient) and one.away), away)
                outcomes.update({outcome.message_key: outcome for outcome in said})

        await asyncio.gather(*(work() for _ in range(min(self._connections, len(waiting)))))
        return [outcomes[message.message_key] for message in batch]

    async def _ask(self, client: httpx.AsyncClient, group: Sequence[Outgoing], until: float) -> list[Outcome]:
        lost = False

        def may_be_asked_again(error: BaseException) -> bool:
            nonlocal lost
            if not isinstance(error, NoAnswerError):
                return isinstance(error, httpx.ConnectError)
            lost |= error.left
            return not error.away and (not error.left or self._repeatable)

        first: NoAnswerError | httpx.ConnectError | None = None

        async def ask() -> list[Outcome] | None:
            nonlocal first
            if first is not None:
                error, first = first, None
                raise error
            return self._understand(await self._post(client, group, until), group, lost)

        try:
            # Nearly all are taken at once, and what retries costs as much as asking does: it starts from the failure.
            try:
                said = await ask()
            except (NoAnswerError, httpx.ConnectError) as error:
                first = error
                said = await AsyncRetrying(
                    retry=retry_if_exception(may_be_asked_again),
                    stop=stop_after_attempt(_ATTEMPTS) | stop_before_delay(until - time.monotonic()),
                    wait=_pause,
                    reraise=True,
                )(ask)
        except httpx.ConnectError:
            if not lost:
                raise
            return [Unknown(one.message_key, "the connection was lost while it was in flight") for one in group]
        except NoAnswerError as error:
            if lost:
                return [Unknown(one.message_key, error.reason) for one in group]
            pause = error.pause_seconds
            return [Transient(one.message_key, error.reason, pause_seconds=pause, away=error.away) for one in group]
        if said is not None:
            return said
        # Something in it is wrong: each is asked by itself, so that one does not take the others with it.
        return [outcome for one in group for outcome in await self._ask(client, [one], until)]

    def _understand(self, response: httpx.Response, group: Sequence[Outgoing], lost: bool) -> list[Outcome] | None:
        """What became of each message; None when it is to be asked one by one."""
        if response.status_code in _OUR_TROUBLE or response.is_redirect:
            reason = f"{self.title} does not take our messages: {response.status_code}"
            if lost:
                return [Unknown(one.message_key, reason) for one in group]
            # A key that is refused is refused for all: to try it on each message would only lock the account.
            nobody = response.status_code == httpx.codes.UNAUTHORIZED
            return [Transient(one.message_key, reason, away=nobody) for one in group]
        if len(group) > 1 and response.is_client_error and self.splits(response):
            return None
        return self.read(response, group)

    async def _post(self, client: httpx.AsyncClient, group: Sequence[Outgoing], until: float) -> httpx.Response:
        return await self.hand_over(client, self.request(group), until)

    async def hand_over(self, client: httpx.AsyncClient, post: Post, until: float) -> httpx.Response:
        """The answer to one request. Raises NoAnswerError where there is none that says anything."""
        await self._rest(until)
        patience = min(self._timeout_seconds, max(until - time.monotonic(), 0.1))
        try:
            # A server that answers byte by byte never lets a read run into its own time-out.
            async with asyncio.timeout(patience + 1):
                response = await client.post(post.url, content=post.content, headers=post.headers, timeout=patience)
        except (httpx.TransportError, httpx.DecodingError, aiohttp.ClientError, TimeoutError) as error:
            # The transport calls a hang-up in mid-flight a time-out of the connection too; its cause tells them apart.
            if isinstance(error.__cause__, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
                raise httpx.ConnectError("unreachable") from error
            reason = f"the connection was lost while it was in flight: {type(error).__name__}"
            raise NoAnswerError(reason, left=True) from error
        code = response.status_code
        if code in _NOT_TAKEN:
            seconds = asked_for(response)
            self._resting_until = max(self._resting_until, time.monotonic() + seconds)
            raise NoAnswerError(f"{self.title} asks for patience: {code}", left=False, pause_seconds=seconds)
        if code == httpx.codes.CONFLICT or response.is_server_error:
            raise NoAnswerError(f"{self.title} failed: {code}", left=True, pause_seconds=asked_for(response))
        return response

    async def _rest(self, until: float) -> None:
        """Stay away while another request was asked to."""
        seconds = self._resting_until - time.monotonic()
        if seconds <= 0:
            return
        if time.monotonic() + seconds > until:
            raise NoAnswerError(f"{self.title} asks for patience", left=False, pause_seconds=seconds)
        await asyncio.sleep(seconds)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.pause_seconds if isinstance(error, NoAnswerError) else 0.0
    return max(asked, _PAUSE(state))
