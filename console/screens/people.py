"""People: who may sign in, their roles and second factors; admins invite and shut out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from console.screens.door import Admin, Viewer
from console.screens.frame import ROOT, Frame, go
from console.sign_in import invite
from memory import users
from memory.errors import ConflictError
from memory.role import ROLES, Role


def routes(frame: Frame) -> APIRouter:
    """The list of people, and the forms over it."""
    router, store = APIRouter(), frame.opened.store

    def listing(request: Request, link: str = "", name: str = "") -> Response:
        with store.read() as connection:
            found = users.everyone(connection)
        return frame.page(request, "people.html", people=found, roles=ROLES, link=link, name=name)

    @router.get("/people")
    def show(request: Request, _user: Viewer) -> Response:
        return listing(request)

    @router.post("/people")
    def add(request: Request, user: Admin, name: Annotated[str, Form()], role: Annotated[Role, Form()]) -> Response:
        """The link is shown on this page alone: nobody can look it up again."""
        name = name.strip().lower()
        if name == user.name and role != "admin":
            raise ConflictError("You would take your own role from you.", remedy="Let another admin do it.")
        token = invite(store, name, role, actor=user.actor, at=frame.watch.now())
        return listing(request, f"{request.url.scheme}://{request.url.netloc}{ROOT}/welcome/{token}", name)

    @router.post("/people/{name}/revoke")
    def shut_out(user: Admin, name: str) -> Response:
        if name == user.name:
            raise ConflictError("You would shut yourself out.", remedy="Let another admin do it.")
        with store.write() as connection:
            users.revoke(connection, name, actor=user.actor, at=frame.watch.now())
        return go("/people")

    return router
