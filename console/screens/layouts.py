"""Layouts that people bring along: HTML comes in, is cleaned, judged by the guardian's rules, and becomes a letter."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import Response

from agents.playbook import with_parts
from agents.written import LAYOUTS, proof_of_layout
from console.screens.door import Operator, Viewer
from console.screens.frame import Frame, go
from memory import letters
from memory.errors import InvalidInputError
from memory.finding import Finding, Verdict
from memory.layouts import keep_layout, own_layouts
from memory.letters import Letter, Words
from memory.users import User
from tools.html_import import Imported, layout_from_html

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{1,40}")


def routes(frame: Frame) -> APIRouter:
    """The list, and the form that brings one in."""
    router, opened = APIRouter(), frame.opened

    def page(
        request: Request,
        *,
        given: Mapping[str, str] | None = None,
        findings: list[Finding] | None = None,
        wrong: list[str] | None = None,
        left_out: tuple[tuple[str, int], ...] = (),
        problem: InvalidInputError | None = None,
        status: int = 200,
    ) -> Response:
        with opened.store.read() as connection:
            own = own_layouts(connection)
        shown: dict[str, Any] = {"given": given or {}, "findings": findings or [], "wrong": wrong or []}
        shown |= {"layouts": LAYOUTS, "own": own, "left_out": left_out, "problem": problem}
        return frame.page(request, "layouts.html", status, **shown)

    @router.get("/layouts")
    def listing(request: Request, _user: Viewer) -> Response:
        return page(request)

    @router.post("/layouts")
    async def bring(request: Request, user: Operator) -> Response:
        async with request.form(max_fields=20, max_files=1) as sent:
            given = {name: value for name, value in sent.items() if isinstance(value, str)}
            file = sent.get("file")
            if isinstance(file, UploadFile) and file.size:
                given["html"] = (await file.read()).decode("utf-8", "replace")
        return await run_in_threadpool(keep, request, user, given)

    def keep(request: Request, user: User, given: Mapping[str, str]) -> Response:
        try:
            name = _name(given.get("name", "").strip())
            imported = layout_from_html(given.get("html", ""))
            mjml = with_parts(imported.mjml)
            with frame.lock:
                desk = opened.desk
            findings, wrong = proof_of_layout(desk, name, mjml)
        except InvalidInputError as error:
            return page(request, given=given, problem=error, status=400)
        against = [one for one in findings if one.verdict is Verdict.REFUSE]
        if against or wrong:
            return page(request, given=given, findings=against, wrong=wrong, left_out=imported.left_out, status=400)
        letter_id, at = uuid.uuid4().hex[:12], opened.clock.now()
        with opened.store.write() as connection:
            keep_layout(connection, name, mjml, actor=user.actor, at=at)
            letter = _letter(imported, name, user, given.get("spoken", "en"))
            letters.create(connection, letter_id, letter, actor=user.actor, at=at)
        return go(f"/letters/{letter_id}?show=preview#look")

    return router


def _name(text: str) -> str:
    if not _NAME.fullmatch(text) or text in LAYOUTS:
        raise InvalidInputError(
            "This is no name for a layout.", remedy="Use small letters, digits and dashes: spring-letter."
        )
    return text


def _letter(imported: Imported, layout: str, user: User, spoken: str) -> Letter:
    words = Words(
        subject=imported.subject[:150] or imported.headline[:150],
        preheader=imported.preheader[:200],
        headline=imported.headline[:150],
        body="\n".join(imported.body)[:20_000],
        button=imported.button[:60],
    )
    return Letter(name=imported.headline[:80], owner=user.name, layout=layout, words={spoken: words})
