"""How much care a proposal asks for, read from what the policy found: the order of the inbox."""

from __future__ import annotations

from typing import Final, Literal

from memory.finding import Verdict
from memory.proposal import Proposal
from memory.proposals import StoredProposal

Risk = Literal["high", "medium", "low"]
RISKS: Final[tuple[Risk, ...]] = ("high", "medium", "low")


def risk_of(proposal: Proposal) -> Risk:
    """high: two people have to look, or a rule stands against it; low: nobody would have to be asked."""
    if proposal.approvals.people > 1 or proposal.verdict is not Verdict.ALLOW:
        return "high"
    return "low" if proposal.approvals.may_go_alone else "medium"


def by_risk_and_deadline(found: list[StoredProposal]) -> list[StoredProposal]:
    """The riskiest first, and of those what expires soonest."""
    return sorted(
        found,
        key=lambda one: (RISKS.index(risk_of(one.proposal)), one.proposal.expires_at, one.proposal.proposal_id),
    )


def channels_of(proposal: Proposal) -> list[str]:
    """The channels on which it would write."""
    return sorted({step.channel for _, step in proposal.play.sends()})
