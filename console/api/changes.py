"""Changes of running campaigns: ask for one, and see what the worker made of it."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from agents.change import foresee_change
from agents.edit import Changes
from console.api.door import needs
from console.api.page import Id
from console.tokens import Caller
from console.wiring import Workspace
from memory import campaigns, change_requests
from memory.canonical import digest
from memory.change_requests import ChangeRequest, ChangeState, InFlight
from memory.errors import InvalidInputError, NotFoundError
from memory.finding import Verdict


class NewChange(BaseModel):
    """What is to be otherwise in a campaign that runs."""

    model_config = ConfigDict(extra="forbid")

    changes: Changes = Field(default_factory=Changes)
    """Texts by step, language and slot, an offer, contacts per day; empty to have the same approved again under the
    policy in force."""
    in_flight: InFlight = "stay"
    """Whether contacts in flight finish the version that they are in, or go on in the new one."""


class ChangeStatus(BaseModel):
    """The newest change asked for of a campaign: ``waiting`` for a worker, ``proposed``, or ``returned``."""

    campaign_id: str
    request_id: str
    state: ChangeState
    in_flight: InFlight
    asked_at: AwareDatetime
    actor: str
    proposal_id: str
    """The proposal that came of it; empty where none did."""
    answer: str
    """Why none did."""


def routes(opened: Workspace) -> APIRouter:
    """Ask, and look."""
    router = APIRouter(tags=["campaigns"])

    @router.post("/campaigns/{campaign_id}/changes", status_code=202, summary="Ask for a change of a running campaign")
    def ask(
        campaign_id: Id,
        request: Request,
        response: Response,
        new: NewChange,
        caller: Annotated[Caller, needs("decide")],
    ) -> ChangeStatus:
        """The worker makes a proposal of it; nothing of the campaign changes before people have approved that.

        What the policy would refuse is answered with 422, and nobody is asked.
        """
        changes = new.changes.model_dump(mode="json", exclude_unset=True)
        with opened.lock:
            opened.take_up_policy()
            desk = opened.desk
        foreseen = foresee_change(desk, campaign_id, changes, in_flight=new.in_flight)
        if foreseen.refused:
            against = [one for one in foreseen.draft.findings if one.verdict is Verdict.REFUSE]
            raise InvalidInputError(
                f"The policy would refuse this change. {' '.join(one.sentence for one in against)}",
                where=f"rule {', '.join(sorted({one.rule for one in against}))}",
                remedy="Change what it found; nothing was noted.",
            )
        key, said = getattr(request.state, "key", None), new.model_dump(mode="json")
        # By key and content, so that not even a crash between the two lets one request be two changes.
        name = digest(["change", caller.user.name, campaign_id, key, said])[:12] if key else uuid.uuid4().hex[:12]
        asked = ChangeRequest(
            campaign_id=foreseen.runs.campaign.campaign_id,
            request_id=name,
            changes=changes,
            in_flight=new.in_flight,
            seen=foreseen.draft.play.digest,
            actor=caller.actor,
            asked_at=opened.clock.now(),
        )
        with opened.store.write() as connection:
            kept = change_requests.submit(connection, asked)
        response.headers["Location"] = f"/api/v1/campaigns/{kept.campaign_id}/changes"
        return _status(kept)

    @router.get("/campaigns/{campaign_id}/changes", summary="Look at the newest change asked for of a campaign")
    def show(campaign_id: Id, _caller: Annotated[Caller, needs("read")]) -> ChangeStatus:
        with opened.store.read() as connection:
            found = change_requests.of_campaign(connection, campaigns.get(connection, campaign_id).campaign_id)
        if found is None:
            raise NotFoundError("Nobody asked for a change of it.", where=f"campaign {campaign_id}")
        return _status(found)

    return router


def _status(one: ChangeRequest) -> ChangeStatus:
    return ChangeStatus.model_validate(one.model_dump(include=set(ChangeStatus.model_fields)))
