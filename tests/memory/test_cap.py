"""The frequency cap: exact for every contact, whoever asks, in whatever order."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from memory import cap
from memory.cap import Cap
from memory.schema import cap_slots
from memory.store import Store

AT = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
THREE_IN_SEVEN = Cap(limit=3, window_days=7)
RACER = Path(__file__).parent / "cap_racer.py"


def ask(store: Store, contact_id: int, key: str, at: datetime, limits: Cap = THREE_IN_SEVEN) -> bool:
    with store.write() as connection:
        locked = cap.lock(connection, [contact_id], limits.limit)
        return contact_id in cap.reserve(connection, {contact_id: key}, locked, cap=limits, at=at)


def test_a_contact_gets_as_many_messages_as_the_cap_allows_and_no_more(any_store: Store) -> None:
    assert [ask(any_store, 1, f"m{number}", AT) for number in range(5)] == [True, True, True, False, False]
    assert ask(any_store, 2, "other", AT)


def test_room_comes_back_when_the_oldest_message_leaves_the_window(any_store: Store) -> None:
    for number in range(3):
        assert ask(any_store, 1, f"m{number}", AT + number * DAY)
    assert not ask(any_store, 1, "early", AT + 7 * DAY - timedelta(microseconds=1))
    assert ask(any_store, 1, "late", AT + 7 * DAY)
    assert not ask(any_store, 1, "again", AT + 7 * DAY)


def test_asking_twice_for_the_same_message_takes_one_place(any_store: Store) -> None:
    assert all(ask(any_store, 1, "same", AT) for _ in range(5))
    assert ask(any_store, 1, "second", AT)


def test_a_looser_cap_gives_more_places_and_a_tighter_one_gives_none(any_store: Store) -> None:
    for number in range(3):
        assert ask(any_store, 1, f"m{number}", AT)
    assert not ask(any_store, 1, "tight", AT + 4 * DAY, Cap(limit=2, window_days=7))
    assert ask(any_store, 1, "loose", AT, Cap(limit=4, window_days=7))
    assert not ask(any_store, 1, "over", AT, Cap(limit=4, window_days=7))
    assert not ask(any_store, 1, "none", AT + 99 * DAY, Cap(limit=0, window_days=7))


def test_the_window_counts_from_the_moment_a_message_really_left(any_store: Store) -> None:
    for number in range(3):
        assert ask(any_store, 1, f"m{number}", AT)
    with any_store.write() as connection:
        cap.settle(connection, [(1, "m0"), (1, "m1"), (1, "m2")], AT + timedelta(minutes=5))
    assert not ask(any_store, 1, "early", AT + 7 * DAY)
    assert ask(any_store, 1, "late", AT + 7 * DAY + timedelta(minutes=5))


def test_a_place_is_given_back_for_a_message_that_did_not_leave(any_store: Store) -> None:
    for number in range(3):
        assert ask(any_store, 1, f"m{number}", AT)
    with any_store.write() as connection:
        cap.refund(connection, [(1, "m1"), (1, "never asked")])
    assert ask(any_store, 1, "instead", AT)
    assert not ask(any_store, 1, "over", AT)


def test_messages_of_other_systems_enter_the_cap_once(any_store: Store) -> None:
    sends = [(1, f"old-{number}", AT - number * DAY) for number in range(5)]
    with any_store.write() as connection:
        assert cap.seed(connection, sends, 3) == 3
        assert cap.seed(connection, sends[:3], 3) == 0
    assert not ask(any_store, 1, "now", AT)
    assert ask(any_store, 1, "later", AT + 5 * DAY)


def test_merged_contacts_share_one_cap(any_store: Store) -> None:
    assert ask(any_store, 1, "a", AT)
    assert ask(any_store, 1, "b", AT)
    assert ask(any_store, 2, "c", AT)
    with any_store.write() as connection:
        cap.merge(connection, kept=1, merged=2)
    assert not ask(any_store, 1, "d", AT)
    with any_store.write() as connection:
        cap.merge(connection, kept=8, merged=9)
    assert ask(any_store, 8, "e", AT)


def test_the_moment_of_the_next_room_is_told_exactly(any_store: Store) -> None:
    for number in range(3):
        assert ask(any_store, 1, f"m{number}", AT + number * DAY)
    with any_store.read() as connection:
        slots = cap.read(connection, [1])[1]
    assert THREE_IN_SEVEN.room_at(slots, AT + 3 * DAY) == AT + 7 * DAY
    assert THREE_IN_SEVEN.room_at(slots, AT + 7 * DAY) == AT + 7 * DAY
    assert Cap(limit=2, window_days=7).room_at(slots, AT + 3 * DAY) == AT + 8 * DAY


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limit=st.integers(1, 4),
    steps=st.lists(
        st.tuples(st.sampled_from(["ask", "refund"]), st.integers(0, 40), st.integers(0, 9)), min_size=1, max_size=40
    ),
)
def test_no_window_ever_holds_more_than_the_cap(store: Store, limit: int, steps: list[tuple[str, int, int]]) -> None:
    with store.write() as connection:
        connection.execute(delete(cap_slots))
    limits, at, left = Cap(limit=limit, window_days=7), AT, dict[str, datetime]()
    for number, (what, hours, which) in enumerate(steps):
        at += timedelta(hours=hours)
        if what == "ask":
            key = f"m{number}"
            if ask(store, 1, key, at, limits):
                left[key] = at
            else:
                recent = [then for then in left.values() if then > at - 7 * DAY]
                # Never refused while there was room.
                assert len(recent) >= limit
        elif left:
            key = sorted(left)[which % len(left)]
            # Only what was just taken is ever given back: an attempt ends within minutes.
            if left[key] == at:
                del left[key]
                with store.write() as connection:
                    cap.refund(connection, [(1, key)])
    moments = sorted(left.values())
    for start in moments:
        assert sum(1 for then in moments if start <= then < start + 7 * DAY) <= limit


@pytest.mark.slow
def test_four_processes_never_pass_the_cap_together(postgres_store: Store) -> None:
    contacts = 200
    racers = [
        subprocess.Popen(
            [sys.executable, str(RACER), postgres_store.url, str(seed), str(contacts), "12"],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"},
            text=True,
        )
        for seed in range(4)
    ]
    granted = [int(racer.communicate(timeout=120)[0]) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 4
    # 4 x 12 x 100 requests for 600 places: the cap decides, and every place is taken exactly once.
    assert sum(granted) == contacts * THREE_IN_SEVEN.limit
    with postgres_store.read() as connection:
        per_contact = select(func.count()).select_from(cap_slots).group_by(cap_slots.c.contact_id)
        assert set(connection.execute(per_contact).scalars()) == {THREE_IN_SEVEN.limit}
