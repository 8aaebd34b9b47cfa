"""What is open to the internet: pages that contacts see, links of messages, and the doors for events and reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.click_redirect import ClickRules, click_redirect
from console.contact_pages import contact_pages, pages_of
from console.event_door import event_door
from console.group_commit import GroupCommit
from console.provider_door import provider_door
from console.segment_door import segment_door
from memory.brand import Brand
from memory.clock import Clock
from memory.store import Store
from tools.channels.webhook import Webhook

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
}


class SecurityHeaders:
    """Nothing is loaded from elsewhere, nothing is framed, no address leaks by the referrer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                # The console, mounted beside these pages, has set its own.
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, secured)


def public_app(
    store: Store,
    clock: Clock,
    brand: Brand,
    *,
    clicks: ClickRules | None = None,
    events_key: SecretStr | None = None,
    segment_key: SecretStr | None = None,
    webhooks: Mapping[str, Webhook] | None = None,
    public_url: str = "",
) -> FastAPI:
    """The web application that is open to the internet: contacts decide for themselves, and events come in.

    It sends nothing and calls no model. Without ``events_key`` the door for events stays shut, without ``segment_key``
    that for the Segment protocol, as does that of each provider that ``webhooks`` does not name.
    """
    page, together = pages_of(brand), GroupCommit(store, clock)
    # Plain routes: what FastAPI does for each request costs more than keeping an event.
    doors: list[BaseRoute] = [
        event_door(together, events_key),
        provider_door(together, webhooks or {}, public_url),
        segment_door(store, clock, together, segment_key),
    ]
    app = FastAPI(title="Noria", docs_url=None, redoc_url=None, openapi_url=None, routes=doors)
    app.add_middleware(SecurityHeaders)
    css = (Path(__file__).parent / "static" / "public.css").read_text(encoding="utf-8")
    app.include_router(contact_pages(store, clock, brand, page))
    app.include_router(click_redirect(store, clock, clicks or ClickRules(), page))

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/public.css")
    def stylesheet() -> Response:
        return Response(css, media_type="text/css")

    return app
