"""Campaigns: what runs, where everybody is in it, what it was measured to add; pause it, let it go on, or end it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from agents.look import tell_looks_left
from console.flow.picture import draw
from console.flow.progress import notes_of, progress
from console.flow.steps import nodes_of
from console.report.facts import campaign_line
from console.report.load import load, standing_of_sender
from console.screens.door import Operator, Viewer
from console.screens.frame import Frame, go
from console.screens.measured import campaign_charts
from console.translation import translator
from memory import campaigns, change_requests, forecasts, journal, proposals
from memory.bands import by_label
from memory.cap import Cap
from memory.errors import NotFoundError
from memory.step_text import tell_sequence, tell_trigger
from tools import campaign as steering

_SHOWN: Final = 50
_ACTS: Final = {"pause": steering.pause, "resume": steering.resume, "stop": steering.stop}


def routes(frame: Frame) -> APIRouter:
    """The list, a page and pictures for each, and a hand on it."""
    router, opened = APIRouter(), frame.opened

    @router.get("/campaigns")
    def listing(request: Request, _user: Viewer, after: str = "") -> Response:
        with opened.store.read() as connection:
            found = campaigns.newest(connection, after=after, limit=_SHOWN + 1)
            lines = [campaign_line(connection, one) for one in found[:_SHOWN]]
        more = found[_SHOWN - 1].campaign_id if len(found) > _SHOWN else ""
        return frame.page(request, "campaigns.html", found=lines, more=more)

    @router.get("/campaigns/{campaign_id}")
    def show(request: Request, user: Viewer, campaign_id: str) -> Response:
        language = frame.language(request)
        with frame.lock:
            opened.take_up_policy()
            cap = Cap(opened.pack.cap.messages, opened.pack.cap.window_days)
        with opened.store.read() as connection:
            found = campaigns.get(connection, campaign_id)
            version = campaigns.get_version(connection, found.campaign_id, found.version)
            proposal = proposals.get(connection, found.proposal_id).proposal
            expected = forecasts.of_proposal(connection, found.proposal_id, proposal.version)
            versions = campaigns.versions(connection, found.campaign_id)
            history = journal.newest(connection, limit=50, subject=found.campaign_id)
            line = campaign_line(connection, found)
            shares = campaigns.shares(connection, found.campaign_id, found.version)
            charts = campaign_charts(connection, line, translator(language))
            pressure = load(connection, found.campaign_id, line.treated, cap, opened.clock.now())
            standings = standing_of_sender(connection, version.play)
            asked = change_requests.of_campaign(connection, found.campaign_id)
        told = [(one, tell_sequence(one, language, version.play.trigger)) for one in version.play.sequences]
        return frame.page(
            request,
            "campaign.html",
            c=found,
            line=line,
            charts=charts,
            looks_left=tell_looks_left(found, {one.look: one.verdict for one in line.looks}),
            version=version,
            versions=versions,
            proposal=proposal,
            expected=expected.body if expected else None,
            trigger=tell_trigger(version.play.trigger, language),
            sequences=told,
            by_band=by_label(version.play.bands, shares, language),
            titles={one.key: one.title for one in version.play.sequences},
            history=history,
            asked=asked,
            pressure=pressure,
            standings=standings,
        )

    @router.get("/campaigns/{campaign_id}/flow/{sequence_key}.svg")
    def picture(request: Request, _user: Viewer, campaign_id: str, sequence_key: str) -> Response:
        language = frame.language(request)
        with opened.store.read() as connection:
            found = campaigns.get(connection, campaign_id)
            play = campaigns.get_version(connection, found.campaign_id, found.version).play
            sequence = next((one for one in play.sequences if one.key == sequence_key), None)
            if sequence is None:
                raise NotFoundError("There is no such sequence.")
            counted = progress(connection, found, sequence)
        notes = notes_of(counted, sequence, lambda count: f"{count:g}", translator(language))
        nodes = nodes_of(sequence, play.trigger, language, notes)
        words = tell_sequence(sequence, language, play.trigger)
        svg = draw(nodes, title=f"{found.name}: {sequence.title}", words=words, name="flow")
        return Response(svg, media_type="image/svg+xml")

    @router.post("/campaigns/{campaign_id}")
    def steer(
        user: Operator,
        campaign_id: str,
        act: Annotated[Literal["pause", "resume", "stop"], Form()],
        reason: Annotated[str, Form()] = "",
    ) -> Response:
        with opened.store.write() as connection:
            _ACTS[act](connection, campaign_id, at=opened.clock.now(), actor=user.actor, reason=reason.strip())
        return go(f"/campaigns/{campaign_id}")

    return router
