"""The last node: one compare-and-swap of the proposal's status. The worker does the rest."""

from __future__ import annotations

from agents.approvals import approvals_that_count, may_launch
from agents.desk import Desk
from agents.rejection import rejected
from agents.state import ProposalState
from memory import proposals
from memory.proposal import ProposalStatus

_DONE = (ProposalStatus.APPROVED, ProposalStatus.LAUNCHING, ProposalStatus.LAUNCHED)


def launch(state: ProposalState, desk: Desk) -> ProposalState:
    """Hand an approved proposal to the worker, once; whoever comes second changes nothing."""
    now = desk.clock.now()
    with desk.store.write() as connection:
        stored = proposals.get(connection, state["proposal_id"])
        if stored.status in _DONE:
            return {"outcome": "approved"}
        if rejected(connection, stored, desk):
            return {"outcome": "rejected"}
        counted = approvals_that_count(connection, stored, desk)
        if not may_launch(stored, counted, desk):
            return {"outcome": f"not launched: {stored.status}"}
        swapped = proposals.swap_status(
            connection,
            stored.proposal.proposal_id,
            stored.status,
            ProposalStatus.APPROVED,
            now,
            actor=counted[-1].actor,
        )
    return {"outcome": "approved" if swapped else "settled elsewhere"}
