"""Changing what runs: a form over a running campaign, what its change would do, and handing it to the worker."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from agents.approve import editable
from agents.change import Foreseen, foresee_change, running
from agents.desk import Desk
from console.difference import Difference, play_differences
from console.screens.decide import read_changes
from console.screens.door import Operator
from console.screens.frame import Frame, go
from memory import change_requests
from memory.change_requests import ChangeRequest, InFlight
from memory.errors import InvalidInputError, NoriaError
from memory.finding import Verdict
from memory.offers import open_offers
from memory.play import Play
from memory.proposal import Proposal
from memory.users import User

_IN_FLIGHT: Final[Mapping[str, InFlight]] = {"stay": "stay", "move": "move"}
_OF_THE_FORM: Final = ("act", "seen")
_ID: Final = re.compile(r"[0-9a-f]{12}")
_TOLD_APART: Final = "replaces"
"""What becomes of contacts in flight is told step by step."""


def routes(frame: Frame) -> APIRouter:
    """The form, what would happen, and the word that the change is to be proposed."""
    router, opened = APIRouter(), frame.opened

    def desk_now() -> Desk:
        with frame.lock:
            opened.take_up_policy()
            return opened.desk

    def page(
        request: Request,
        campaign_id: str,
        given: Mapping[str, str],
        *,
        foreseen: Foreseen | None = None,
        problem: NoriaError | None = None,
        status: int = 200,
    ) -> Response:
        desk = desk_now()
        runs = foreseen.runs if foreseen else running(desk, campaign_id)
        with opened.store.read() as connection:
            offers = open_offers(connection, opened.clock.now())
        # Made with the form, so that a form that is sent twice is one request.
        request_id = given.get("request_id") or uuid.uuid4().hex[:12]
        shown: dict[str, Any] = {
            "c": runs.campaign,
            "p": runs.proposal,
            "now_is": editable(runs.proposal),
            "offers": offers,
            "given": given,
            "carried": {name: text for name, text in given.items() if name not in _OF_THE_FORM},
            "problem": problem,
            "request_id": request_id,
            "renewable": runs.proposal.play.policy_version != desk.pack.version,
            "foreseen": foreseen,
        }
        if foreseen is not None:
            shown |= _what_would_happen(foreseen, frame.language(request))
        return frame.page(request, "change.html", status, **shown, plays=[runs.proposal.play])

    @router.get("/campaigns/{campaign_id}/change")
    def ask(request: Request, _user: Operator, campaign_id: str) -> Response:
        return page(request, campaign_id, {})

    @router.post("/campaigns/{campaign_id}/change")
    async def look_or_propose(request: Request, user: Operator, campaign_id: str) -> Response:
        sent = await request.form(max_fields=500, max_files=0)
        given = {name: str(value) for name, value in sent.items()}
        return await run_in_threadpool(look, request, user, campaign_id, given)

    def look(request: Request, user: User, campaign_id: str, given: Mapping[str, str]) -> Response:
        desk = desk_now()
        proposal = running(desk, campaign_id).proposal
        try:
            in_flight = read_in_flight(given)
            changes = read_change(proposal, given)
            foreseen = foresee_change(desk, campaign_id, changes, in_flight=in_flight)
        except InvalidInputError as error:
            return page(request, campaign_id, given, problem=error, status=400)
        if given.get("act") != "propose":
            return page(request, campaign_id, given, foreseen=foreseen)
        if foreseen.refused:
            return page(request, campaign_id, given, foreseen=foreseen, status=400)
        if foreseen.draft.play.digest != given.get("seen"):
            changed = InvalidInputError("What would happen is no longer what you saw.", remedy="Look again.")
            return page(request, campaign_id, given, foreseen=foreseen, problem=changed, status=409)
        with opened.store.write() as connection:
            change_requests.submit(
                connection,
                ChangeRequest(
                    campaign_id=foreseen.runs.campaign.campaign_id,
                    request_id=read_request_id(given),
                    changes=changes,
                    in_flight=in_flight,
                    seen=foreseen.draft.play.digest,
                    actor=user.actor,
                    asked_at=opened.clock.now(),
                ),
            )
        return go(f"/campaigns/{campaign_id}#change")

    return router


def read_request_id(given: Mapping[str, str]) -> str:
    """The name of a form. Raises InvalidInputError for one that is not ours."""
    if not _ID.fullmatch(given.get("request_id", "")):
        raise InvalidInputError("This form or address is incomplete.")
    return given["request_id"]


def read_in_flight(given: Mapping[str, str]) -> InFlight:
    """What is to become of contacts in flight. Raises InvalidInputError."""
    found = _IN_FLIGHT.get(given.get("in_flight", ""))
    if found is None:
        raise InvalidInputError("This form or address is incomplete.")
    return found


def read_change(proposal: Proposal, given: Mapping[str, str]) -> dict[str, Any]:
    """What a form says otherwise than what runs; empty to have it approved again as it is. Raises InvalidInputError."""
    if given.get("renew"):
        return {}
    return read_changes(proposal, given, tuple(one.key for one in proposal.play.sequences))


def _what_would_happen(foreseen: Foreseen, language: str) -> dict[str, Any]:
    before, draft = foreseen.runs.proposal.play, foreseen.draft
    return {
        "changed": _differences(before, draft.play, language),
        "against": [one for one in draft.findings if one.verdict is not Verdict.ALLOW],
        "titles": {one.key: one.title for one in before.sequences},
        "draft": draft,
    }


def _differences(before: Play, after: Play, language: str) -> list[Difference]:
    return [one for one in play_differences(before, after, language) if not one.part.startswith(_TOLD_APART)]
