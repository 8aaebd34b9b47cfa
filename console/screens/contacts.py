"""Contacts: find one; what is known of them, what they agreed to, why they are in or out of each campaign."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from console.explain import explain
from console.screens.door import Viewer
from console.screens.frame import Frame
from memory.errors import NotFoundError


def routes(frame: Frame) -> APIRouter:
    """Search, and the page of one contact."""
    router = APIRouter()

    @router.get("/contacts")
    def search(request: Request, _user: Viewer, name: str = "") -> Response:
        if not name.strip():
            return frame.page(request, "contacts.html", name="", found=None, unknown=False)
        try:
            found = _explained(name)
        except NotFoundError:
            return frame.page(request, "contacts.html", 404, name=name, found=None, unknown=True)
        return frame.page(request, "contacts.html", name=name, found=found, unknown=False)

    @router.get("/contacts/{contact_id}")
    def show(request: Request, _user: Viewer, contact_id: int) -> Response:
        return frame.page(request, "contacts.html", name="", found=_explained(str(contact_id)), unknown=False)

    def _explained(name: str) -> object:
        with frame.lock:
            return explain(frame.opened, name)

    return router
