"""How approved steps are written back to a system: one request for each, with the pass that also lets us read."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

import httpx

from memory.crm_fields import made_up
from tools.channels.channel import Capabilities, Failed, Outcome, Outgoing
from tools.channels.exchange import NoAnswerError, Post, PostingChannel
from tools.channels.reply import json_of
from tools.crm.api import Pass
from tools.crm.connector import ConnectorError, RefusedError, System

TASK: Final = "task"
"""What a step names that is no property: a task for sales."""
_CONNECTIONS: Final = 4
_REFUSED_SECONDS: Final = 60.0


class WriteBack(PostingChannel):
    """Writes into one system; a property written twice is the same property, a task written twice is two."""

    def __init__(self, system: System, entrance: Pass) -> None:
        at_once = 2 * _CONNECTIONS
        super().__init__(
            system.name,
            Capabilities(carries="crm", idempotent=False, batch_size=at_once, at_once=at_once),
            group=1,
            connections=_CONNECTIONS,
            repeatable=False,
            title=system.title,
        )
        self._pass = entrance
        self._fetching = threading.Lock()
        self._refused: tuple[float, RefusedError] | None = None
        self._ids: dict[str, str] = {}
        """Of the contacts of one batch, by address: tomorrow's batch may meet another contact under it."""

    def refuses(self, message: Outgoing) -> str:
        """Why a step may not be written; empty for one that may."""
        return made_up(str(message.fields["field"]), message.fields["value"])

    def send_many(self, batch: Sequence[Outgoing], *, seconds: float) -> list[Outcome]:
        self._ids.clear()
        wrong = {
            one.message_key: Failed(one.message_key, f"refused: {why}") for one in batch if (why := self.refuses(one))
        }
        said = super().send_many([one for one in batch if one.message_key not in wrong], seconds=seconds)
        outcomes: dict[str, Outcome] = {**wrong, **{one.message_key: one for one in said}}
        return [outcomes[one.message_key] for one in batch]

    async def exchange(
        self, client: httpx.AsyncClient, post: Post, group: Sequence[Outgoing], until: float
    ) -> httpx.Response:
        """The answer to one request, with a fresh token where the old one has run out. Raises NoAnswerError."""
        response = await self.hand_over(client, post, until)
        if response.status_code == httpx.codes.UNAUTHORIZED and await self.let_in(until, post.headers):
            fresh = Post(post.url, post.content, {**post.headers, **self._pass.headers()})
            return await self.hand_over(client, fresh, until)
        return response

    async def look_up(
        self, client: httpx.AsyncClient, post: Post, group: Sequence[Outgoing], until: float
    ) -> httpx.Response:
        """The answer to a question that writes nothing, so that without one nothing can have left."""
        try:
            response = await self.exchange(client, post, group, until)
        except NoAnswerError as error:
            raise NoAnswerError(error.reason, left=False, pause_seconds=error.pause_seconds, away=error.away) from error
        if response.is_success and json_of(response) is None:
            raise NoAnswerError(f"{self.title} answered with something that is not JSON", left=False)
        return response

    async def let_in(self, until: float, refused: Mapping[str, str] | None = None) -> bool:
        """Have a token, a fresh one where this was ``refused``; False where there is no other. Raises NoAnswerError."""
        try:
            async with asyncio.timeout(max(until - time.monotonic(), 0.1)):
                return await asyncio.to_thread(self._fetch, refused)
        except (ConnectorError, TimeoutError) as error:
            what = error.what if isinstance(error, ConnectorError) else f"{self.title} gave no access token in time."
            raise NoAnswerError(what.rstrip("."), left=False, away=isinstance(error, RefusedError)) from error

    def _fetch(self, refused: Mapping[str, str] | None) -> bool:
        # Of many requests that are refused at once, the first fetches the token for all.
        with self._fetching:
            # A password that is tried on each message locks the account.
            if self._refused is not None and time.monotonic() < self._refused[0]:
                raise self._refused[1]
            try:
                now = self._pass.headers()
                return refused is None or not now.items() <= refused.items() or self._pass.renew()
            except RefusedError as error:
                self._refused = time.monotonic() + _REFUSED_SECONDS, error
                raise
