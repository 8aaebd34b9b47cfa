"""Tokens: everybody makes and takes back their own; admins see and take back everybody's."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from console.screens.door import Viewer
from console.screens.frame import Frame, go
from console.tokens import DAYS, make_token
from memory import tokens
from memory.errors import NotAllowedError
from memory.tokens import NEEDED, Scope
from policies.roles import reaches

ABOUT: Final[dict[Scope, str]] = {
    "read": "reads everything but contacts",
    "contacts": "reads contacts and their consents",
    "briefs": "submits briefs",
    "decide": "approves, rejects and asks",
    "steer": "pauses, resumes and ends campaigns",
    "events": "reports events",
    "metrics": "reads health and metrics",
}


def routes(frame: Frame) -> APIRouter:
    """The page, and the forms on it."""
    router, store = APIRouter(), frame.opened.store

    def listing(request: Request, user: Viewer, written: str = "") -> Response:
        with store.read() as connection:
            found = tokens.every(connection, "" if reaches(user.role, "admin") else user.name)
        return frame.page(
            request,
            "tokens.html",
            tokens=found,
            written=written,
            scopes={one: about for one, about in ABOUT.items() if reaches(user.role, NEEDED[one])},
            days=DAYS,
            longest=tokens.LONGEST.days,
            real_now=frame.watch.now(),
        )

    @router.get("/tokens")
    def show(request: Request, user: Viewer) -> Response:
        return listing(request, user)

    @router.post("/tokens")
    def make(
        request: Request,
        user: Viewer,
        label: Annotated[str, Form()],
        scope: Annotated[list[Scope], Form()],
        days: Annotated[int, Form()] = DAYS,
    ) -> Response:
        """The token is shown on this page alone: nobody can look it up again."""
        at = frame.watch.now()
        written, _ = make_token(store, user.name, label, scope, days=days, actor=user.actor, at=at)
        return listing(request, user, written)

    @router.post("/tokens/{token_id}/revoke")
    def take_back(user: Viewer, token_id: str) -> Response:
        with store.write() as connection:
            if tokens.find(connection, token_id).owner != user.name and not reaches(user.role, "admin"):
                raise NotAllowedError("It is somebody else's token.", remedy="Ask them, or an admin.")
            tokens.revoke(connection, token_id, actor=user.actor, at=frame.watch.now())
        return go("/tokens")

    return router
