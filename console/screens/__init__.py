"""The web console, where people supervise and say yes: all but the way in asks who is there, and what they may."""

from __future__ import annotations

from fastapi import FastAPI

from console.screens import (
    address,
    agenda,
    brand,
    briefs,
    campaigns,
    change,
    contacts,
    decide,
    health,
    inbox,
    journal,
    layouts,
    letters,
    measured,
    notices,
    offers,
    people,
    playbooks,
    policies,
    proposal,
    remembered,
    rights,
    scored,
    signing,
    switch,
    tokens,
    trial,
)
from console.screens.door import Door, explain_errors
from console.screens.frame import Frame
from console.wiring import Workspace
from memory.clock import Clock, SystemClock

SCREENS = (
    signing,
    address,
    inbox,
    proposal,
    decide,
    trial,
    briefs,
    letters,
    layouts,
    offers,
    brand,
    playbooks,
    agenda,
    campaigns,
    change,
    measured,
    contacts,
    rights,
    remembered,
    journal,
    health,
    scored,
    policies,
    people,
    tokens,
    notices,
    switch,
)


def console_app(opened: Workspace, *, watch: Clock | None = None) -> FastAPI:
    """The console of a workspace, to be mounted at /console; ``watch`` tells the real time by which sessions end."""
    frame = Frame(opened, watch or SystemClock())
    app = FastAPI(title="Noria console", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Door, frame=frame)
    explain_errors(app, frame)
    for screen in SCREENS:
        app.include_router(screen.routes(frame))
    return app
