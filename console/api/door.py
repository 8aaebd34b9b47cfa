"""The door of the API: a token for everything, a limit to what is read, one answer for a key, and marks of content."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Final

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from starlette.concurrency import run_in_threadpool
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.responses import Response
from starlette.types import ASGIApp

from console.api.problem import MEDIA_TYPE, problem
from console.tokens import Caller, caller_of
from console.wiring import Workspace
from memory import answers
from memory.clock import Clock
from memory.errors import InvalidInputError, NotAllowedError, StoreError
from memory.tokens import Scope
from policies.roles import reaches

LONGEST: Final = 2_000_000
"""Bytes of one request."""
KEY: Final = "Idempotency-Key"
KEY_PATTERN: Final = r"^[!-~]{1,255}$"
REPLAYED: Final = "Idempotency-Replayed"
_SCHEME: Final = HTTPBearer(
    scheme_name="token", auto_error=False, description="A token made with `noria tokens make` or on the page People."
)
_SERVER_ERROR: Final = 500


class Door(BaseHTTPMiddleware):
    """Asks every request for its token before anything of it is read, and answers a repeated request alike."""

    def __init__(self, app: ASGIApp, opened: Workspace, watch: Clock) -> None:
        super().__init__(app)
        self._opened = opened
        self._watch = watch

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        try:
            caller = await run_in_threadpool(self._caller, request)
            if caller is None:
                return problem(
                    401,
                    "unauthorized",
                    "There is no token, or it is good no more.",
                    remedy="Send it as: Authorization: Bearer TOKEN",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            request.state.caller = caller
            refused = self._refused(request, caller)
            if refused is not None:
                return refused
            key = request.headers.get(KEY)
            if request.method == "POST" and key is not None:
                return await self._once(request, call_next, caller, key)
            return _marked(request, await _whole(await call_next(request)))
        except StoreError as error:
            return problem(503, error.code, "The store cannot be used now.", remedy="Ask again in a minute.")

    def _caller(self, request: Request) -> Caller | None:
        scheme, _, written = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        return caller_of(self._opened.store, written.strip(), self._watch.now())

    def _refused(self, request: Request, caller: Caller) -> Response | None:
        user = caller.user
        if self._opened.settings.reaches_people and user.second_factor is None and reaches(user.role, "approver"):
            return problem(
                403,
                "not_allowed",
                f"Messages reach people here, and {user.name} may say yes without a second factor.",
                remedy="They set one up in the console, under their own account.",
            )
        if "transfer-encoding" in request.headers:
            return problem(411, "length", "The request does not say how long it is.", remedy="Send Content-Length.")
        if int(request.headers.get("content-length") or 0) > LONGEST:
            return problem(413, "too_large", f"The body has more than {LONGEST} bytes.", remedy="Send it in parts.")
        return None

    async def _once(self, request: Request, call_next: RequestResponseEndpoint, caller: Caller, key: str) -> Response:
        """Carry a request out, or answer as it was answered before."""
        if not re.fullmatch(KEY_PATTERN, key):
            what = "It has 1 to 255 printable characters of ASCII."
            return problem(422, "invalid_input", what, where=KEY, remedy="Draw a UUID for each request.")
        owner, store = caller.user.name, self._opened.store
        body = await request.body()
        asked = f"{request.method} {request.url.path}?{request.url.query} ".encode() + body
        request_hash = hashlib.sha256(asked).hexdigest()

        def begin() -> answers.Answer | None:
            with store.write() as connection:
                return answers.begin(connection, owner, key, request_hash, self._watch.now())

        def end(status: int, said: str) -> None:
            with store.write() as connection:
                if status < _SERVER_ERROR:
                    answers.finish(connection, owner, key, status, said)
                else:
                    answers.forget(connection, owner, key)

        known = await run_in_threadpool(begin)
        if known is not None:
            return _known(known, request_hash)
        request.state.key = key
        response = await _whole(await call_next(request))
        await run_in_threadpool(end, response.status_code, bytes(response.body).decode())
        return response


def _known(known: answers.Answer, request_hash: str) -> Response:
    if known.request_hash != request_hash:
        what = "Another request was made with this key."
        return problem(422, "key_reused", what, where=KEY, remedy="Draw a key for each request.")
    if known.status is None:
        return problem(409, "conflict", "The same request is being worked on.", where=KEY, remedy="Ask again soon.")
    kind = MEDIA_TYPE if known.status >= 400 else "application/json"
    return Response(known.body, known.status, media_type=kind, headers={REPLAYED: "true"})


async def _whole(response: Response) -> Response:
    """An answer as one piece; those of the API are small."""
    parts = [part async for part in response.body_iterator]  # type: ignore[attr-defined]  # what call_next gives
    whole = Response(b"".join(parts), response.status_code)
    whole.raw_headers = response.raw_headers
    return whole


def _marked(request: Request, response: Response) -> Response:
    """A page with the mark of its content, or the word that it is as it was."""
    if request.method != "GET" or response.status_code != 200:
        return response
    mark = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
    headers = {"ETag": mark, "Cache-Control": "private, no-cache"}
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if mark in known or "*" in known:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response


def needs(scope: Scope) -> Any:
    """Who asks, if their token and role let them use a scope and they ask for nothing that is not there.

    Raises NotAllowedError, or InvalidInputError for a parameter of the address that would be passed over.
    """
    return Security(_allowed, scopes=[scope])


def _allowed(
    request: Request, asked: SecurityScopes, _header: Annotated[HTTPAuthorizationCredentials | None, Security(_SCHEME)]
) -> Caller:
    taken = {one.alias for one in request.scope["route"].dependant.query_params}
    if set(request.query_params) - taken:
        raise InvalidInputError(
            "The address has a parameter that is not taken here.",
            where="query",
            remedy=f"Taken are: {', '.join(sorted(taken)) or 'none'}.",
        )
    caller: Caller = request.state.caller
    for scope in asked.scopes:
        if lacking := caller.lacks(scope):  # type: ignore[arg-type]  # what needs() was given
            raise NotAllowedError(lacking, where="token", remedy="Make a token that may, or ask an admin.")
    return caller
