"""Where the links of messages pass: a click is put on record, and its reader goes on to the brand's page."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from console.contact_pages import Page
from memory.clock import Clock
from memory.errors import InvalidInputError, NotFoundError, StoreError
from memory.store import Store
from tools.clicks import Visit, follow

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ClickRules:
    """Whether clicks are kept, and how soon after the send nobody can have read the message."""

    keep: bool = True
    human_after_seconds: int = 10


def click_redirect(store: Store, clock: Clock, rules: ClickRules, page: Page) -> APIRouter:
    """`/c/`: leads on to the one address that a message was rendered with, and nowhere else."""
    router = APIRouter()

    @router.api_route("/c/{token}", methods=["GET", "HEAD"])
    def click(request: Request, token: str) -> Response:
        purpose = " ".join(request.headers.get(name, "") for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"))
        visit = Visit(
            request.method,
            request.headers.get("user-agent", ""),
            prefetch=any(word in purpose.lower() for word in ("prefetch", "preview", "prerender")),
        )
        try:
            target = _follow(token, visit)
        except (InvalidInputError, NotFoundError):
            return page(request, "unsubscribe.html", 404, state="lost")
        return RedirectResponse(target, status_code=302)

    def _follow(token: str, visit: Visit) -> str:
        at, seconds = clock.now(), rules.human_after_seconds
        try:
            return follow(store, token, visit, at, human_after_seconds=seconds, keep=rules.keep)
        except StoreError as error:
            # Whoever clicks wants to go there, whether or not it can be written down.
            _log.error("click not kept", error=error.code)
            return follow(store, token, visit, at, human_after_seconds=seconds, keep=False)

    return router
