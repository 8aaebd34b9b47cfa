"""Contacts at the door of a campaign: each is taken once, by whoever comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory import arrivals
from memory.arrivals import Arrival
from memory.clock import ManualClock
from memory.play import Limits
from memory.store import Store
from memory.trigger import EventTrigger
from tests.tools.scene import NOW, add_contacts, play, start, workplace


@pytest.fixture
def campaign_id(any_store: Store, clock: ManualClock, tmp_path: Path) -> str:
    add_contacts(any_store, range(1, 5))
    wanted = play(trigger=EventTrigger(event="cart", runs_days=30), limits=Limits(contacts_per_day=10))
    return start(workplace(any_store, clock, tmp_path), wanted, []).campaign_id


def arrive(store: Store, campaign_id: str, *contacts: int) -> list[Arrival]:
    """Announce contacts, and read who waits now."""
    with store.write() as connection:
        rows = [Arrival(campaign_id=campaign_id, contact_id=one, event_id=f"e{one}", at=NOW) for one in contacts]
        arrivals.announce(connection, rows)
        return arrivals.waiting(connection, campaign_id, after=0, until=99, limit=10)


def take(store: Store, waiting: list[Arrival]) -> set[int]:
    with store.write() as connection:
        return arrivals.take(connection, waiting)


def test_who_was_taken_is_not_taken_again(any_store: Store, campaign_id: str) -> None:
    waiting = arrive(any_store, campaign_id, 1, 2)
    assert take(any_store, waiting) == {one.arrival_id for one in waiting}
    assert take(any_store, waiting) == set()


def test_a_slow_worker_does_not_take_who_came_after_those_that_it_read(any_store: Store, campaign_id: str) -> None:
    read_by_both = arrive(any_store, campaign_id, 1, 2)
    assert len(take(any_store, read_by_both)) == 2
    later = arrive(any_store, campaign_id, 3, 4)
    assert take(any_store, read_by_both) == set()
    assert len(take(any_store, later)) == 2
