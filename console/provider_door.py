"""The door for what providers report: shown to be theirs, read, and answered only when it is on record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from console.body import read_body
from console.group_commit import GroupCommit
from memory.clock import Clock, SystemClock
from memory.errors import StoreError
from tools.channels.webhook import Call, Webhook
from tools.intake import Incoming

LONGEST: Final = 5_000_000
"""Bytes of one call; providers send many events at a time."""


def provider_door(
    together: GroupCommit, webhooks: Mapping[str, Webhook], public_url: str = "", real_time: Clock | None = None
) -> Route:
    """`POST /v1/providers/NAME` for each of ``webhooks``. ``real_time`` judges the age of signatures.

    ``public_url`` is the address as providers know it: a proxy in front of this process may show another.
    """
    now = real_time or SystemClock()

    async def take(request: Request) -> Response:
        name = request.path_params["name"]
        webhook = webhooks.get(name)
        if webhook is None:
            return _refuse(404, "closed", "Nothing is taken from a provider of that name.", "Set its webhook secret.")
        body = await read_body(request, LONGEST)
        if body is None:
            return _refuse(413, "too_large", f"The body has more than {LONGEST} bytes.", "Send fewer events at a time.")
        call = Call({key.lower(): value for key, value in request.headers.items()}, body, _called(request, public_url))
        try:
            problem, events = await run_in_threadpool(_read, webhook, call, now.now())
        except (ValueError, KeyError, TypeError, AttributeError):
            return _refuse(422, "invalid_input", "It cannot be read.", f"See docs/connectors/{name}.md.")
        if problem:
            return _refuse(401, "signature", problem, f"See docs/connectors/{name}.md.")
        try:
            await together.receive(events)
        except StoreError:
            later = _refuse(503, "store", "It could not be kept.", "Send it again in a minute.")
            later.headers["Retry-After"] = "60"
            return later
        # Some providers repeat whatever is not answered by exactly this.
        return Response(status_code=200)

    return Route("/v1/providers/{name}", take, methods=["POST"])


def _read(webhook: Webhook, call: Call, at: datetime) -> tuple[str, list[Incoming]]:
    """Why a call is not the provider's, and if it is, what it reports."""
    problem = webhook.problem(call, at)
    return problem, [] if problem else webhook.read(call, at)


def _called(request: Request, public_url: str) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{public_url or str(request.base_url).rstrip('/')}{request.url.path}{query}"


def _refuse(status: int, code: str, what: str, remedy: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "what": what, "remedy": remedy}}, status_code=status)
