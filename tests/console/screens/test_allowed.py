"""What a page offers, as a table: by status, role, rules and what was said before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from console.risk import by_risk_and_deadline, risk_of
from console.screens.allowed import allowed
from memory.finding import Finding, Verdict
from memory.proposal import Approvals, Decision, DecisionVerdict, ProposalStatus
from memory.proposals import StoredProposal
from memory.role import Role
from memory.users import User
from tests.examples import NOW, proposal


def stored(status: str = "open", **changes: Any) -> StoredProposal:
    found = proposal().model_copy(update={"findings": (), "expires_at": NOW + timedelta(days=3), **changes})
    return StoredProposal(
        proposal=found, status=ProposalStatus(status), last_editor=None, interrupt_id=None, updated_at=NOW
    )


def user(role: Role, name: str = "ann") -> User:
    return User(name=name, role=role, password_hash="x", created_at=NOW)


def said(verdict: DecisionVerdict, actor: str = "console:ann", then_approves: str = "") -> Decision:
    return Decision(
        decision_id="d", proposal_id="p", version=1, digest="x", verdict=verdict, actor=actor,
        then_approves=then_approves, decided_at=NOW,
    )  # fmt: skip


def finding(verdict: Verdict) -> tuple[Finding, ...]:
    return (Finding(rule="spend", verdict=verdict, sentence="Too much."),)


@pytest.mark.parametrize(
    ("found", "role", "before", "may", "why"),
    [
        (stored(), "approver", [], "approve ask edit reject", ""),
        (stored("asked"), "admin", [], "approve ask edit reject", ""),
        (stored(), "operator", [], "ask edit reject", "takes the role approver"),
        (stored(), "viewer", [], "", "others decide"),
        (stored("launched"), "admin", [], "", "It is settled"),
        (stored("queued"), "admin", [], "", "until its owner has room"),
        (stored(expires_at=NOW), "admin", [], "", "expired"),
        (stored(findings=finding(Verdict.REFUSE)), "admin", [], "ask edit reject", "A rule refuses it"),
        (stored(findings=finding(Verdict.HOLD)), "admin", [], "approve ask edit needs_reason reject", ""),
        (stored(), "approver", [said("approve")], "ask edit reject", "You said yes"),
        (stored(), "approver", [said("approve", "console:omar")], "approve ask edit reject", ""),
        (stored(), "approver", [said("edit", "cli:omar")], "reject", "It was edited"),
        (stored(), "approver", [said("edit", "cli:omar", "d")], "reject", "A part of it was approved"),
        (stored(), "viewer", [said("edit", "cli:omar")], "", "others decide"),
        (stored(), "approver", [said("reject", "cli:omar")], "", "It was rejected"),
        (stored(), "approver", [said("edit", "cli:omar"), said("reject")], "", "It was rejected"),
    ],
)
def test_what_may_be_said_now(found: StoredProposal, role: Role, before: list[Decision], may: str, why: str) -> None:
    offered = allowed(found, user(role), before, now=NOW)
    words = ("approve", "ask", "edit", "needs_reason", "reject")
    assert [one for one in words if getattr(offered, one)] == may.split()
    assert why in offered.why_not
    assert bool(why) == bool(offered.why_not)


def test_what_is_only_suggested_gets_no_yes() -> None:
    offered = allowed(stored(), user("admin"), [], now=NOW, suggests_only=True)
    assert not offered.approve
    assert offered.reject


ALONE = Approvals(people=1, asks_because=())


@pytest.mark.parametrize(
    ("changes", "risk"),
    [
        ({"approvals": ALONE}, "low"),
        ({"approvals": Approvals(people=1)}, "medium"),
        ({"approvals": Approvals(people=2)}, "high"),
        ({"approvals": ALONE, "findings": finding(Verdict.HOLD)}, "high"),
    ],
)
def test_the_risk_is_what_the_policy_makes_of_it(changes: dict[str, Any], risk: str) -> None:
    assert risk_of(stored(**changes).proposal) == risk


def test_the_riskiest_comes_first_and_of_those_what_expires_soonest() -> None:
    def one(name: str, approvals: Approvals, days: int) -> StoredProposal:
        return stored(proposal_id=name, approvals=approvals, expires_at=NOW + timedelta(days=days))

    found = [
        one("d", ALONE, 1),
        one("c", Approvals(people=1), 2),
        one("b", Approvals(people=2), 9),
        one("a", Approvals(people=2), 3),
    ]
    assert [each.proposal.proposal_id for each in by_risk_and_deadline(found)] == ["a", "b", "c", "d"]
