"""Proposals: list and look at them, and say yes, no, ask or edit, bound to exactly what was looked at."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection, Row

from agents.approve import editable
from agents.edit import Changes
from console.api.door import needs
from console.api.page import After, Id, Limit, Page, Text, page
from console.api.problem import ChangedError
from console.decisions import note
from console.difference import differences
from console.tokens import Caller
from console.wiring import Workspace
from memory import proposal_pages, proposals
from memory.errors import ConflictError, InvalidInputError, NotAllowedError
from memory.pending_decisions import voided
from memory.proposal import Decision, Proposal, ProposalStatus
from policies.roles import reaches
from tools.lookups import notes_on

Reader = Annotated[Caller, needs("read")]
_VERSIONS = 2**31 - 1


class ProposalLine(BaseModel):
    """A proposal in a list."""

    proposal_id: str
    version: int
    digest: str
    status: ProposalStatus
    kind: str
    playbook: str
    owner: str
    title: str
    summary: str
    created_at: AwareDatetime
    updated_at: AwareDatetime
    expires_at: AwareDatetime


class ProposalShown(BaseModel):
    """A proposal with everything by which it is judged, and what was said of it."""

    status: ProposalStatus
    digest: str
    """What a decision is bound to, besides the version."""
    last_editor: str | None
    updated_at: AwareDatetime
    proposal: Proposal
    editable: dict[str, Any]
    """What an edit may change, as it stands."""
    decisions: list[Decision]
    void: dict[str, str]
    """Why decisions came to nothing, by their id."""
    notes: list[str]
    """Why a decision did not settle this version."""


class NewDecision(BaseModel):
    """What somebody says of the version that they looked at."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["approve", "reject", "ask", "edit"]
    version: int = Field(ge=1, le=_VERSIONS, strict=True)
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    reason: Text = ""
    """Needed to reject, to ask (it is the question), and to approve what a rule holds."""
    changes: Changes | None = None
    """What an edit changes; it goes with no other verdict."""


class Noted(BaseModel):
    """A decision as it was written down; the worker acts on it."""

    decision: Decision
    missing: str = ""
    """What an approval still lacks before anything is launched; empty when nothing does."""


def routes(opened: Workspace) -> APIRouter:
    """The list, one of them, and decisions."""
    router = APIRouter(tags=["proposals"])

    @router.get("/proposals", summary="List proposals, the newest first")
    def listing(
        _caller: Reader,
        status: Annotated[tuple[ProposalStatus, ...], Query(description="Only those that stand so.")] = (),
        after: After = "",
        limit: Limit = 50,
    ) -> Page[ProposalLine]:
        with opened.store.read() as connection:
            found = proposal_pages.newest_lines(connection, status, after=after, limit=limit + 1)
        return page([_line(one) for one in found], limit, lambda one: one.proposal_id)

    @router.get("/proposals/{proposal_id}", summary="Look at a proposal")
    def show(proposal_id: Id, _caller: Reader) -> ProposalShown:
        with opened.store.read() as connection:
            stored = proposals.get(connection, proposal_id)
            return ProposalShown(
                status=stored.status,
                digest=stored.proposal.digest,
                last_editor=stored.last_editor,
                updated_at=stored.updated_at,
                proposal=stored.proposal,
                editable=editable(stored.proposal),
                decisions=proposals.decisions_on(connection, stored.proposal.proposal_id),
                void=voided(connection, stored.proposal.proposal_id),
                notes=list(notes_on(connection, stored.proposal)),
            )

    @router.post("/proposals/{proposal_id}/decisions", status_code=201, summary="Decide on a proposal")
    def decide(proposal_id: Id, said: NewDecision, caller: Annotated[Caller, needs("decide")]) -> Noted:
        """Bound to version and digest: if it is another by now, nothing is noted and 409 shows the difference.

        An edit that the policy would refuse is not noted; of any other the worker makes the next version, which needs
        approvals of its own.

        Records name the owner of the token, so one person counts once, wherever they say yes.
        """
        if said.verdict == "approve" and not reaches(caller.user.role, "approver"):
            raise NotAllowedError("To say yes takes the role approver.", where="token", remedy="Ask an admin.")
        with opened.store.read() as connection:
            _refuse_changed(connection, proposal_id, said)
        changes = _changes(said)
        with opened.lock:
            opened.take_up_policy()
            try:
                decision, lacking = note(
                    opened,
                    proposal_id,
                    said.verdict,
                    actor=caller.actor,
                    seen=said.digest,
                    reason=said.reason,
                    changes=changes,
                )
            except ConflictError:
                with opened.store.read() as connection:
                    _refuse_changed(connection, proposal_id, said)
                raise
        return Noted(decision=decision, missing=lacking)

    return router


def _changes(said: NewDecision) -> dict[str, Any] | None:
    if (said.verdict == "edit") is (said.changes is None):
        raise InvalidInputError(
            "An edit needs its changes, and nothing else has any.",
            where="changes",
            remedy="Name what changes, as `editable` of the proposal shows it.",
        )
    return said.changes.model_dump(mode="json", exclude_unset=True) if said.changes is not None else None


def _refuse_changed(connection: Connection, proposal_id: str, said: NewDecision) -> None:
    now = proposals.get(connection, proposal_id).proposal
    if (now.version, now.digest) != (said.version, said.digest):
        seen = proposals.get_version(connection, now.proposal_id, said.version)
        raise ChangedError(now.proposal_id, now.version, now.digest, differences(seen, now, "en"))


def _line(row: Row[Any]) -> ProposalLine:
    return ProposalLine.model_validate(row._asdict())
