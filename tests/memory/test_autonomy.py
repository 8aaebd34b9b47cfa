"""The ladder of autonomy on both engines: who may go alone, what counts for a raise, and what takes a kind down."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from memory import alerts, autonomy, journal, proposals
from memory.autonomy import Rung
from memory.errors import ConflictError
from memory.finding import Finding, Verdict
from memory.play import Limits
from memory.proposal import LADDER, Approvals, Proposal
from memory.store import Store
from memory.trigger import SegmentTrigger
from tests.examples import NOW, play, proposal
from tools.autonomy import lower_level, raise_level

ALONE = Approvals(people=1, asks_because=())
HOUR = timedelta(hours=1)


def put(store: Store, found: Proposal, open_limit: int = 5) -> None:
    with store.write() as connection:
        proposals.submit(connection, found, author="noria", at=NOW, open_limit=open_limit)


def say(store: Store, found: Proposal, verdict: Any, actor: str = "cli:ann", **more: Any) -> None:
    with store.write() as connection:
        proposals.decide(
            connection,
            proposal_id=found.proposal_id,
            version=found.version,
            digest=found.digest,
            verdict=verdict,
            actor=actor,
            at=more.pop("at", NOW),
            **more,
        )


def at_auto(store: Store) -> None:
    with store.write() as connection:
        raise_level(connection, "one_off", "auto", actor="cli:ann", reason="it does well", record={}, at=NOW)


def rung(store: Store) -> Rung:
    with store.read() as connection:
        return autonomy.rung(connection, "one_off")


def agreed(store: Store) -> int:
    with store.read() as connection:
        return autonomy.agreements(connection, autonomy.rung(connection, "one_off"))


def goes_alone(store: Store, proposal_id: str = "p1") -> bool:
    with store.write() as connection:
        return proposals.approve_alone(connection, proposal_id, NOW)


def test_at_first_a_person_says_yes_to_each(any_store: Store) -> None:
    put(any_store, proposal(approvals=ALONE))
    assert rung(any_store).level == "approve"
    assert not goes_alone(any_store)


def test_at_auto_what_lies_inside_the_limits_goes_alone_once_and_in_the_ladders_name(any_store: Store) -> None:
    at_auto(any_store)
    put(any_store, proposal("p0"), open_limit=1)
    # Queued because somebody else has enough to judge: it takes nobody's attention.
    found = proposal(approvals=ALONE)
    put(any_store, found, open_limit=1)
    assert goes_alone(any_store)
    assert goes_alone(any_store)
    with any_store.read() as connection:
        (decision,) = proposals.approvals_for(connection, "p1", found.digest)
        assert proposals.approval_is_complete(proposals.get(connection, "p1"), [decision])
        assert proposals.unconsumed_decisions(connection) == []
        (line,) = journal.entries(connection, action="decision.approve")
    assert (decision.actor, line.actor, line.payload["digest"]) == (LADDER, LADDER, found.digest)


@pytest.mark.parametrize(
    "found",
    [
        proposal(),
        proposal(approvals=Approvals(people=2, second_person=True, asks_because=())),
        proposal(approvals=ALONE, findings=(Finding(rule="x", verdict=Verdict.HOLD, sentence="No."),)),
        proposal(approvals=ALONE, kind="change_campaign"),
        proposal(approvals=ALONE, play=play(trigger=SegmentTrigger(runs_days=9), limits=Limits(contacts_per_day=1))),
    ],
    ids=["beyond the limits", "two people", "held", "a change", "another kind"],
)
def test_at_auto_everything_else_still_asks(any_store: Store, found: Proposal) -> None:
    at_auto(any_store)
    put(any_store, found)
    assert not goes_alone(any_store)


def test_what_a_person_edited_does_not_go_alone(store: Store) -> None:
    at_auto(store)
    put(store, proposal(approvals=ALONE))
    with store.write() as connection:
        edited = proposal(version=2, play=play(holdout_share=0.2), approvals=ALONE)
        proposals.revise(connection, edited, author="cli:bob", at=NOW)
    assert not goes_alone(store)


def test_the_ladder_is_nobody_where_two_are_asked(any_store: Store) -> None:
    found = proposal(approvals=Approvals(people=2))
    put(any_store, found)
    say(any_store, found, "approve", LADDER)
    say(any_store, found, "approve", "console:ann")
    with any_store.read() as connection:
        given = proposals.approvals_for(connection, "p1", found.digest)
        assert len(given) == 2
        assert not proposals.approval_is_complete(proposals.get(connection, "p1"), given)


def test_what_is_only_suggested_cannot_be_approved(any_store: Store) -> None:
    with any_store.write() as connection:
        lower_level(connection, "one_off", "suggest", actor="cli:ann", reason="we look first", at=NOW)
    found = proposal()
    put(any_store, found)
    with pytest.raises(ConflictError, match="only suggested"):
        say(any_store, found, "approve")
    say(any_store, found, "reject", reason="no")
    change = proposal("p2", kind="change_campaign")
    put(any_store, change)
    say(any_store, change, "approve")


def test_yeses_count_in_a_row_and_only_where_it_could_have_gone_alone(any_store: Store) -> None:
    for number in range(3):
        found = proposal(f"p{number}", approvals=ALONE)
        put(any_store, found)
        say(any_store, found, "approve", at=NOW + number * HOUR)
        say(any_store, found, "approve", "console:bob", at=NOW + number * HOUR)
    large = proposal("p3")
    put(any_store, large)
    say(any_store, large, "approve")
    assert agreed(any_store) == 3
    say(any_store, proposal("p2", approvals=ALONE), "reject", reason="on second thoughts", at=NOW + 5 * HOUR)
    assert agreed(any_store) == 0


def test_a_no_to_what_would_have_been_asked_anyway_is_no_override(any_store: Store) -> None:
    at_auto(any_store)
    put(any_store, proposal())
    say(any_store, proposal(), "reject", reason="too many")
    assert rung(any_store).level == "auto"


@pytest.mark.parametrize("verdict", ["reject", "edit"])
def test_an_override_takes_it_down_says_so_and_begins_the_record_anew(any_store: Store, verdict: str) -> None:
    found = proposal(approvals=ALONE)
    put(any_store, found)
    at_auto(any_store)
    say(
        any_store,
        found,
        verdict,
        reason="not in our words",
        changes={"holdout_share": 0.2} if verdict == "edit" else {},
    )
    now = rung(any_store)
    assert (now.level, now.actor, now.counted_from) == ("approve", "noria", NOW)
    assert f"cli:ann {verdict}ed proposal p1" in now.reason
    with any_store.read() as connection:
        (alert,) = alerts.list_alerts(connection)
        (line,) = journal.entries(connection, action="autonomy.lowered")
    assert "Noria asks again" in alert.task["en"]
    assert (line.payload["from"], line.payload["to"]) == ("auto", "approve")


def test_a_breach_counts_only_against_what_the_ladder_approved(any_store: Store) -> None:
    at_auto(any_store)
    alone, approved = proposal(approvals=ALONE), proposal("p2", approvals=ALONE)
    put(any_store, alone)
    assert goes_alone(any_store)
    put(any_store, approved)
    say(any_store, approved, "approve")
    with any_store.write() as connection:
        assert not autonomy.breach(connection, approved, "It drifted.", at=NOW)
        assert autonomy.breach(connection, alone, "It drifted.", at=NOW)
        assert not autonomy.breach(connection, alone, "It drifted.", at=NOW)


def test_the_door_asks_for_a_person_where_the_level_was_lowered_meanwhile(store: Store) -> None:
    at_auto(store)
    with store.write() as connection:
        assert autonomy.objection(connection, proposal(), {LADDER}) == ""
        lower_level(connection, "one_off", "approve", actor="cli:ann", reason="slower", at=NOW)
        assert "somebody has to be asked" in autonomy.objection(connection, proposal(), {LADDER})
        assert autonomy.objection(connection, proposal(), {"cli:ann"}) == ""
        lower_level(connection, "one_off", "suggest", actor="cli:ann", reason="slower", at=NOW)
        assert "only suggested" in autonomy.objection(connection, proposal(), {"cli:ann"})


def test_a_move_needs_a_reason_and_a_direction(store: Store) -> None:
    with store.write() as connection:
        with pytest.raises(ConflictError, match="reason"):
            raise_level(connection, "one_off", "auto", actor="cli:ann", reason=" ", record={}, at=NOW)
        with pytest.raises(ConflictError, match="at approve"):
            raise_level(connection, "one_off", "approve", actor="cli:ann", reason="x", record={}, at=NOW)
        with pytest.raises(ConflictError, match="at approve"):
            lower_level(connection, "one_off", "auto", actor="cli:ann", reason="x", at=NOW)
