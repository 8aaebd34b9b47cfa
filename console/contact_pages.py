"""The pages on which contacts leave or choose what they get: without a login, and never changed by a GET."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from babel.dates import format_date
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from console.body import read_body
from console.page_texts import LANGUAGES, TEXTS, language_of
from memory.brand import Brand
from memory.choices import in_language
from memory.clock import Clock
from memory.errors import InvalidInputError, NotFoundError
from memory.events import CONFIRM
from memory.preferences import Preferences
from memory.store import Store
from memory.workspace import salt
from tools import opt_in
from tools.intake import Incoming, receive
from tools.preferences import FREQUENCIES, PAUSES, Wish, choose, read
from tools.unsubscribe import has_left, unsubscribe, verify

_LONGEST_FORM = 16_384
_ANSWER = "answer."
_NO_LINK = (InvalidInputError, NotFoundError)
Page = Callable[..., HTMLResponse]


def pages_of(brand: Brand) -> Page:
    """Makes the pages of a brand: `page(request, template, status, **what the template shows)`."""
    templates = Jinja2Templates(Path(__file__).parent / "templates")

    def page(request: Request, template: str, status: int = 200, **shown: Any) -> HTMLResponse:
        asked = request.query_params.get("lang", "")
        language = language_of(asked, request.headers.get("accept-language", ""))
        texts = {key: text.replace("{name}", brand.name) for key, text in TEXTS[language].items()}
        others = {key: name for key, name in LANGUAGES.items() if key != language}
        shown |= {"texts": texts, "language": language, "others": others, "brand": brand, "in_language": in_language}
        return templates.TemplateResponse(request, template, shown, status_code=status)

    return page


def contact_pages(store: Store, clock: Clock, brand: Brand, page: Page) -> APIRouter:
    """`/u/` to leave, `/p/` to choose, a token of either opens both; `/confirm/` to say yes to being written to."""
    router = APIRouter()

    @router.get("/u/{token}")
    def ask(request: Request, token: str) -> HTMLResponse:
        """Shows a page and changes nothing: link scanners follow every link."""
        try:
            with store.read() as connection:
                verify(salt(connection), token)
        except _NO_LINK:
            return page(request, "unsubscribe.html", 404, state="bad")
        return page(request, "unsubscribe.html", state="ask", token=token)

    @router.post("/u/{token}")
    def leave(request: Request, token: str, one_click: str = Form(default="", alias="List-Unsubscribe")) -> Response:
        """Withdraws consent at once; mail programs post `List-Unsubscribe=One-Click` (RFC 8058)."""
        try:
            unsubscribe(store, token, clock.now())
        except _NO_LINK:
            return page(request, "unsubscribe.html", 404, state="bad")
        return (
            Response(status_code=200) if one_click == "One-Click" else page(request, "unsubscribe.html", state="done")
        )

    @router.get("/confirm/{token}")
    def ask_in(request: Request, token: str) -> HTMLResponse:
        """Shows a page and changes nothing: a link scanner has consented to nothing."""
        try:
            opt_in.verify(store, token)
        except _NO_LINK:
            return page(request, "confirm.html", 404, state="bad")
        return page(request, "confirm.html", state="ask")

    @router.post("/confirm/{token}")
    def come_in(request: Request, token: str) -> HTMLResponse:
        """Records the consent, with its proof; the same link twice changes nothing more."""
        try:
            way_in = opt_in.verify(store, token)
        except _NO_LINK:
            return page(request, "confirm.html", 404, state="bad")
        at = clock.now()
        said = {"channel": way_in.channel, "message_key": way_in.message_key}
        done = Incoming(
            event_id=f"confirm:{way_in.message_key}",
            kind=CONFIRM,
            at=at,
            contact=way_in.contact_id,
            properties=said,
            source="noria",
        )
        receive(store, [done], at)
        return page(request, "confirm.html", state="done")

    def form(request: Request, token: str, chosen: Preferences, **shown: Any) -> HTMLResponse:
        at = clock.now()
        paused = chosen.paused_until if chosen.paused_until and chosen.paused_until > at else None
        return page(
            request,
            "preferences.html",
            token=token,
            chosen=chosen,
            frequencies=FREQUENCIES,
            pauses=PAUSES,
            paused=paused,
            day=_day,
            left=has_left(store, token),
            **shown,
        )

    @router.get("/p/{token}")
    def show(request: Request, token: str) -> HTMLResponse:
        """Shows what is chosen now and changes nothing."""
        try:
            return form(request, token, read(store, token))
        except _NO_LINK:
            return page(request, "unsubscribe.html", 404, state="bad")

    @router.post("/p/{token}")
    async def save(request: Request, token: str) -> HTMLResponse:
        """Keeps what was chosen; it holds from the next claim on."""
        sent = await read_body(request, _LONGEST_FORM)

        def act() -> HTMLResponse:
            try:
                read(store, token)
            except _NO_LINK:
                return page(request, "unsubscribe.html", 404, state="bad")
            try:
                chosen = choose(store, token, _wish(sent), brand, clock.now())
            except (InvalidInputError, ValueError):
                return page(request, "unsubscribe.html", 400, state="unreadable")
            return form(request, token, chosen, saved=True)

        return await run_in_threadpool(act)

    return router


def _wish(sent: bytes | None) -> Wish:
    """What a form says. Raises ValueError for what is no form of ours."""
    if sent is None:
        raise ValueError("too long")
    fields: Mapping[str, list[str]] = parse_qs(sent.decode("utf-8"), keep_blank_values=True, max_num_fields=100)
    return Wish(
        frequency=_single(fields, "frequency"),
        pause=_single(fields, "pause"),
        topics=tuple(fields.get("topic", ())),
        answers={name.removeprefix(_ANSWER): _single(fields, name) for name in fields if name.startswith(_ANSWER)},
    )


def _single(fields: Mapping[str, list[str]], name: str) -> str:
    (value,) = fields.get(name, [""])
    return value


def _day(at: datetime, language: str) -> str:
    return str(format_date(at.date(), format="long", locale=language))
