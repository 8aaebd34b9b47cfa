"""The journal: what people and agents did, the newest first, and whether the chain holds."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from console.screens.door import Viewer
from console.screens.frame import Frame
from memory import journal, verdicts
from memory.canonical import canonical_json

_LINES: Final = 100


def routes(frame: Frame) -> APIRouter:
    """The journal by pages, filtered by its address."""
    router, store = APIRouter(), frame.opened.store

    @router.get("/journal")
    def show(
        request: Request, _user: Viewer, action: str = "", subject: str = "", before: int | None = None
    ) -> Response:
        with store.read() as connection:
            found = journal.newest(connection, before=before, limit=_LINES + 1, action=action, subject=subject)
            kinds = journal.actions(connection)
        more = found[_LINES - 1].seq if len(found) > _LINES else None
        lines = [(one, canonical_json(one.payload)) for one in found[:_LINES]]
        asked = {"action": action, "subject": subject}
        return frame.page(request, "journal.html", lines=lines, more=more, kinds=kinds, asked=asked)

    @router.get("/journal/verify")
    def verify(request: Request, _user: Viewer) -> Response:
        """Recomputes the whole chain; reads only."""
        with store.read() as connection:
            chain, rows = journal.verify(connection), verdicts.compare(connection)
        return frame.page(request, "verify.html", chain=chain, rows=rows)

    return router
