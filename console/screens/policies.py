"""Policies in words: what each rule says, its limits with their units, and where it comes from."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from console.screens.door import Viewer
from console.screens.frame import Frame
from policies.explanation import explain
from policies.rules import RULES


def routes(frame: Frame) -> APIRouter:
    """The pack in force."""
    router, opened = APIRouter(), frame.opened

    @router.get("/policies")
    def show(request: Request, _user: Viewer) -> Response:
        with frame.lock:
            opened.take_up_policy()
            pack = opened.pack
        return frame.page(request, "policies.html", pack=pack, rules=[explain(pack, one, []) for one in RULES])

    return router
