"""Contacts: find one; what is known of them, what they agreed to, why they are in or out of each campaign."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from console.explain import Depth, Explanation, explain
from console.screens.door import RowNumber, Viewer
from console.screens.frame import Frame
from memory import campaigns, contacts
from memory.errors import NotFoundError
from memory.features.registry import REGISTRY
from memory.play import Play


def routes(frame: Frame) -> APIRouter:
    """Search, and the page of one contact."""
    router = APIRouter()

    @router.get("/contacts")
    def search(request: Request, _user: Viewer, name: str = "") -> Response:
        if not name.strip():
            return page(request, None)
        try:
            with frame.opened.store.read() as connection:
                wanted = contacts.find(connection, name).contact_id
        except NotFoundError:
            return page(request, None, 404, name=name, unknown=True)
        return page(request, _explained(wanted), name=name)

    @router.get("/contacts/{contact_id}")
    def show(request: Request, _user: Viewer, contact_id: RowNumber, depth: Depth = "campaigns") -> Response:
        return page(request, _explained(contact_id, depth), depth=depth)

    def page(
        request: Request,
        found: Explanation | None,
        status: int = 200,
        *,
        name: str = "",
        unknown: bool = False,
        depth: Depth = "campaigns",
    ) -> Response:
        shown = {"found": found, "name": name, "unknown": unknown, "depth": depth, "features": REGISTRY}
        plays: list[Play] = []
        if found is not None and frame.language(request) != "en":
            with frame.opened.store.read() as connection:
                live = [campaigns.get(connection, one.campaign_id) for one in found.campaigns]
                plays = [campaigns.get_version(connection, one.campaign_id, one.version).play for one in live]
        return frame.page(request, "contacts.html", status, plays=plays, **shown)

    def _explained(contact_id: int, depth: Depth = "campaigns") -> Explanation:
        with frame.lock:
            return explain(frame.opened, contact_id, depth=depth)

    return router
