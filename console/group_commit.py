"""Requests that wait at the same moment share one transaction: a disk that must be asked for each is asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.concurrency import run_in_threadpool

from memory.clock import Clock
from memory.errors import StoreError
from memory.store import Store
from tools.intake import Incoming, receive

_MOST: Final = 1_000
"""Events of one transaction."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the events of one request."""

    accepted: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class _Request:
    events: Sequence[Incoming]
    answer: asyncio.Future[Kept]


class GroupCommit:
    """Takes the events of several requests together; each is answered when its own are on record, and not before."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: list[_Request] = []
        self._writer: asyncio.Task[None] | None = None

    async def receive(self, events: Sequence[Incoming]) -> Kept:
        """Keep events, act on them, and say what became of them. Raises StoreError when they could not be kept."""
        loop = asyncio.get_running_loop()
        mine = _Request(events, loop.create_future())
        self._waiting.append(mine)
        if self._writer is None or self._writer.done() or self._writer.get_loop() is not loop:
            # Not the request's own task: a caller that hangs up must not take the others with it.
            self._writer = loop.create_task(self._write())
        return await mine.answer

    async def _write(self) -> None:
        while self._waiting:
            together = self._next()
            found = await run_in_threadpool(self._keep, [one.events for one in together])
            for one, kept in zip(together, found, strict=True):
                if one.answer.cancelled():
                    continue
                if isinstance(kept, Kept):
                    one.answer.set_result(kept)
                else:
                    one.answer.set_exception(kept)

    def _next(self) -> list[_Request]:
        """The first of those that wait, and as many after it as one transaction takes."""
        number, events = 0, 0
        for one in self._waiting:
            events += len(one.events)
            if number and events > _MOST:
                break
            number += 1
        together, self._waiting = self._waiting[:number], self._waiting[number:]
        return together

    def _keep(self, requests: Sequence[Sequence[Incoming]]) -> list[Kept | Exception]:
        try:
            new = set(receive(self._store, [event for events in requests for event in events], self._clock.now()).new)
        except StoreError as error:
            return [error] * len(requests)
        except Exception as error:  # noqa: BLE001 - the request that caused it is told, and no other
            return [error] if len(requests) == 1 else [self._keep([events])[0] for events in requests]
        found: list[Kept | Exception] = []
        for events in requests:
            mine = {event.event_id for event in events} & new
            new -= mine
            found.append(Kept(len(mine), len(events) - len(mine)))
        return found
