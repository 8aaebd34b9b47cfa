"""Campaigns: list and look at them, pause one, let it go on, or end it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict

from console.api.door import needs
from console.api.page import After, Id, Limit, Page, Text, page
from console.report.facts import CampaignLine, campaign_line
from console.tokens import Caller
from console.wiring import Workspace
from memory import campaigns
from memory.campaigns import Campaign, Status
from tools import campaign as steering

Reader = Annotated[Caller, needs("read")]
Steerer = Annotated[Caller, needs("steer")]


class CampaignItem(BaseModel):
    """A campaign in a list."""

    model_config = ConfigDict(from_attributes=True)

    campaign_id: str
    proposal_id: str
    name: str
    playbook: str
    status: Status
    version: int
    owner: str
    holdout_share: float
    trigger_kind: str
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    review_at: AwareDatetime
    """By when it has to prove its worth."""
    created_at: AwareDatetime


class CampaignShown(CampaignItem):
    """A campaign with where everybody is in it, and what each look at it said."""

    facts: CampaignLine


class Reason(BaseModel):
    """Why; it goes into the journal."""

    model_config = ConfigDict(extra="forbid")

    reason: Text = ""


def routes(opened: Workspace) -> APIRouter:
    """The list, one of them, and a hand on it."""
    router = APIRouter(tags=["campaigns"])

    @router.get("/campaigns", summary="List campaigns, the newest first")
    def listing(
        _caller: Reader,
        status: Annotated[tuple[Status, ...], Query(description="Only those that stand so.")] = (),
        after: After = "",
        limit: Limit = 50,
    ) -> Page[CampaignItem]:
        with opened.store.read() as connection:
            found = campaigns.newest(connection, status, after=after, limit=limit + 1)
        return page([CampaignItem.model_validate(one) for one in found], limit, lambda one: one.campaign_id)

    @router.get("/campaigns/{campaign_id}", summary="Look at a campaign")
    def show(campaign_id: Id, _caller: Reader) -> CampaignShown:
        with opened.store.read() as connection:
            found = campaigns.get(connection, campaign_id)
            facts = campaign_line(connection, found)
        return CampaignShown(**CampaignItem.model_validate(found).model_dump(), facts=facts)

    def steer(act: Callable[..., Campaign], campaign_id: str, caller: Caller, why: Reason) -> CampaignItem:
        with opened.store.write() as connection:
            at = opened.clock.now()
            done = act(connection, campaign_id, at=at, actor=caller.actor, reason=why.reason.strip())
        return CampaignItem.model_validate(done)

    @router.post("/campaigns/{campaign_id}/pause", summary="Hold back all messages of a campaign")
    def pause(campaign_id: Id, why: Reason, caller: Steerer) -> CampaignItem:
        return steer(steering.pause, campaign_id, caller, why)

    @router.post("/campaigns/{campaign_id}/resume", summary="Let a paused campaign go on")
    def resume(campaign_id: Id, why: Reason, caller: Steerer) -> CampaignItem:
        return steer(steering.resume, campaign_id, caller, why)

    @router.post("/campaigns/{campaign_id}/stop", summary="End a campaign for good")
    def stop(campaign_id: Id, why: Reason, caller: Steerer) -> CampaignItem:
        return steer(steering.stop, campaign_id, caller, why)

    return router
