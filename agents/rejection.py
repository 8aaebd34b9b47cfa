"""A no that was said before anything came of a version: it closes the proposal, whatever else waits."""

from __future__ import annotations

from sqlalchemy import Connection

from agents.desk import Desk
from memory import proposals
from memory.pending_decisions import waiting_rejections
from memory.proposal import ProposalStatus
from memory.proposals import WAITING, StoredProposal


def rejected(connection: Connection, stored: StoredProposal, desk: Desk) -> bool:
    """Close a proposal to whose newest version somebody who is heard said no; False where nobody did."""
    if stored.status not in (*WAITING, ProposalStatus.QUEUED):
        return False
    proposal, now = stored.proposal, desk.clock.now()
    waiting = waiting_rejections(connection, proposal.proposal_id, proposal.version)
    said = next((one for one in waiting if desk.hears(one["actor"])), None)
    if said is None:
        return False
    proposals.consume(connection, said["decision_id"], now)
    return proposals.swap_status(
        connection,
        proposal.proposal_id,
        stored.status,
        ProposalStatus.REJECTED,
        now,
        actor=said["actor"],
        reason=said["reason"],
    )
