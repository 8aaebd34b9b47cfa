"""Health: what waits for a person, what the worker has trouble with, and every part examined on request."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from sqlalchemy import func, select
from starlette.responses import Response

from console.doctor.parts import examine
from console.screens.door import Operator, Viewer
from console.screens.frame import Frame, go
from memory import alerts, proposals
from memory.schema import intake, messages, quarantine
from memory.workspace import last_round, read_troubles


def routes(frame: Frame) -> APIRouter:
    """The page, and the word that an alert is done."""
    router, opened = APIRouter(), frame.opened

    @router.get("/health")
    def show(request: Request, _user: Viewer, examined: bool = False) -> Response:
        """Examining asks the mail server and name servers, so that is done on request only."""
        with opened.store.read() as connection:
            shown: dict[str, Any] = {
                "alerts": alerts.list_alerts(connection),
                "troubles": read_troubles(connection),
                "round": last_round(connection),
                "undecided": len(proposals.unconsumed_decisions(connection)),
                "intake": connection.execute(select(func.count()).select_from(intake)).scalar_one(),
                "quarantined": connection.execute(select(func.count()).select_from(quarantine)).scalar_one(),
                "planned": connection.execute(
                    select(func.count()).select_from(messages).where(messages.c.state == "planned")
                ).scalar_one(),
            }
        with frame.lock:
            parts = list(examine(opened)) if examined else []
        return frame.page(request, "health.html", **shown, parts=parts, machine_now=frame.watch.now())

    @router.post("/alerts/{alert_id}/done")
    def done(user: Operator, alert_id: int, note: Annotated[str, Form()] = "") -> Response:
        with opened.store.write() as connection:
            alerts.finish_alert(connection, alert_id, at=opened.clock.now(), actor=user.actor, note=note)
        return go("/health")

    return router
