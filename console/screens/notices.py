"""The links of notices, which lead whoever they were written to on to a proposal; and whether somebody is told."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import Response

from console.screens.door import Viewer
from console.screens.frame import Frame, go
from memory import notices, users
from memory.errors import NotFoundError
from memory.users import Notify


def routes(frame: Frame) -> APIRouter:
    """The way from a mail to a page, and the form of one's account."""
    router, store = APIRouter(), frame.opened.store

    @router.get("/notices/{proposal_id}/{seal}")
    def follow(user: Viewer, proposal_id: str, seal: str) -> Response:
        """It opens no door: whoever follows it has signed in like everybody else."""
        with store.read() as connection:
            right = notices.seal(connection, user.name, proposal_id)
        if not hmac.compare_digest(seal.encode(), right.encode()):
            raise NotFoundError(
                "Noria wrote no such link to you.", remedy="Do not trust the mail; what waits is in the inbox."
            )
        return go(f"/proposals/{proposal_id}")

    @router.post("/account/notify")
    def choose(user: Viewer, notify: Annotated[Notify, Form()]) -> Response:
        with store.write() as connection:
            users.set_notify(connection, user.name, notify)
        return go("/account")

    return router
