"""Puts a reviewed draft before people: stored first, shown next, so that what is asked is what is on record."""

from __future__ import annotations

from agents.approve import Exchange, make_request
from agents.desk import Desk
from agents.forecasting import store_forecast
from agents.handover import Draft, fetch, keep
from agents.rejection import rejected
from agents.state import ProposalState
from memory import proposals
from memory.errors import NotFoundError
from memory.letters import is_letter
from memory.proposal import Proposal
from memory.proposals import StoredProposal
from tools import lookups
from tools.catalog import read_action

_EXCHANGE = "handover.exchange"


def submit(state: ProposalState, desk: Desk) -> ProposalState:
    """Store the draft as the proposal's newest version and prepare what people are shown. Running it twice is safe."""
    draft = fetch(desk, state["thread_id"], state["draft_id"], Draft)
    proposal, now = draft.proposal, desk.clock.now()
    read_action(proposal.kind, proposal.play.model_dump(mode="json"))
    with desk.store.write() as connection:
        try:
            stored: StoredProposal | None = proposals.get(connection, proposal.proposal_id)
        except NotFoundError:
            stored = None
        if stored is None:
            proposals.submit(
                connection,
                proposal,
                author=draft.author,
                at=now,
                open_limit=desk.settings.open_limit,
                written_by=draft.author if is_letter(proposal.play.playbook) else None,
            )
        elif not _is_stored(proposal, stored):
            if rejected(connection, stored, desk):
                return {"outcome": "rejected", "revisions": 0}
            proposals.revise(connection, proposal, author=draft.author, at=now)
        store_forecast(connection, proposal, now)
    return {"request_id": prepare(state["thread_id"], proposal, desk), "revisions": 0}


def prepare(thread_id: str, proposal: Proposal, desk: Desk) -> str:
    """Store what people are shown, with everything that was said about this proposal so far."""
    with desk.store.read() as connection:
        kept = lookups.read_thread(connection, thread_id, _EXCHANGE)
        notes = lookups.notes_on(connection, proposal)
    request = make_request(
        proposal,
        asked=tuple(Exchange.model_validate(one.result) for one in kept),
        notes=tuple(notes),
    )
    return keep(desk, thread_id, "request", request)


def _is_stored(proposal: Proposal, stored: StoredProposal) -> bool:
    return (stored.proposal.version, stored.proposal.digest) == (proposal.version, proposal.digest)
