"""Writing down what somebody says of a proposal, for the command line and the console alike."""

from __future__ import annotations

from typing import Any

from console.wiring import Workspace
from memory import proposals
from memory.errors import ConflictError
from memory.proposal import Decision, DecisionVerdict
from memory.proposals import StoredProposal


def note(
    opened: Workspace,
    proposal_id: str,
    verdict: DecisionVerdict,
    *,
    actor: str,
    seen: str,
    reason: str,
    changes: dict[str, Any] | None = None,
) -> tuple[Decision, str]:
    """Write a decision down; returns it, and what an approval still lacks.

    ``seen`` is the beginning of the digest that was looked at; empty for whatever it is now. Raises ConflictError when
    it is another by now, InvalidInputError for an edit that cannot be made.
    """
    with opened.store.read() as connection:
        stored = proposals.get(connection, proposal_id)
    proposal = stored.proposal
    if seen and not proposal.digest.startswith(seen):
        raise ConflictError(
            f"It is now version {proposal.version} with digest {proposal.digest[:12]}; you looked at {seen[:12]}.",
            where=f"proposal {proposal.proposal_id}",
            remedy=f"Look again: noria proposals show {proposal.proposal_id}",
        )
    if verdict == "edit":
        from agents.edit import check_edit

        check_edit(proposal, changes or {}, opened.desk)
    with opened.store.write() as connection:
        decision = proposals.decide(
            connection,
            proposal_id=proposal.proposal_id,
            version=proposal.version,
            digest=proposal.digest,
            verdict=verdict,
            actor=actor,
            reason=reason,
            changes=changes,
            at=opened.clock.now(),
        )
    return decision, missing(opened, stored) if verdict == "approve" else ""


def missing(opened: Workspace, stored: StoredProposal) -> str:
    """What stands between the approvals of a version and its launch; empty when nothing does."""
    from agents.approvals import approvals_that_count, still_missing

    desk = opened.desk
    with opened.store.read() as connection:
        return still_missing(stored, approvals_that_count(connection, stored, desk), desk)
