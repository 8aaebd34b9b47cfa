"""The journal: append-only, chained, and one changed byte is found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from memory import journal
from memory.schema import journal as table
from memory.store import Store
from memory.workspace import read_switch, salt, turn_switch
from tests.examples import NOW


def write(store: Store, number: int) -> str:
    with store.write() as connection:
        return journal.append(
            connection, at=NOW, actor="cli:ann", action="test", subject=f"thing {number}", payload={"n": number}
        )


def test_an_untouched_journal_verifies(any_store: Store) -> None:
    hashes = [write(any_store, number) for number in range(5)]
    with any_store.read() as connection:
        found = journal.verify(connection)
        assert (found.intact, found.entries, found.head) == (True, 5, hashes[-1])
        assert [entry.subject for entry in journal.entries(connection, after=3)] == ["thing 3", "thing 4"]
        assert [entry.seq for entry in journal.entries(connection, subject="thing 2")] == [3]


def test_what_people_said_in_a_period_is_found_without_reading_the_rest(any_store: Store) -> None:
    day = timedelta(days=1)
    lines = [(NOW - day, "cli:ann"), (NOW, "cli:ann"), (NOW, "noria"), (NOW, "cliXbob"), (NOW + day, "console:eve")]
    with any_store.write() as connection:
        for at, actor in lines:
            journal.append(connection, at=at, actor=actor, action="test", subject="", payload={})
        found = journal.spoken(connection, ("cli:", "console:"), NOW, NOW + day)
    assert [(one.seq, one.actor) for one in found] == [(2, "cli:ann")]


def test_an_empty_journal_verifies(any_store: Store) -> None:
    with any_store.read() as connection:
        assert journal.verify(connection).intact


@pytest.mark.parametrize(
    "change",
    [
        {"payload": {"n": 8}},
        {"actor": "cli:bnn"},
        {"action": "tess"},
        {"subject": "thing 9"},
        {"previous_hash": "f" * 64},
        {"hash": "f" * 64},
    ],
)
def test_one_changed_value_is_found_at_its_line(any_store: Store, change: dict[str, object]) -> None:
    for number in range(4):
        write(any_store, number)
    with any_store.write() as connection:
        connection.execute(update(table).where(table.c.seq == 2).values(**change))
        found = journal.verify(connection)
    assert not found.intact
    assert found.broken_at == 2


def test_a_removed_line_is_found(any_store: Store) -> None:
    for number in range(4):
        write(any_store, number)
    with any_store.write() as connection:
        connection.execute(delete(table).where(table.c.seq == 2))
        assert journal.verify(connection).broken_at == 2


def test_a_cut_tail_is_found(any_store: Store) -> None:
    for number in range(4):
        write(any_store, number)
    with any_store.write() as connection:
        connection.execute(delete(table).where(table.c.seq == 4))
        assert not journal.verify(connection).intact


def test_racing_writers_make_one_chain(any_store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: write(any_store, number), range(24)))
    with any_store.read() as connection:
        found = journal.verify(connection)
    assert (found.intact, found.entries) == (True, 24)


def test_the_switch_is_journalled(any_store: Store) -> None:
    with any_store.write() as connection:
        assert not read_switch(connection).stopped
        turn_switch(connection, stopped=True, actor="cli:ann", reason="a wrong price", at=NOW)
        assert read_switch(connection).stopped
        assert [entry.payload["reason"] for entry in journal.entries(connection, action="switch.stopped")] == [
            "a wrong price"
        ]


def test_the_salt_is_drawn_once(any_store: Store) -> None:
    with any_store.write() as connection:
        assert salt(connection) == salt(connection)
        assert len(salt(connection)) == 64
