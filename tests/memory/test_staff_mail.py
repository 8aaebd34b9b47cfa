"""Mail that people asked for themselves: each is taken once, and what a crash leaves open is not sent again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from memory import staff_mail, users
from memory.errors import ConflictError
from memory.store import Store
from memory.users import User
from tests.conftest import START


@pytest.fixture
def paul(any_store: Store) -> User:
    with any_store.write() as connection:
        users.invite(connection, "paul", "operator", invite_hash="p", until=START, actor="cli:test", at=START)
        return users.get(connection, "paul")


def state(store: Store) -> str:
    with store.read() as connection:
        return staff_mail.newest(connection, "paul", "code")[0].state


def test_of_two_workers_one_takes_it_and_it_is_never_taken_again(any_store: Store, paul: User) -> None:
    with any_store.write() as connection:
        staff_mail.ask_code(connection, paul, "paul@example.com", START)
        assert len(staff_mail.take(connection, START)) == 1
        assert staff_mail.take(connection, START) == []
        staff_mail.give_up(connection, START + timedelta(minutes=9))
    assert state(any_store) == "sending"
    with any_store.write() as connection:
        staff_mail.give_up(connection, START + timedelta(minutes=11))
        assert staff_mail.take(connection, START) == []
    assert state(any_store) == "unknown"


def test_what_no_worker_sent_within_the_hour_is_given_up(any_store: Store, paul: User) -> None:
    with any_store.write() as connection:
        staff_mail.ask_code(connection, paul, "paul@example.com", START)
        staff_mail.give_up(connection, START + timedelta(minutes=59))
    assert state(any_store) == "waiting"
    with any_store.write() as connection:
        staff_mail.give_up(connection, START + timedelta(minutes=61))
        assert not staff_mail.is_open(connection)
    assert state(any_store) == "failed"


def test_nobody_is_mailed_more_than_a_few_codes_a_day(any_store: Store, paul: User) -> None:
    with any_store.write() as connection:
        for _ in range(5):
            staff_mail.ask_code(connection, paul, "victim@example.com", START)
        with pytest.raises(ConflictError):
            staff_mail.ask_code(connection, paul, "victim@example.com", START + timedelta(hours=23))
        staff_mail.ask_code(connection, paul, "victim@example.com", START + timedelta(hours=25))
