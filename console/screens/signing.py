"""The way in and out: log-in, invitation, and one's own account with its second factor, password and sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from console.credentials import (
    SHORTEST_PASSWORD,
    app_link,
    draw_second_factor,
    hash_token,
    is_second_factor,
    qr_code,
)
from console.page_texts import LANGUAGES
from console.screens.door import Viewer, cookie_name
from console.screens.frame import ROOT, Frame, go
from console.sign_in import SESSION, change_password, come_in, open_session, sign_in, turn_on_second_factor
from memory import sessions, staff_mail, users
from memory.errors import ConflictError, InvalidInputError, NoriaError

_STATIC = Path(__file__).parents[1] / "static"
Text = Annotated[str, Form()]


def routes(frame: Frame) -> APIRouter:
    """The pages of the way in, and of one's account."""
    router, store = APIRouter(), frame.opened.store
    files = {name: (_STATIC / name).read_text(encoding="utf-8") for name in ("console.css", "console.js")}

    @router.get("/console.css")
    def style() -> Response:
        return Response(files["console.css"], media_type="text/css")

    @router.get("/console.js")
    def script() -> Response:
        return Response(files["console.js"], media_type="text/javascript")

    @router.get("/login")
    def ask(request: Request, next: str = "") -> Response:  # noqa: A002 - the name in the address
        return go("/") if request.state.user else frame.page(request, "login.html", next=next, problem=None)

    @router.post("/login")
    def let_in(
        request: Request,
        name: Text,
        password: Text,
        code: Text = "",
        next: Text = "",  # noqa: A002
    ) -> Response:
        address = request.client.host if request.client else "unknown"
        try:
            token = sign_in(store, name.strip().lower(), password, code, address=address, at=frame.watch.now())
        except NoriaError as error:
            return frame.page(request, "login.html", 403, next=next, problem=error)
        # Only to our own pages, whatever the address said.
        wanted = next.removeprefix(ROOT) if next.startswith(f"{ROOT}/") and "\\" not in next else "/"
        return _signed_in(request, token, wanted)

    @router.post("/logout")
    def let_out(request: Request, user: Viewer) -> Response:
        with store.write() as connection:
            sessions.end_session(connection, user.name, _own(request), frame.watch.now())
        response = go("/login")
        response.delete_cookie(cookie_name(request), path="/", secure=request.url.scheme == "https", httponly=True)
        return response

    def welcome(request: Request, token: str, status: int = 200, secret: str = "", problem: Any = None) -> Response:
        with store.read() as connection:
            user = users.invited(connection, hash_token(token), frame.watch.now())
        shown = {"invited": user, "problem": problem, "shortest": SHORTEST_PASSWORD, **factor(user, secret)}
        return frame.page(request, "welcome.html", status, **shown)

    @router.get("/welcome/{token}")
    def greet(request: Request, token: str) -> Response:
        return welcome(request, token)

    @router.post("/welcome/{token}")
    def take_up(request: Request, token: str, password: Text, again: Text, secret: Text, code: Text = "") -> Response:
        if password != again:
            differ = InvalidInputError("The two passwords differ.", remedy="Type the same twice.")
            return welcome(request, token, 400, secret, differ)
        now = frame.watch.now()
        try:
            user = come_in(store, token, password=password, second_factor=secret, code=code, at=now)
        except InvalidInputError as error:
            return welcome(request, token, 400, secret, error)
        # A code counts once: to ask for the next one at the log-in would make them wait for it.
        with store.write() as connection:
            session = open_session(connection, user, now)
        return _signed_in(request, session, "/")

    def factor(user: users.User, secret: str) -> dict[str, Any]:
        # The same again after a mistake: it is in their app already.
        secret = secret if is_second_factor(secret) else draw_second_factor()
        link = app_link(secret, user.name, frame.opened.settings.name)
        return {"secret": secret, "link": link, "picture": qr_code(link)}

    def account(
        request: Request, user: users.User, status: int = 200, secret: str = "", problem: Any = None
    ) -> Response:
        with store.read() as connection:
            mine = sessions.sessions_of(connection, user.name, frame.watch.now())
            codes = staff_mail.newest(connection, user.name, "code", limit=1)
        shown = {"sessions": mine, "own": _own(request), "problem": problem, **factor(user, secret)}
        shown["code_mail"] = codes[0] if codes else None
        return frame.page(request, "account.html", status, shortest=SHORTEST_PASSWORD, **shown)

    @router.get("/account")
    def own(request: Request, user: Viewer) -> Response:
        return account(request, user)

    @router.post("/account/second-factor")
    def second_factor(request: Request, user: Viewer, secret: Text, code: Text) -> Response:
        if user.second_factor is not None:
            raise ConflictError("You have a second factor.", remedy="An admin can invite you anew to replace it.")
        try:
            turn_on_second_factor(store, user, secret, code, frame.watch.now())
        except InvalidInputError as error:
            return account(request, user, 400, secret, error)
        return go("/account")

    @router.post("/account/password")
    def password(request: Request, user: Viewer, old: Text, new: Text) -> Response:
        try:
            change_password(store, user, old, new, kept=_own(request), at=frame.watch.now())
        except InvalidInputError as error:
            return account(request, user, 400, problem=error)
        return go("/account")

    @router.post("/account/sessions/{token_hash}/end")
    def end(user: Viewer, token_hash: str) -> Response:
        with store.write() as connection:
            sessions.end_session(connection, user.name, token_hash, frame.watch.now())
        return go("/account")

    @router.post("/account/language")
    def language(user: Viewer, language: Text) -> Response:
        if language not in LANGUAGES:
            raise InvalidInputError("The console does not speak this language.", remedy="Choose one of those offered.")
        with store.write() as connection:
            users.set_language(connection, user.name, language)
        return go("/account")

    return router


def _signed_in(request: Request, token: str, path: str) -> Response:
    response = go(path)
    response.set_cookie(
        cookie_name(request),
        token,
        max_age=int(SESSION.total_seconds()),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return response


def _own(request: Request) -> str:
    """The hash of the session that asks."""
    return hash_token(request.cookies[cookie_name(request)])
