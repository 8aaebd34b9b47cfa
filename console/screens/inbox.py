"""The inbox: what waits for a yes or no, the riskiest and most urgent first; the rest by pages, the newest first."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy import func, select
from starlette.responses import Response

from console.risk import RISKS, by_risk_and_deadline, channels_of, risk_of
from console.screens.door import Viewer
from console.screens.frame import Frame
from memory import proposal_pages
from memory.proposal import ProposalStatus as Status
from memory.schema import proposals as rows

_MOST_WAITING: Final = 200
_SHOWN: Final = 50
VIEWS: Final = {
    "waiting": (Status.OPEN, Status.ASKED),
    "queued": (Status.QUEUED,),
    "approved": (Status.APPROVED, Status.LAUNCHING),
    "settled": (Status.LAUNCHED, Status.REJECTED, Status.EXPIRED, Status.VOIDED, Status.FAILED),
}
"""What each view shows; the address names the view, so that it can be sent."""


def routes(frame: Frame) -> APIRouter:
    """The inbox, filtered by its address."""
    router, read = APIRouter(), proposal_pages.Read()

    @router.get("/")
    def inbox(
        request: Request,
        _user: Viewer,
        view: str = "waiting",
        risk: str = "",
        channel: str = "",
        owner: str = "",
        after: str = "",
    ) -> Response:
        view, more = view if view in VIEWS else "waiting", ""
        with frame.opened.store.read() as connection:
            if view == "waiting":
                found = by_risk_and_deadline(read.standing(connection, VIEWS[view], limit=_MOST_WAITING))
            else:
                found = proposal_pages.newest(connection, VIEWS[view], after=after, limit=_SHOWN + 1)
                more = found[_SHOWN - 1].proposal.proposal_id if len(found) > _SHOWN else ""
                found = found[:_SHOWN]
            last = connection.execute(select(func.max(rows.c.created_at))).scalar_one()
        shown = [
            one
            for one in found
            if (not risk or risk_of(one.proposal) == risk)
            and (not channel or channel in channels_of(one.proposal))
            and (not owner or one.proposal.play.owner == owner)
        ]
        if view == "waiting":
            ids = [one.proposal.proposal_id for one in shown]
            begin = ids.index(after) + 1 if after in ids else 0
            more = ids[begin + _SHOWN - 1] if len(ids) > begin + _SHOWN else ""
            shown = shown[begin : begin + _SHOWN]
        return frame.page(
            request,
            "inbox.html",
            found=shown,
            more=more,
            last_at=last,
            risk_of=risk_of,
            channels_of=channels_of,
            asked={"view": view, "risk": risk, "channel": channel, "owner": owner},
            views=tuple(VIEWS),
            risks=RISKS,
            channels=sorted({name for one in found for name in channels_of(one.proposal)}),
            owners=sorted({one.proposal.play.owner for one in found}),
        )

    return router
