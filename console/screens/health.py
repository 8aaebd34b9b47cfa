"""Health: what waits for a person, what the worker has trouble with, and every part examined on request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from sqlalchemy import func, select
from starlette.responses import Response

from console.doctor.diagnosis import Diagnosis
from console.doctor.parts import examine
from console.queues import never_arrives, queues
from console.screens.door import Operator, RowNumber, Viewer
from console.screens.frame import Frame, go
from console.settings import SERVING_SECRETS
from console.wiring import open_workspace
from memory import alerts, heartbeat
from memory.schema import quarantine
from memory.workspace import read_troubles


def routes(frame: Frame) -> APIRouter:
    """The page, the examination of every part, and the word that an alert is done."""
    router, opened = APIRouter(), frame.opened

    def page(request: Request, parts: Sequence[Diagnosis] = ()) -> Response:
        with opened.store.read() as connection:
            shown: dict[str, Any] = {
                "alerts": alerts.list_alerts(connection),
                "troubles": read_troubles(connection),
                "workers": heartbeat.every(connection),
                "queues": queues(
                    connection,
                    policy_version=opened.pack.version,
                    now=opened.clock.now(),
                    machine_now=frame.watch.now(),
                ),
                "missing": never_arrives(opened, connection, opened.clock.now()),
                "quarantined": connection.execute(select(func.count()).select_from(quarantine)).scalar_one(),
            }
        return frame.page(request, "health.html", **shown, parts=parts, machine_now=frame.watch.now())

    @router.get("/health")
    def show(request: Request, _user: Viewer) -> Response:
        return page(request)

    @router.post("/health")
    def examine_all(request: Request, _user: Operator) -> Response:
        """It asks other machines and waits for them: with parts of its own, so that nobody else waits."""
        with open_workspace(opened.folder, secret_names=SERVING_SECRETS) as own:
            parts = list(examine(own))
        return page(request, parts)

    @router.post("/alerts/{alert_id}/done")
    def done(user: Operator, alert_id: RowNumber, note: Annotated[str, Form()] = "") -> Response:
        with opened.store.write() as connection:
            alerts.finish_alert(connection, alert_id, at=opened.clock.now(), actor=user.actor, note=note)
        return go("/health")

    return router
