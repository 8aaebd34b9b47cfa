"""The question to people: what they are shown, and the node that does nothing but wait for the answer."""

from __future__ import annotations

from typing import Any

from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict

from agents.answer import Answer, flatten
from agents.desk import Desk
from agents.edit import step_names
from agents.handover import fetch
from agents.state import ProposalState
from memory.finding import Verdict
from memory.proposal import Proposal

ACTION = "launch_campaign"


class Exchange(BaseModel):
    """A question that somebody asked about a proposal, and the answer."""

    model_config = ConfigDict(frozen=True)

    actor: str
    question: str
    answer: str


class Request(BaseModel):
    """What people are asked: stored before they are asked, and bound to one version and digest."""

    model_config = ConfigDict(frozen=True)

    proposal_id: str
    version: int
    digest: str
    payload: dict[str, Any]


def approve(state: ProposalState, desk: Desk) -> ProposalState:
    """Wait for a person, and nothing else: this node runs again from its top when the answer comes."""
    request = fetch(desk, state["thread_id"], state["request_id"], Request)
    answer: Answer = interrupt(request.payload, response_schema=Answer)
    return {"answer": answer.model_dump(mode="json")}


def make_request(proposal: Proposal, *, notes: tuple[str, ...] = (), asked: tuple[Exchange, ...] = ()) -> Request:
    """What inboxes show, in the shapes that both of them read."""
    fields = flatten(editable(proposal))
    description = _description(proposal, notes, asked)
    action = {"name": ACTION, "args": fields, "arguments": fields, "description": description}
    payload: dict[str, Any] = {
        "kind": "approval",
        "proposal_id": proposal.proposal_id,
        "version": proposal.version,
        "digest": proposal.digest,
        "title": proposal.title,
        "expires_at": proposal.expires_at.isoformat(),
        "approvals_needed": proposal.approvals.model_dump(mode="json"),
        "notes": list(notes),
        "exchanges": [exchange.model_dump(mode="json") for exchange in asked],
        "action_requests": [action],
        "review_configs": [{"action_name": ACTION, "allowed_decisions": ["approve", "edit", "reject", "respond"]}],
        "action_request": {"action": ACTION, "args": fields},
        "config": {"allow_ignore": True, "allow_respond": True, "allow_edit": True, "allow_accept": True},
        "description": description,
    }
    return Request(proposal_id=proposal.proposal_id, version=proposal.version, digest=proposal.digest, payload=payload)


def editable(proposal: Proposal) -> dict[str, Any]:
    """The values that an edit may change, as they stand."""
    play = proposal.play
    return {
        "copies": {
            name: {language: copy.model_dump(mode="json") for language, copy in step.copies.items()}
            for name, (_, step) in step_names(play).items()
        },
        "offer_id": ",".join(one.offer_id for one in play.offers),
        "holdout_share": play.holdout_share,
        "contacts_per_day": play.limits.contacts_per_day,
        "starts_at": play.schedule.starts_at.isoformat(),
    }


def _description(proposal: Proposal, notes: tuple[str, ...], asked: tuple[Exchange, ...]) -> str:
    lines = [proposal.summary, "", f"Hypothesis: {proposal.hypothesis}", f"Why now: {proposal.why_now}", ""]
    lines += [f"- {evidence.sentence} [{evidence.lookup_id}]" for evidence in proposal.evidence]
    audience = proposal.audience
    lines += ["", f"Selected: {audience.selected}"]
    lines += [f"- minus {one.contacts}: {one.sentence}" for one in audience.subtractions]
    lines += [f"Would get it: {audience.treated}; held out: {audience.holdout}"]
    lines += ["", proposal.forecast.sentence, proposal.detection.sentence]
    against = [finding for finding in proposal.findings if finding.verdict is not Verdict.ALLOW]
    lines += [f"- {finding.verdict}: {finding.sentence} ({finding.rule})" for finding in against]
    lines += [f"- {exchange.actor} asked: {exchange.question}\n  {exchange.answer}" for exchange in asked]
    lines += [f"- {note}" for note in notes]
    return "\n".join(lines)
