"""The journal: what people and agents did, the newest first, and whether the chain holds."""

from __future__ import annotations

from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from console.journal_export import journal_lines, verdict_lines
from console.screens.door import RowNumber, Viewer
from console.screens.frame import Frame
from memory import journal, verdicts
from memory.canonical import canonical_json

_LINES: Final = 100


def routes(frame: Frame) -> APIRouter:
    """The journal by pages, filtered by its address."""
    router, store = APIRouter(), frame.opened.store

    @router.get("/journal")
    def show(
        request: Request,
        _user: Viewer,
        action: str = "",
        subject: str = "",
        actor: str = "",
        before: RowNumber | None = None,
    ) -> Response:
        asked = {"action": action, "subject": subject, "actor": actor}
        with store.read() as connection:
            found = journal.newest(connection, before=before, limit=_LINES + 1, **asked)
            kinds = journal.actions(connection)
        more = found[_LINES - 1].seq if len(found) > _LINES else None
        lines = [(one, canonical_json(one.payload)) for one in found[:_LINES]]
        return frame.page(request, "journal.html", lines=lines, more=more, kinds=kinds, asked=asked)

    @router.get("/journal/export.jsonl")
    def export(_user: Viewer) -> Response:
        """Written to a file first: a slow reader must not hold the store open."""
        with NamedTemporaryFile("w", encoding="utf-8", suffix=".jsonl", delete=False) as file, store.read() as opened:
            file.writelines(journal_lines(opened))
            file.writelines(verdict_lines(opened))
        gone = BackgroundTask(Path(file.name).unlink, missing_ok=True)
        return FileResponse(file.name, media_type="application/jsonl", filename="journal.jsonl", background=gone)

    @router.get("/journal/verify")
    def verify(request: Request, _user: Viewer) -> Response:
        """Recomputes the whole chain; reads only."""
        with store.read() as connection:
            chain, rows = journal.verify(connection), verdicts.compare(connection)
        return frame.page(request, "verify.html", chain=chain, rows=rows)

    return router
