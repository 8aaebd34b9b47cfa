"""The door of the console: no form of another site, nobody unknown, nothing above a role, nothing from elsewhere."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from console.credentials import hash_token
from console.screens.frame import ROOT, Frame
from memory import sessions
from memory.errors import ConflictError, InvalidInputError, NoriaError, NotAllowedError, NotFoundError
from memory.role import Role
from memory.users import User
from policies.roles import reaches

OPEN: Final = re.compile(rf"{ROOT}/(?:login|welcome/[\w-]+|console\.css|console\.js)")
"""What nobody has to be signed in for."""
_LONGEST_FORM = 262_144
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    # Without a referrer a browser would not name the origin of a form either, by which forms of others are told.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
}
_STATUS: Final = ((NotFoundError, 404), (ConflictError, 409), (NotAllowedError, 403), (InvalidInputError, 400))


class Door(BaseHTTPMiddleware):
    """Asks every request where it comes from and who is behind it, before any page is asked."""

    def __init__(self, app: ASGIApp, frame: Frame) -> None:
        super().__init__(app)
        self._frame = frame

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        request.state.user = await run_in_threadpool(self._user, request)
        response = self._turned_away(request) or await call_next(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def _turned_away(self, request: Request) -> Response | None:
        if request.method not in {"GET", "HEAD"}:
            if not is_from_here(request):
                return self._frame.error(request, 403, "This form was not sent from a page of this console.")
            if int(request.headers.get("content-length") or _LONGEST_FORM + 1) > _LONGEST_FORM:
                return self._frame.error(request, 413, "This form is too long.")
        if request.state.user is None and not OPEN.fullmatch(request.url.path):
            wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            back = f"?next={quote(wanted, safe='')}" if request.method == "GET" else ""
            return RedirectResponse(f"{ROOT}/login{back}", status_code=303)
        if self._frame.opened.settings.reaches_people and _lacks_second_factor(request):
            return RedirectResponse(f"{ROOT}/account", status_code=303)
        return None

    def _user(self, request: Request) -> User | None:
        token = request.cookies.get(cookie_name(request))
        if not token:
            return None
        with self._frame.opened.store.read() as connection:
            return sessions.user_of(connection, hash_token(token), self._frame.watch.now())


def _lacks_second_factor(request: Request) -> bool:
    """Whether somebody who may say yes has to set up a second factor first, as messages reach people here."""
    user: User | None = request.state.user
    if user is None or user.second_factor is not None or not reaches(user.role, "approver"):
        return False
    path = request.url.path
    return not (OPEN.fullmatch(path) or path == f"{ROOT}/logout" or path.startswith(f"{ROOT}/account"))


def is_from_here(request: Request) -> bool:
    """Whether a page of this very origin sent a form: by Sec-Fetch-Site, else by Origin; without both it did not."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(request.headers.get("origin", "")).netloc == request.headers.get("host", "nowhere")


def cookie_name(request: Request) -> str:
    """The cookie that holds the session; over HTTPS one that no other host or path can set."""
    return "__Host-noria" if request.url.scheme == "https" else "noria"


def needs(role: Role) -> Any:
    """Who is there, if their role may do what asks for another. Raises NotAllowedError."""

    def check(request: Request) -> User:
        user: User = request.state.user
        if not reaches(user.role, role):
            raise NotAllowedError(
                f"{user.name} is {user.role}; this takes the role {role}.", where="console", remedy="Ask an admin."
            )
        return user

    return Depends(check)


Viewer = Annotated[User, needs("viewer")]
Operator = Annotated[User, needs("operator")]
Approver = Annotated[User, needs("approver")]
Admin = Annotated[User, needs("admin")]


def explain_errors(app: FastAPI, frame: Frame) -> None:
    """Show every error as a page that says what happened and what to do."""

    @app.exception_handler(NoriaError)
    def told(request: Request, error: NoriaError) -> Response:
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
        return frame.error(request, status, error.what, error.remedy)

    @app.exception_handler(RequestValidationError)
    def unreadable(request: Request, _error: RequestValidationError) -> Response:
        return frame.error(request, 400, "This form or address is incomplete.")

    @app.exception_handler(HTTPException)
    def missing(request: Request, error: HTTPException) -> Response:
        return frame.error(request, error.status_code, str(error.detail))
