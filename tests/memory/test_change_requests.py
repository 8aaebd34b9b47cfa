"""Changes that wait for the worker: one at a time of each campaign, taken by one worker, and settled once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from memory import change_requests
from memory.change_requests import CLAIM, ChangeRequest
from memory.errors import ConflictError
from memory.journal import entries
from memory.store import Store

NOW = datetime(2025, 3, 3, 12, tzinfo=UTC)


def request(name: str, campaign_id: str = "c1", minute: int = 0) -> ChangeRequest:
    return ChangeRequest(
        campaign_id=campaign_id,
        request_id=name,
        changes={"copies": {"reminder": {"fr": {"subject": "Ça vous dit ?"}}}},
        in_flight="move",
        seen="d" * 64,
        actor="console:marie",
        asked_at=NOW + timedelta(minutes=minute),
    )


def submit(store: Store, one: ChangeRequest) -> ChangeRequest:
    with store.write() as connection:
        return change_requests.submit(connection, one)


def claim(store: Store, at: datetime = NOW) -> ChangeRequest | None:
    with store.write() as connection:
        return change_requests.claim(connection, at)


def settle(store: Store, taken: ChangeRequest, proposal_id: str = "", answer: str = "") -> None:
    with store.write() as connection:
        change_requests.settle(connection, taken, proposal_id=proposal_id, answer=answer, at=NOW)


def test_a_form_that_is_sent_twice_is_one_request_and_another_has_to_wait(store: Store) -> None:
    assert submit(store, request("a")) == submit(store, request("a", minute=1))
    with pytest.raises(ConflictError):
        submit(store, request("b"))
    taken = claim(store)
    assert taken is not None
    with pytest.raises(ConflictError):
        submit(store, request("b"))
    settle(store, taken, "p1")
    assert submit(store, request("a")).proposal_id == "p1"
    assert submit(store, request("b")).state == "waiting"
    with store.read() as connection:
        assert [one.action for one in entries(connection, subject="c1")] == [
            "campaign.change_asked", "campaign.change_proposed", "campaign.change_asked",
        ]  # fmt: skip


def test_the_oldest_is_taken_first_and_by_one_worker(store: Store) -> None:
    submit(store, request("later", "c1", minute=5))
    submit(store, request("first", "c2"))
    assert [one and one.request_id for one in (claim(store), claim(store), claim(store))] == ["first", "later", None]


def test_what_a_dead_worker_left_is_taken_again_and_the_late_one_settles_nothing(store: Store) -> None:
    submit(store, request("a"))
    dead = claim(store)
    assert dead is not None
    assert claim(store, NOW + CLAIM / 2) is None
    alive = claim(store, NOW + CLAIM)
    assert alive is not None
    settle(store, dead, answer="Too late")
    settle(store, alive, "p1")
    with store.read() as connection:
        kept = change_requests.of_campaign(connection, "c1")
        assert change_requests.of_campaign(connection, "c2") is None
    assert kept is not None
    assert (kept.state, kept.proposal_id, kept.answer) == ("proposed", "p1", "")
