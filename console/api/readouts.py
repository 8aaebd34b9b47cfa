"""Read-outs: what a campaign, or all marketing together, was measured to add."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel

from console.api.door import needs
from console.api.page import Id
from console.tokens import Caller
from console.wiring import Workspace
from memory import campaigns, readouts
from memory.readouts import StoredReadOut

Reader = Annotated[Caller, needs("read")]


class ReadOuts(BaseModel):
    """Every look so far, the first look first."""

    items: list[StoredReadOut]


def routes(opened: Workspace) -> APIRouter:
    """Of one campaign, and of the programme."""
    router = APIRouter(tags=["read-outs"])

    @router.get("/campaigns/{campaign_id}/readouts", summary="The looks at a campaign")
    def of_campaign(campaign_id: Id, _caller: Reader) -> ReadOuts:
        with opened.store.read() as connection:
            found = campaigns.get(connection, campaign_id)
            return ReadOuts(items=readouts.of_campaign(connection, found.campaign_id))

    @router.get("/programme/readouts", summary="All marketing together, quarter by quarter")
    def of_programme(_caller: Reader) -> ReadOuts:
        with opened.store.read() as connection:
            return ReadOuts(items=readouts.of_programme(connection))

    return router
