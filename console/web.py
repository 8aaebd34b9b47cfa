"""What is open to the internet: pages that contacts see, links of messages, and the doors for events and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.responses import Response
from starlette.routing import Match, Route
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

_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"x-robots-tag", b"noindex, nofollow"),
)


class SecurityHeaders:
    """Nothing is loaded from elsewhere, nothing is framed, no address leaks by the referrer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = list(message.get("headers", ()))
                # The console, mounted beside these pages, has set its own.
                own = {name.lower() for name, _ in said}
                message = {**message, "headers": [*said, *(one for one in _HEADERS if one[0] not in own)]}
            await send(message)

        await self._app(scope, receive, secured)


class Doors:
    """Lets what is posted to a door in at once: the way past what the pages need costs more than keeping an event."""

    def __init__(self, app: ASGIApp, doors: Sequence[Route]) -> None:
        self._app, self._doors = app, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            for door in self._doors:
                match, found = door.matches(scope)
                if match is Match.FULL:
                    await door.handle({**scope, **found}, receive, send)
                    return
        await self._app(scope, receive, send)


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
    doors = (
        event_door(together, events_key),
        provider_door(together, webhooks or {}, public_url),
        segment_door(store, clock, together, segment_key),
    )
    # As routes too, so that what is not posted there is told so.
    app = FastAPI(title="Noria", docs_url=None, redoc_url=None, openapi_url=None, routes=list(doors))
    app.add_middleware(Doors, doors=doors)
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
