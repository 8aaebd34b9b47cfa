"""Whether the approvals of a version are enough to launch it, and what they still lack."""

from __future__ import annotations

from sqlalchemy import Connection

from agents.desk import Desk
from memory import proposals
from memory.finding import Verdict
from memory.proposal import LADDER, Decision
from memory.proposals import WAITING, StoredProposal
from policies.approval import approval_missing
from policies.roles import admin_missing
from policies.rules.approval import ApprovalLimits


def approvals_that_count(connection: Connection, stored: StoredProposal, desk: Desk) -> list[Decision]:
    """Approvals of exactly this version and digest by people whom the workspace lets approve, or by the ladder."""
    proposal = stored.proposal
    return [
        decision
        for decision in proposals.approvals_for(connection, proposal.proposal_id, proposal.digest)
        if decision.version == proposal.version and (desk.lets_approve(decision.actor) or decision.actor == LADDER)
    ]


def may_launch(stored: StoredProposal, counted: list[Decision], desk: Desk) -> bool:
    """Whether enough people approved this very version, in time, and nothing the guardian found stands against it."""
    return (
        stored.status in WAITING
        and stored.proposal.expires_at > desk.clock.now()
        and proposals.approval_is_complete(stored, counted)
        and not still_missing(stored, counted, desk)
    )


def still_missing(stored: StoredProposal, counted: list[Decision], desk: Desk) -> str:
    """What stands between these approvals and a launch, in sentences; empty when nothing does."""
    against = [finding for finding in stored.proposal.findings if finding.verdict is not Verdict.ALLOW]
    if refused := [finding for finding in against if finding.verdict is Verdict.REFUSE]:
        return f"It cannot be approved: {refused[0].sentence}"
    approvers, needed = [one.actor for one in counted], stored.proposal.approvals
    lacking = approval_missing(approvers, needed, stored.last_editor)
    if needed.people > 1 and desk.pack.limits("approval", ApprovalLimits).admin_among_two:
        lacking = f"{lacking} {admin_missing([desk.role_of(one) for one in approvers])}".strip()
    if against and not any(decision.reason for decision in counted):
        # A hold, or a critic's objection, yields to a reason.
        lacking = f"Approving this needs a reason, because of: {against[0].sentence} {lacking}".strip()
    return lacking
