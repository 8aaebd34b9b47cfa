"""Requests at the same moment share a transaction: each hears of its own events, and none suffers by another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from console.group_commit import GroupCommit, Kept
from memory.clock import ManualClock
from memory.errors import StoreError
from memory.schema import intake
from memory.store import Store
from tests.tools.scene import NOW, add_contacts
from tools.intake import Incoming, Receipt, receive


def view(name: str) -> Incoming:
    return Incoming(event_id=name, kind="view", at=NOW, contact=1)


def take(store: Store, *requests: Sequence[Incoming]) -> list[Any]:
    together = GroupCommit(store, ManualClock(NOW))

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(together.receive(events) for events in requests), return_exceptions=True)

    return asyncio.run(all_at_once())


def kept(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(intake)).scalar_one())


def test_each_request_hears_of_its_own_events(store: Store) -> None:
    add_contacts(store, [1])
    receive(store, [view("old")], NOW)
    found = take(store, [view("a")], [view("old")], [view("a"), view("b")], [])
    assert found == [Kept(1, 0), Kept(0, 1), Kept(1, 1), Kept(0, 0)]
    assert kept(store) == 3


def test_many_at_once_take_few_transactions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add_contacts(store, [1])
    sizes: list[int] = []

    def counted(store: Store, events: Sequence[Incoming], at: datetime) -> Receipt:
        sizes.append(len(events))
        return receive(store, events, at)

    monkeypatch.setattr("console.group_commit.receive", counted)
    assert take(store, *([view(f"e{one}")] for one in range(50))) == [Kept(1, 0)] * 50
    assert len(sizes) <= 2


def test_one_that_cannot_be_kept_is_told_and_takes_no_other_with_it(store: Store) -> None:
    add_contacts(store, [1])
    # JSON has no way to write this down.
    bad = Incoming(event_id="bad", kind="view", at=NOW, contact=1, properties={"x": object()})
    good, broken, other = take(store, [view("a")], [bad], [view("b")])
    assert (good, other) == (Kept(1, 0), Kept(1, 0))
    assert isinstance(broken, Exception)
    assert kept(store) == 2


def test_when_the_store_fails_everybody_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Receipt:
        raise StoreError("the disk is full")

    monkeypatch.setattr("console.group_commit.receive", fails)
    assert all(isinstance(one, StoreError) for one in take(store, [view("a")], [view("b")]))


def test_a_caller_who_hangs_up_takes_no_other_with_it(store: Store) -> None:
    add_contacts(store, [1])
    together = GroupCommit(store, ManualClock(NOW))

    async def hang_up() -> Kept:
        first = asyncio.create_task(together.receive([view("a")]))
        second = asyncio.create_task(together.receive([view("b")]))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(hang_up()) == Kept(1, 0)
    assert kept(store) == 2
