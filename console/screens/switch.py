"""The one switch over all sending, a link to which stands on every page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from console.screens.door import Operator, Viewer
from console.screens.frame import Frame, go
from memory.workspace import turn_switch


def routes(frame: Frame) -> APIRouter:
    """The page on which sending is stopped, and allowed again."""
    router, opened = APIRouter(), frame.opened

    @router.get("/switch")
    def show(request: Request, _user: Viewer) -> Response:
        return frame.page(request, "switch.html")

    @router.post("/switch")
    def turn(user: Operator, stopped: Annotated[bool, Form()], reason: Annotated[str, Form()] = "") -> Response:
        at = opened.clock.now()
        with opened.store.write() as connection:
            turn_switch(connection, stopped=stopped, actor=user.actor, reason=reason.strip(), at=at)
        return go("/switch")

    return router
