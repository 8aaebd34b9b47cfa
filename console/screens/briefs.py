"""Briefs: somebody says what should change, the agents look for campaigns that would do it, and ask what is unclear."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from agents.clarity import QUESTIONS, Question, open_questions, says_something
from console.screens.door import Operator, Viewer
from console.screens.frame import Frame, go
from memory import plan_requests, proposals
from memory.errors import InvalidInputError
from memory.plan_requests import PlanRequest
from memory.proposal import Brief
from memory.users import User

_SHOWN: Final = 50
_LONGEST: Final = 2_000
_ID: Final = re.compile(r"[0-9a-f]{12}")
_WISHES: Final = ("audience_hint", "constraints")


def routes(frame: Frame) -> APIRouter:
    """The form with the questions of the clarity gate, and what came of each brief."""
    router, opened = APIRouter(), frame.opened

    def page(
        request: Request,
        given: Mapping[str, str],
        unclear: frozenset[str] = frozenset(),
    ) -> Response:
        with opened.store.read() as connection:
            found = plan_requests.newest(connection, limit=_SHOWN)
            briefs = {one.brief_id: proposals.read_brief(connection, one.brief_id) for one in found}
        shown = {"found": found, "briefs": briefs, "questions": QUESTIONS, "given": given, "unclear": unclear}
        # Made with the form, so that a form that is sent twice is one brief.
        shown["brief_id"] = given.get("brief_id") or uuid.uuid4().hex[:12]
        return frame.page(request, "briefs.html", 400 if unclear else 200, **shown)

    def one_page(
        request: Request,
        brief_id: str,
        given: Mapping[str, str] | None = None,
        unclear: frozenset[str] = frozenset(),
    ) -> Response:
        with opened.store.read() as connection:
            found = plan_requests.get(connection, brief_id)
            made = [proposals.get(connection, one) for one in found.result.get("proposals", ())]
            brief = proposals.read_brief(connection, brief_id)
        shown = {"found": found, "brief": brief, "made": made, "given": given or {}, "unclear": unclear}
        names = {name: one.name for name, one in opened.desk.playbooks.items()}
        return frame.page(
            request, "brief.html", 400 if unclear else 200, **shown, questions=_asked(found), playbooks=names
        )

    async def form(request: Request) -> dict[str, str]:
        return {name: str(value) for name, value in (await request.form(max_fields=50, max_files=0)).items()}

    @router.get("/briefs")
    def listing(request: Request, user: Viewer) -> Response:
        return page(request, {"owner": user.name})

    @router.post("/briefs")
    async def submit(request: Request, user: Operator) -> Response:
        return await run_in_threadpool(keep, request, user, await form(request))

    def keep(request: Request, user: User, given: Mapping[str, str]) -> Response:
        brief = read_brief(given, user.actor)
        if unclear := frozenset(one.question_id for one in open_questions(brief)):
            return page(request, given, unclear)
        with opened.store.write() as connection:
            plan_requests.submit(connection, brief, actor=user.actor, at=opened.clock.now())
        return go(f"/briefs/{brief.brief_id}")

    @router.get("/briefs/{brief_id}")
    def show(request: Request, _user: Viewer, brief_id: str) -> Response:
        return one_page(request, brief_id)

    @router.post("/briefs/{brief_id}/answers")
    async def answer(request: Request, user: Operator, brief_id: str) -> Response:
        return await run_in_threadpool(keep_answers, request, user, brief_id, await form(request))

    def keep_answers(request: Request, user: User, brief_id: str, given: Mapping[str, str]) -> Response:
        with opened.store.read() as connection:
            asked = [one.question_id for one in _asked(plan_requests.get(connection, brief_id))]
        answers = {name: _text(given, name) for name in asked}
        if unclear := frozenset(name for name, text in answers.items() if not says_something(name, text)):
            return one_page(request, brief_id, given, unclear)
        with opened.store.write() as connection:
            plan_requests.answer(connection, brief_id, answers, actor=user.actor, at=opened.clock.now())
        return go(f"/briefs/{brief_id}")

    return router


def read_brief(given: Mapping[str, str], author: str) -> Brief:
    """What the form says. Raises InvalidInputError for a form that is not ours, or a text that is too long."""
    brief_id = given.get("brief_id", "")
    if not _ID.fullmatch(brief_id):
        raise InvalidInputError("This form or address is incomplete.")
    asked = (*(one.question_id for one in QUESTIONS), *_WISHES)
    said: dict[str, Any] = {name: _text(given, name) for name in asked}
    return Brief(brief_id=brief_id, author=author, **said)


def _text(given: Mapping[str, str], name: str) -> str:
    """What was written into a field; browsers send each new line as two characters."""
    text = "\n".join(given.get(name, "").strip().splitlines())
    if len(text) > _LONGEST:
        raise InvalidInputError(
            f"A text has {len(text)} characters.", where=name, remedy=f"Say it in {_LONGEST}; nothing was submitted."
        )
    return text


def _asked(found: PlanRequest) -> list[Question]:
    """The questions that are open, as the clarity gate puts them."""
    open_now = {one["question_id"] for one in found.result.get("questions", ())} if found.state == "asked" else set()
    return [one for one in QUESTIONS if one.question_id in open_now]
