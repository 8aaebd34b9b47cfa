"""Memory: lessons with their evidence and state, past campaigns, and whether something like it was tried."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import Connection, Text, cast, select
from starlette.responses import Response

from console.effects import lesson_per_thousand, rate_without
from console.screens.door import Viewer
from console.screens.frame import Frame
from memory import campaigns, journal, lessons, readouts
from memory.lessons import Lesson
from memory.proposal import LessonUse, Proposal
from memory.schema import proposals as proposal_rows
from memory.vectors import Match

_FOUND, _PAST, _USES = 8, 100, 20


def routes(frame: Frame) -> APIRouter:
    """The page with its search, and the page of one lesson."""
    router, opened = APIRouter(), frame.opened
    # Of its own: whoever decides on a proposal does not wait for the encoder.
    searching = threading.Lock()

    @router.get("/memory")
    def show(request: Request, _user: Viewer, q: str = "", state: str = "") -> Response:
        with opened.store.read() as connection:
            known = lessons.every(connection)
            past = campaigns.list_campaigns(connection, ["live", "paused", "finished", "cancelled"])[:_PAST]
            verdicts = readouts.verdicts(connection)
        newest = {one: looks[max(looks)] for one, looks in verdicts.items() if looks}
        shown = [one for one in known if not state or standing(one, opened.clock.now()) == state]
        return frame.page(
            request,
            "memory.html",
            lessons=shown,
            standing=standing,
            states=STANDINGS,
            past=past,
            verdicts=newest,
            q=q,
            state=state,
            found=_search(q),
            titles={one.lesson_id: one.text for one in known} | {one.campaign_id: one.name for one in past},
        )

    def _search(words: str) -> list[Match] | None:
        """The only page that loads the sentence encoder, and only when somebody searches."""
        if not words.strip():
            return None
        with frame.lock:
            vectors = opened.vectors
        with searching:
            try:
                return vectors.search(words.strip()[:500], limit=_FOUND)
            finally:
                # The worker writes to the index: what was read of it must not be kept for the next question.
                vectors.close()

    @router.get("/memory/lessons/{lesson_id}")
    def lesson(request: Request, _user: Viewer, lesson_id: str) -> Response:
        with opened.store.read() as connection:
            found = lessons.get(connection, lesson_id)
            story = list(journal.entries(connection, subject=lesson_id, limit=100))
            used = _used(connection, lesson_id)
            taught = campaigns.get(connection, found.campaign_id) if found.campaign_id else None
            plays = [campaigns.get_version(connection, taught.campaign_id, taught.version).play] if taught else []
        added, without = lesson_per_thousand(found), rate_without(found)
        shown: dict[str, Any] = {"one": found, "added": added, "without": without, "story": story, "used": used}
        return frame.page(request, "lesson.html", plays=plays, standing=standing, **shown)

    return router


STANDINGS = ("holds", "narrowed", "expired", "contradicted", "withdrawn")


def standing(lesson: Lesson, now: datetime) -> str:
    """Whether a lesson still counts, in a word."""
    if lesson.state != "active":
        return lesson.state
    if lesson.expires_at <= now:
        return "expired"
    return "narrowed" if lesson.narrowed else "holds"


def _used(connection: Connection, lesson_id: str) -> list[tuple[Proposal, LessonUse]]:
    """The newest proposals whose expected effect it moved."""
    query = (
        select(proposal_rows.c.body)
        .where(cast(proposal_rows.c.body, Text).contains(lesson_id, autoescape=True))
        .order_by(proposal_rows.c.created_at.desc(), proposal_rows.c.proposal_id)
        .limit(_USES)
    )
    found = [Proposal.model_validate(body) for body in connection.execute(query).scalars()]
    return [(one, use) for one in found for use in one.lessons if use.lesson_id == lesson_id]
