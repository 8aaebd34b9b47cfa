"""Briefs that wait for a worker, on both engines: what a worker says counts only while it is the one that has them."""

from __future__ import annotations

from memory import plan_requests
from memory.plan_requests import CLAIM
from memory.proposal import Brief
from memory.store import Store
from tests.examples import NOW

FAILED, DONE = {"what": "It took too long."}, {"proposals": ["p1"]}


def test_a_worker_that_comes_late_does_not_overwrite_what_another_made_of_a_brief(any_store: Store) -> None:
    with any_store.write() as connection:
        plan_requests.submit(connection, Brief(brief_id="b1", author="cli:ann"), actor="cli:ann", at=NOW)
        slow = plan_requests.claim(connection, NOW)
        other = plan_requests.claim(connection, NOW + CLAIM)
        assert slow is not None
        assert other is not None
        plan_requests.settle(connection, slow, "failed", FAILED, thread_id="", at=NOW)
        assert plan_requests.get(connection, "b1").state == "planning"
        plan_requests.settle(connection, other, "done", DONE, thread_id="t", at=NOW)
        plan_requests.settle(connection, slow, "failed", FAILED, thread_id="", at=NOW)
        found = plan_requests.get(connection, "b1")
    assert (found.state, found.result, found.thread_id) == ("done", DONE, "t")
