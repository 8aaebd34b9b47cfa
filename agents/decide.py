"""Weighs an answer against the record: only a stored decision of a known person, on this very version, counts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from agents.answer import Answer
from agents.approvals import approvals_that_count, may_launch, still_missing
from agents.approve import Exchange, Request
from agents.desk import Desk
from agents.edit import apply_changes, check_edit
from agents.handover import Draft, fetch, keep
from agents.rejection import rejected
from agents.state import ProposalState
from agents.submit import prepare
from agents.tasks import task_of
from memory import proposals
from memory.errors import NoriaError
from memory.journal import append
from memory.proposal import Decision, ProposalStatus
from memory.proposals import WAITING, StoredProposal

ASK_AGAIN, REVISE, LAUNCH, END = "approve", "review", "launch", "end"


class Note(BaseModel):
    """Why an answer did not settle a proposal, for the people who are asked again."""

    model_config = ConfigDict(frozen=True)

    version: int
    sentence: str


def decide(state: ProposalState, desk: Desk) -> ProposalState:
    """Act on an answer, once: launch, make a new version, close, or reply and ask again."""
    answer = Answer.model_validate(state["answer"])
    request = fetch(desk, state["thread_id"], state["request_id"], Request)
    with desk.store.read() as connection:
        stored = proposals.get(connection, state["proposal_id"])
    if (why := _foreign(request, stored)) is not None:
        return _again(state, desk, stored, why)
    if stored.status not in (*WAITING, ProposalStatus.QUEUED):
        return {"route": END, "outcome": str(stored.status)}
    with desk.store.write() as connection:
        # Whatever this answer says, a no that somebody put on record by now comes first.
        if rejected(connection, stored, desk):
            return {"route": END, "outcome": "rejected"}
    try:
        decision = _decision(answer, request, stored, desk)
    except NoriaError as error:
        return _again(state, desk, stored, str(error))
    if decision is None:
        return _again(
            state, desk, stored, "An answer was ignored: no stored decision of a known person stands behind it."
        )
    act = {"approve": _approved, "edit": _edited, "reject": _rejected, "ask": _asked}[decision.verdict]
    moved = act(state, desk, stored, decision)
    with desk.store.write() as connection:
        proposals.consume(connection, decision.decision_id, desk.clock.now())
    return moved


def _decision(answer: Answer, request: Request, stored: StoredProposal, desk: Desk) -> Decision | None:
    """The stored decision behind an answer. In a sandbox an inbox may answer for itself, and is written down."""
    if answer.verdict == "edit" and desk.settings.sandbox and not answer.decision_id:
        check_edit(stored.proposal, answer.changes, desk)
    with desk.store.read() as connection:
        on_record = proposals.decisions_on(connection, request.proposal_id)
    said = [
        decision
        for decision in on_record
        if (decision.version, decision.digest) == (request.version, request.digest)
        and decision.verdict == answer.verdict
        and desk.hears(decision.actor)
    ]
    if answer.decision_id:
        return next((one for one in said if one.decision_id == answer.decision_id), None)
    if not desk.settings.sandbox:
        # An inbox proves nobody's identity: it may only carry what a known person has put on record already.
        same = [one for one in said if one.verdict != "edit" or one.changes == answer.changes]
        return same[-1] if same else None
    actor = answer.actor if desk.hears(answer.actor) else "inbox:sandbox"
    with desk.store.write() as connection:
        return proposals.decide(
            connection,
            proposal_id=request.proposal_id,
            version=request.version,
            digest=request.digest,
            verdict=answer.verdict,
            actor=actor,
            reason=answer.reason,
            changes=answer.changes,
            at=desk.clock.now(),
        )


def _foreign(request: Request, stored: StoredProposal) -> str | None:
    proposal = stored.proposal
    if request.proposal_id != proposal.proposal_id:
        return "An answer was ignored: it was given to another proposal."
    if (request.version, request.digest) != (proposal.version, proposal.digest):
        return "An answer was void: the proposal had changed since it was shown."
    return None


def _approved(state: ProposalState, desk: Desk, stored: StoredProposal, decision: Decision) -> ProposalState:
    with desk.store.read() as connection:
        counted = approvals_that_count(connection, stored, desk)
    if may_launch(stored, counted, desk):
        return {"route": LAUNCH}
    if stored.proposal.expires_at <= desk.clock.now():
        return {"route": END, "outcome": "expired"}
    return _again(state, desk, stored, f"{decision.actor} approved. {still_missing(stored, counted, desk)}")


def _edited(state: ProposalState, desk: Desk, stored: StoredProposal, decision: Decision) -> ProposalState:
    try:
        proposal = apply_changes(stored.proposal, decision.changes, desk)
    except NoriaError as error:
        return _again(state, desk, stored, str(error))
    draft = Draft(proposal=proposal, author=decision.actor)
    return {"route": REVISE, "draft_id": keep(desk, state["thread_id"], "draft", draft), "revisions": 0}


def _rejected(state: ProposalState, desk: Desk, stored: StoredProposal, decision: Decision) -> ProposalState:
    with desk.store.write() as connection:
        proposals.swap_status(
            connection,
            stored.proposal.proposal_id,
            stored.status,
            ProposalStatus.REJECTED,
            desk.clock.now(),
            actor=decision.actor,
            reason=decision.reason,
        )
    return {"route": END, "outcome": "rejected"}


def _asked(state: ProposalState, desk: Desk, stored: StoredProposal, decision: Decision) -> ProposalState:
    proposal, now = stored.proposal, desk.clock.now()
    with desk.store.write() as connection:
        proposals.swap_status(
            connection, proposal.proposal_id, ProposalStatus.OPEN, ProposalStatus.ASKED, now, actor=decision.actor
        )
    reply = desk.provider.reply(task_of(state, desk), proposal, decision.reason)
    exchange = Exchange(actor=decision.actor, question=decision.reason, answer=reply)
    kept = keep(desk, state["thread_id"], "exchange", exchange)
    with desk.store.write() as connection:
        answered = proposals.swap_status(
            connection, proposal.proposal_id, ProposalStatus.ASKED, ProposalStatus.OPEN, now, reason="answered"
        )
        if answered:
            proposals.record_reply(connection, decision.decision_id, reply)
            append(
                connection,
                at=now,
                actor="noria",
                action="question.answered",
                subject=proposal.proposal_id,
                payload={"decision": decision.decision_id, "exchange": kept},
            )
    return {"route": ASK_AGAIN, "request_id": prepare(state["thread_id"], proposal, desk)}


def _again(state: ProposalState, desk: Desk, stored: StoredProposal, sentence: str) -> ProposalState:
    """Ask once more, and say why."""
    keep(desk, state["thread_id"], "note", Note(version=stored.proposal.version, sentence=sentence))
    with desk.store.write() as connection:
        append(
            connection,
            at=desk.clock.now(),
            actor="noria",
            action="answer.not_settled",
            subject=stored.proposal.proposal_id,
            payload={"version": stored.proposal.version, "verdict": str(state["answer"]["verdict"])},
        )
    return {"route": ASK_AGAIN, "request_id": prepare(state["thread_id"], stored.proposal, desk)}
