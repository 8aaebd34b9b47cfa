"""A person settles what nobody knew."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory import unknown
from memory.clock import ManualClock
from memory.errors import NotFoundError
from memory.journal import entries
from memory.store import Store
from tests.tools.scene import NOW, add_contacts, counts, outbox, play, start, workplace
from tools.settle import settle
from tools.worker import tick
from tools.workplace import Workplace


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    """Two messages in flight at the moment of a crash."""
    place = workplace(any_store, clock, tmp_path)
    add_contacts(place.store, [1, 2])
    start(place, play(), [1, 2])
    with place.store.write() as connection:
        unknown.give_up(connection, at=clock.now(), reason="the worker fell silent")
    return place


def _key(place: Workplace) -> str:
    with place.store.read() as connection:
        return unknown.list_unknown(connection)[0].message_key


@pytest.mark.parametrize(("sent", "state"), [(True, "sent"), (False, "failed")])
def test_a_settled_message_is_over_and_never_sent_again(
    place: Workplace, tmp_path: Path, sent: bool, state: str
) -> None:
    key = _key(place)
    with place.store.write() as connection:
        done = settle(connection, key[:12], sent=sent, at=NOW, actor="cli:marie", reason="the provider's log")
    assert (done.state, done.sent_at is not None) == (state, sent)
    tick(place)
    assert outbox(tmp_path) == {}
    assert counts(place.store) == {state: 1, "unknown": 1}
    with place.store.read() as connection:
        assert [one.subject for one in entries(connection, action=f"message.settled_{state}")] == [key]


def test_what_is_not_unknown_or_not_told_apart_cannot_be_settled(place: Workplace) -> None:
    key = _key(place)
    with place.store.write() as connection:
        settle(connection, key, sent=True, at=NOW, actor="cli:marie", reason="seen")
    for name, why in [(key, "No unknown message"), ("nonsense", "No unknown message")]:
        with place.store.write() as connection, pytest.raises(NotFoundError, match=why):
            settle(connection, name, sent=False, at=NOW, actor="cli:marie", reason="seen")


def test_a_beginning_that_fits_two_messages_settles_neither(place: Workplace) -> None:
    with place.store.write() as connection, pytest.raises(NotFoundError, match="2 unknown messages"):
        settle(connection, "", sent=True, at=NOW, actor="cli:marie", reason="seen")
    assert counts(place.store) == {"unknown": 2}
