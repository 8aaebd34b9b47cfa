"""The HTTP API: what people do in the console, for programs that act in somebody's name by a token."""

from __future__ import annotations

import re
from typing import Final

from fastapi import FastAPI
from starlette.routing import Mount

from console.api import briefs, campaigns, changes, contacts, events, health, proposals, readouts
from console.api.description import ABOUT, TAGS, describe
from console.api.door import Door
from console.api.problem import explain_errors
from console.wiring import Workspace
from memory.clock import Clock, SystemClock

PATH: Final = "/api/v1"
PARTS = (briefs, proposals, campaigns, changes, readouts, contacts, events, health)


def api_app(opened: Workspace, *, watch: Clock | None = None) -> FastAPI:
    """The API of a workspace, to be mounted at ``PATH``; ``watch`` tells the real time by which tokens end."""
    app = FastAPI(
        title="Noria",
        version="1",
        description=ABOUT,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Mounted by whatever path: the document says where by itself.
        root_path_in_servers=False,
        servers=[{"url": PATH}],
    )
    app.add_middleware(Door, opened=opened, watch=watch or SystemClock())
    explain_errors(app)
    for part in PARTS:
        app.include_router(part.routes(opened))
    describe(app)
    return app


def mount_api(web: FastAPI, opened: Workspace) -> None:
    """Let an application answer by the API whatever comes to its path."""
    mount = Mount(PATH, api_app(opened))
    # As it is written, a line break in an address would lead past the API and its door.
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    web.router.routes.append(mount)
