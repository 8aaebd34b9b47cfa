"""Events in batches: kept and deduplicated in one transaction, like those of the signed door."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel

from console.api.door import needs
from console.event_door import Batch
from console.tokens import Caller
from console.wiring import Workspace
from tools.intake import receive


class Received(BaseModel):
    """What became of them; they are on record."""

    accepted: int
    duplicates: int
    """Those whose event_id came before."""


def routes(opened: Workspace) -> APIRouter:
    """The intake."""
    router = APIRouter(tags=["events"])

    @router.post("/events", status_code=202, summary="Report events")
    def take(batch: Batch, _caller: Annotated[Caller, needs("events")]) -> Received:
        """All or none: if one is wrong, none is kept, and the answer says which part of which one is wrong."""
        receipt = receive(opened.store, [one.incoming() for one in batch.events], opened.clock.now())
        return Received(accepted=receipt.accepted, duplicates=receipt.duplicates)

    return router
