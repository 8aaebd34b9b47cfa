"""Evals: what the suites said when they were last run here, which cases fail, and where the scores go."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from console.screens.door import Viewer
from console.screens.frame import Frame
from console.screens.measured import eval_charts
from console.translation import translator
from memory import eval_runs


def routes(frame: Frame) -> APIRouter:
    """The page; runs are started by a command, because they take a while."""
    router, store = APIRouter(), frame.opened.store

    @router.get("/evals")
    def show(request: Request, _user: Viewer) -> Response:
        with store.read() as connection:
            runs = eval_runs.newest(connection, eval_runs.SHOWN)
        charts = eval_charts(runs, translator(frame.language(request)))
        return frame.page(request, "evals.html", lines=eval_runs.by_line(runs), charts=charts)

    return router
