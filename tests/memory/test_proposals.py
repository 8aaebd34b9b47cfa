"""Proposals and decisions on both engines: what one person saw is what gets approved, once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from memory import alerts, journal, proposals, queue
from memory.errors import ConflictError, NotFoundError
from memory.pending_decisions import waiting_rejections
from memory.proposal import Approvals, Decision, Proposal, ProposalStatus
from memory.store import Store
from tests.examples import NOW, brief, play, proposal


def submit(store: Store, found: Proposal, open_limit: int = 5) -> ProposalStatus:
    with store.write() as connection:
        return proposals.submit(connection, found, author="noria", at=NOW, open_limit=open_limit)


def decide(store: Store, found: Proposal, verdict: Any, actor: str = "cli:ann", **more: Any) -> Decision:
    with store.write() as connection:
        return proposals.decide(
            connection,
            proposal_id=found.proposal_id,
            version=found.version,
            digest=found.digest,
            verdict=verdict,
            actor=actor,
            at=more.pop("at", NOW),
            **more,
        )


def swap(store: Store, proposal_id: str, expected: ProposalStatus, new: ProposalStatus) -> bool:
    with store.write() as connection:
        return proposals.swap_status(connection, proposal_id, expected, new, NOW)


def test_a_submitted_proposal_is_open_and_reads_back_whole(any_store: Store) -> None:
    found = proposal()
    assert submit(any_store, found) is ProposalStatus.OPEN
    with any_store.read() as connection:
        stored = proposals.get(connection, "p1")
    assert (stored.proposal, stored.status) == (found, ProposalStatus.OPEN)
    assert stored.proposal.digest == found.digest


def test_submitting_twice_has_one_effect(any_store: Store) -> None:
    submit(any_store, proposal())
    submit(any_store, proposal())
    with any_store.read() as connection:
        assert len(list(journal.entries(connection, action="proposal.submitted"))) == 1


def test_nobody_is_flooded_the_rest_waits_ranked(any_store: Store) -> None:
    for number in range(4):
        submit(any_store, proposal(f"p{number}", rank_score=number), open_limit=2)
    with any_store.write() as connection:
        queued = proposals.list_proposals(connection, [ProposalStatus.QUEUED])
        assert [stored.proposal.proposal_id for stored in queued] == ["p3", "p2"]
        assert queue.promote(connection, at=NOW, open_limit=2) == []
        assert queue.promote(connection, at=NOW, open_limit=3) == ["p3"]


def test_the_limit_is_that_of_each_owner(any_store: Store) -> None:
    for number, owner in enumerate(["marie", "marie", "omar"]):
        submit(any_store, proposal(f"p{number}", play=play(owner=owner), rank_score=number), open_limit=1)
    with any_store.write() as connection:
        queued = proposals.list_proposals(connection, [ProposalStatus.QUEUED])
        assert [stored.proposal.proposal_id for stored in queued] == ["p1"]
        assert queue.promote(connection, at=NOW, open_limit=2) == ["p1"]


def test_somebody_is_reminded_once_before_a_proposal_expires(any_store: Store) -> None:
    found = proposal()
    submit(any_store, found)
    late = found.expires_at - timedelta(hours=3)
    with any_store.write() as connection:
        assert queue.remind(connection, late - timedelta(days=1), before_hours=24) == []
        assert queue.remind(connection, late, before_hours=0) == []
        assert queue.remind(connection, late, before_hours=24) == ["p1"]
        assert queue.remind(connection, late, before_hours=24) == []
        (alert,) = alerts.list_alerts(connection)
        assert (alert.owner, alert.task["en"].endswith("noria proposals show p1")) == (found.play.owner, True)
        # A new version has a time of its own.
        proposals.revise(connection, proposal(version=2), author="cli:bob", at=late)
        assert alerts.list_alerts(connection) == []
        assert queue.remind(connection, late, before_hours=24) == ["p1"]
        proposals.swap_status(connection, "p1", ProposalStatus.OPEN, ProposalStatus.REJECTED, late)
        assert alerts.list_alerts(connection) == []
        assert len(alerts.list_alerts(connection, everything=True)) == 2


def test_an_approval_is_bound_to_the_digest_that_was_seen(any_store: Store) -> None:
    found = proposal()
    submit(any_store, found)
    decide(any_store, found, "approve")
    assert swap(any_store, "p1", ProposalStatus.OPEN, ProposalStatus.APPROVED)
    with any_store.read() as connection:
        stored = proposals.get(connection, "p1")
        assert proposals.approval_is_complete(stored, proposals.approvals_for(connection, "p1", found.digest))
        assert proposals.approvals_for(connection, "p1", "0" * 64) == []


def test_an_edited_proposal_needs_a_new_approval(any_store: Store) -> None:
    first = proposal()
    submit(any_store, first)
    decide(any_store, first, "approve")
    assert swap(any_store, "p1", ProposalStatus.OPEN, ProposalStatus.APPROVED)
    second = proposal(version=2, play=play(holdout_share=0.2))
    with any_store.write() as connection:
        proposals.revise(connection, second, author="cli:bob", at=NOW)
    with any_store.read() as connection:
        stored = proposals.get(connection, "p1")
        assert (stored.status, stored.last_editor) == (ProposalStatus.OPEN, "cli:bob")
        assert proposals.approvals_for(connection, "p1", second.digest) == []
        assert proposals.get_version(connection, "p1", 1) == first


def test_an_edit_of_an_old_version_is_refused(any_store: Store) -> None:
    submit(any_store, proposal())
    with any_store.write() as connection:
        proposals.revise(connection, proposal(version=2), author="cli:bob", at=NOW)
    with pytest.raises(ConflictError, match="newest version"), any_store.write() as connection:
        proposals.revise(connection, proposal(version=2), author="cli:eve", at=NOW)


def test_deciding_on_an_outdated_version_is_refused(any_store: Store) -> None:
    first = proposal()
    submit(any_store, first)
    with any_store.write() as connection:
        proposals.revise(connection, proposal(version=2), author="cli:bob", at=NOW)
    with pytest.raises(ConflictError, match="now version 2"):
        decide(any_store, first, "approve")


def test_approving_twice_has_one_effect(any_store: Store) -> None:
    found = proposal()
    submit(any_store, found)
    assert decide(any_store, found, "approve") == decide(any_store, found, "approve")
    with any_store.read() as connection:
        assert len(proposals.decisions_on(connection, "p1")) == 1


def test_an_expired_proposal_cannot_be_approved(any_store: Store) -> None:
    found = proposal()
    submit(any_store, found)
    with pytest.raises(ConflictError, match="expired"):
        decide(any_store, found, "approve", at=NOW + timedelta(days=3))
    with any_store.write() as connection:
        assert queue.expire(connection, NOW + timedelta(days=2)) == []
        assert queue.expire(connection, NOW + timedelta(days=3)) == ["p1"]


@pytest.mark.parametrize("verdict", ["reject", "ask"])
def test_rejecting_and_asking_need_a_reason(any_store: Store, verdict: str) -> None:
    found = proposal()
    submit(any_store, found)
    with pytest.raises(ConflictError, match="reason"):
        decide(any_store, found, verdict, reason=" ")
    assert decide(any_store, found, verdict, reason="Too many mails this week").verdict == verdict


def test_a_settled_proposal_takes_no_decision(any_store: Store) -> None:
    found = proposal()
    submit(any_store, found)
    assert swap(any_store, "p1", ProposalStatus.OPEN, ProposalStatus.REJECTED)
    with pytest.raises(ConflictError, match="already rejected"):
        decide(any_store, found, "approve")


@pytest.mark.parametrize(
    ("actors", "complete"),
    [(["cli:ann"], False), (["cli:ann", "cli:ann"], False), (["cli:ann", "cli:bob"], True)],
)
def test_two_people_means_two_different_people(any_store: Store, actors: list[str], complete: bool) -> None:
    found = proposal(approvals=Approvals(people=2))
    submit(any_store, found)
    for actor in actors:
        decide(any_store, found, "approve", actor)
    with any_store.read() as connection:
        stored = proposals.get(connection, "p1")
        approvals = proposals.approvals_for(connection, "p1", found.digest)
    assert proposals.approval_is_complete(stored, approvals) is complete


@pytest.mark.parametrize(("actor", "complete"), [("cli:bob", False), ("cli:ann", True)])
def test_the_last_editor_is_not_the_only_approver(any_store: Store, actor: str, complete: bool) -> None:
    submit(any_store, proposal())
    second = proposal(version=2, approvals=Approvals(people=1, second_person=True))
    with any_store.write() as connection:
        proposals.revise(connection, second, author="cli:bob", at=NOW)
    decide(any_store, second, "approve", actor)
    with any_store.read() as connection:
        stored = proposals.get(connection, "p1")
        approvals = proposals.approvals_for(connection, "p1", second.digest)
    assert proposals.approval_is_complete(stored, approvals) is complete


def test_one_of_many_racing_callers_moves_the_status(any_store: Store) -> None:
    submit(any_store, proposal())
    with ThreadPoolExecutor(8) as pool:
        moved = list(pool.map(lambda _: swap(any_store, "p1", ProposalStatus.OPEN, ProposalStatus.APPROVED), range(8)))
    assert sum(moved) == 1


def test_a_decision_is_consumed_once(any_store: Store) -> None:
    found = proposal()
    submit(any_store, found)
    said = decide(any_store, found, "approve")
    with any_store.write() as connection:
        assert proposals.unconsumed_decisions(connection) == [said]
        assert proposals.consume(connection, said.decision_id, NOW)
        assert not proposals.consume(connection, said.decision_id, NOW)
        assert proposals.unconsumed_decisions(connection) == []


def test_a_proposal_is_found_by_the_beginning_of_its_id(any_store: Store) -> None:
    submit(any_store, proposal("abc1"))
    submit(any_store, proposal("abd1"))
    with any_store.read() as connection:
        assert proposals.get(connection, "abc").proposal.proposal_id == "abc1"
        with pytest.raises(NotFoundError, match="ambiguous"):
            proposals.get(connection, "ab")
        with pytest.raises(NotFoundError, match="not known"):
            proposals.get(connection, "%")


def test_a_brief_reads_back(any_store: Store) -> None:
    with any_store.write() as connection:
        proposals.write_brief(connection, brief(), NOW)
        proposals.write_brief(connection, brief(owner="ann"), NOW)
        assert proposals.read_brief(connection, "b1").owner == "ann"
        with pytest.raises(NotFoundError):
            proposals.read_brief(connection, "b2")


def test_an_approval_repeated_with_a_reason_is_kept(any_store: Store) -> None:
    found = proposal()
    submit(any_store, found)
    decide(any_store, found, "approve")
    assert decide(any_store, found, "approve", reason="I checked the stock.").reason == "I checked the stock."
    with any_store.read() as connection:
        assert len(proposals.decisions_on(connection, "p1")) == 2


CHANGE: dict[str, Any] = {"changes": {"holdout_share": 0.2}}


@pytest.mark.parametrize(
    ("first", "waits"),
    [
        (("edit", CHANGE), "An edit of version 1 by cli:bob waits.*decide on the new version"),
        (("edit", {**CHANGE, "then_approves": "d"}), "A yes to a part of version 1 by cli:bob waits"),
        (("reject", {"reason": "no"}), "A rejection of version 1 by cli:bob waits.*nothing is left to decide"),
    ],
    ids=["edit", "part", "no"],
)
@pytest.mark.parametrize("verdict", ["approve", "edit", "ask"])
def test_nothing_more_can_be_said_of_a_version_that_waits_to_be_replaced(
    any_store: Store, first: tuple[str, dict[str, Any]], waits: str, verdict: str
) -> None:
    found = proposal()
    submit(any_store, found)
    said = decide(any_store, found, first[0], "cli:bob", **first[1])
    with pytest.raises(ConflictError, match=waits):
        decide(any_store, found, verdict, reason="also", changes={"holdout_share": 0.3})
    # Whoever said it may say it again: one decision it stays.
    assert decide(any_store, found, first[0], "cli:bob", **first[1]) == said
    with any_store.write() as connection:
        assert proposals.decisions_on(connection, "p1") == [said]
        proposals.consume(connection, said.decision_id, NOW)
    # An edit that could not be made leaves the version as it was.
    assert decide(any_store, found, verdict, reason="also", changes={"holdout_share": 0.3}).verdict == verdict


def test_a_no_is_taken_behind_an_edit_but_not_behind_another_no(any_store: Store) -> None:
    found = proposal()
    submit(any_store, found)
    edit = decide(any_store, found, "edit", "cli:bob", **CHANGE)
    no = decide(any_store, found, "reject", reason="not in March")
    with pytest.raises(ConflictError, match="A rejection of version 1 by cli:ann waits"):
        decide(any_store, found, "reject", "cli:eve", reason="not at all")
    with any_store.write() as connection:
        assert {one.decision_id for one in proposals.decisions_on(connection, "p1")} == {
            edit.decision_id,
            no.decision_id,
        }
        assert [one["decision_id"] for one in waiting_rejections(connection, "p1", 1)] == [no.decision_id]
        assert waiting_rejections(connection, "p1", 2) == []
        proposals.consume(connection, no.decision_id, NOW)
        assert waiting_rejections(connection, "p1", 1) == []


@pytest.mark.parametrize(("first", "then"), [("ask", "edit"), ("approve", "approve"), ("approve", "reject")])
def test_what_replaces_nothing_leaves_room_for_another_word(any_store: Store, first: str, then: str) -> None:
    found = proposal(approvals=Approvals(people=2))
    submit(any_store, found)
    decide(any_store, found, first, "cli:bob", reason="why")
    assert decide(any_store, found, then, reason="so", **CHANGE).verdict == then


def test_of_two_people_who_edit_at_once_one_is_told_of_the_other(any_store: Store) -> None:
    found = proposal()
    submit(any_store, found)

    def said(number: int) -> str:
        try:
            decide(any_store, found, "edit", f"cli:p{number}", changes={"holdout_share": number / 20})
        except ConflictError as error:
            return error.what
        return ""

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(said, range(2, 6)))
    assert told.count("") == 1
    assert sum("waits to be acted on" in one for one in told) == 3


def test_a_queued_proposal_says_how_its_turn_comes(any_store: Store) -> None:
    found = proposal()
    submit(any_store, found, open_limit=0)
    with pytest.raises(ConflictError, match=r"waits until .* has room.*Settle one of the open ones"):
        decide(any_store, found, "approve")
