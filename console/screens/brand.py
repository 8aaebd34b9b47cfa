"""The brand: who speaks, how it looks and sounds; the file of the workspace, as a form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from console.house import change_brand, read_brand_file
from console.screens.door import Admin, Viewer
from console.screens.frame import Frame, go
from memory.brand import Brand, Colours
from memory.canonical import digest
from memory.errors import InvalidInputError
from memory.users import User

LINES: Final = {
    "name": "Name",
    "sender_name": "Name of the sender",
    "sender_address": "Address of the sender",
    "reply_to": "Answers go to",
    "postal_address": "Postal address",
    "language": "Language of contacts whose own is unknown",
    "website": "Website",
    "logo_url": "Address of the logo",
}
LISTS: Final = {"link_domains": "Other domains that links may lead to"}
VOICE: Final = {"tone": "Tone", "banned_words": "Words that no message uses"}
COLOURS: Final = {
    "primary": "buttons",
    "on_primary": "text on buttons",
    "background": "background",
    "surface": "paper",
    "text": "text",
    "muted": "small print",
}


def routes(frame: Frame) -> APIRouter:
    """The page, and the form on it."""
    router, opened = APIRouter(), frame.opened

    def page(
        request: Request, given: Mapping[str, str] | None = None, problem: InvalidInputError | None = None
    ) -> Response:
        text, brand = read_brand_file(opened)
        shown: dict[str, Any] = {"lines": LINES, "lists": LISTS, "voice": VOICE, "colours": COLOURS}
        shown |= {"now_is": given or written(brand), "brand": brand, "seen": (given or {}).get("seen", digest(text))}
        return frame.page(request, "brand.html", 400 if problem else 200, **shown, problem=problem)

    @router.get("/brand")
    def show(request: Request, _user: Viewer) -> Response:
        return page(request)

    @router.post("/brand")
    async def change(request: Request, user: Admin) -> Response:
        sent = await request.form(max_fields=50, max_files=0)
        return await run_in_threadpool(keep, request, user, {name: str(value) for name, value in sent.items()})

    def keep(request: Request, user: User, given: Mapping[str, str]) -> Response:
        try:
            with frame.lock:
                change_brand(opened, read(given), seen=given.get("seen", ""), actor=user.actor)
        except InvalidInputError as error:
            return page(request, given, error)
        return go("/brand")

    return router


def written(brand: Brand) -> dict[str, str]:
    """What the form shows of a brand."""
    found = {name: str(getattr(brand, name) or "") for name in LINES}
    found |= {name: "\n".join(getattr(brand, name)) for name in LISTS}
    found |= {name: "\n".join(getattr(brand.voice, name)) for name in VOICE}
    found |= {f"colour_{name}": getattr(brand.colours, name) for name in Colours.model_fields}
    return found | {"formal_french": "1" if brand.voice.formal_french else ""}


def read(given: Mapping[str, str]) -> dict[str, Any]:
    """What the form says, as settings of the brand file; what it does not show stays as it is."""
    found: dict[str, Any] = {name: given.get(name, "").strip() or None for name in LINES}
    found |= {name: _lines(given.get(name, "")) for name in LISTS}
    found["voice"] = {name: _lines(given.get(name, "")) for name in VOICE}
    found["voice"]["formal_french"] = bool(given.get("formal_french"))
    found["colours"] = {name: given.get(f"colour_{name}", "").strip() for name in Colours.model_fields}
    return found


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
