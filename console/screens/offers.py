"""Offers and facts: what may be promised and claimed; somebody writes them down, and somebody who may approves them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from console.screens.decide import float_of
from console.screens.door import Approver, Operator, Viewer
from console.screens.frame import Frame, go
from memory import offers
from memory.errors import InvalidInputError, NotAllowedError
from memory.play import Offer
from memory.users import User

_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
KINDS: Final = {
    "percent": "percent off",
    "amount": "an amount off",
    "free_shipping": "free shipping",
    "gift": "a gift",
    "points": "points",
}
_OF_BRAND: Final = "brand-"


def routes(frame: Frame) -> APIRouter:
    """Both lists, and the forms over them."""
    router, opened = APIRouter(), frame.opened
    zone = opened.settings.fallback_zone

    def page(
        request: Request, given: Mapping[str, str] | None = None, problem: InvalidInputError | None = None
    ) -> Response:
        now = opened.clock.now()
        with opened.store.read() as connection:
            found, facts = offers.every_offer(connection), offers.approved_facts(connection, now)
        shown: dict[str, Any] = {"offers": found, "facts": facts, "kinds": KINDS, "of_brand": _OF_BRAND}
        shown |= {"given": given or {}, "problem": problem, "zone": zone}
        return frame.page(request, "offers.html", 400 if problem else 200, **shown)

    @router.get("/offers")
    def listing(request: Request, _user: Viewer) -> Response:
        return page(request)

    async def form(request: Request) -> dict[str, str]:
        return {name: str(value) for name, value in (await request.form(max_fields=50, max_files=0)).items()}

    @router.post("/offers")
    async def add(request: Request, user: Operator) -> Response:
        return await run_in_threadpool(keep, request, user, await form(request))

    def keep(request: Request, user: User, given: Mapping[str, str]) -> Response:
        try:
            offer = read_offer(given, zone, opened.settings.currency)
            with opened.store.write() as connection:
                offers.add_offer(connection, offer, actor=user.actor, at=opened.clock.now())
        except InvalidInputError as error:
            return page(request, given, error)
        return go("/offers")

    @router.post("/offers/{offer_id}/approve")
    def approve(user: Approver, offer_id: str) -> Response:
        with opened.store.write() as connection:
            offers.approve_offer(connection, offer_id, actor=user.actor, at=opened.clock.now())
        return go("/offers")

    @router.post("/offers/{offer_id}/end")
    def end(user: Approver, offer_id: str) -> Response:
        with opened.store.write() as connection:
            offers.end_offer(connection, offer_id, actor=user.actor, at=opened.clock.now())
        return go("/offers")

    @router.post("/facts")
    async def vouch(request: Request, user: Approver) -> Response:
        return await run_in_threadpool(keep_fact, request, user, await form(request))

    def keep_fact(request: Request, user: User, given: Mapping[str, str]) -> Response:
        texts = {spoken: given.get(f"fact_{spoken}", "").strip() for spoken in ("en", "fr")}
        try:
            fact_id = _fact_name(given.get("fact_id", ""), texts)
            until = given.get("valid_until", "").strip()
            with opened.store.write() as connection:
                offers.approve_fact(
                    connection,
                    fact_id,
                    {spoken: text for spoken, text in texts.items() if text},
                    valid_until=_after(until, zone) if until else None,
                    actor=user.actor,
                    at=opened.clock.now(),
                )
        except InvalidInputError as error:
            return page(request, given, error)
        return go("/offers#facts")

    @router.post("/facts/{fact_id}/end")
    def withdraw(user: Approver, fact_id: str) -> Response:
        if fact_id.startswith(_OF_BRAND):
            raise NotAllowedError("This fact stands in the brand file.", remedy="Take it out of brand.yaml.")
        with opened.store.write() as connection:
            offers.end_fact(connection, fact_id, actor=user.actor, at=opened.clock.now())
        return go("/offers#facts")

    return router


def read_offer(given: Mapping[str, str], zone: str, currency: str) -> Offer:
    """What the form says. Raises InvalidInputError."""
    kind, value = given.get("kind", ""), given.get("value", "").strip()
    if kind in ("percent", "amount") and not value:
        raise InvalidInputError("Say how much comes off.", where="value")
    labels = {spoken: given.get(f"label_{spoken}", "").strip() for spoken in ("en", "fr")}
    if not all(labels.values()):
        raise InvalidInputError("An offer needs words in both languages.", where="labels")
    minimum = given.get("minimum_basket", "").strip()
    try:
        return Offer.model_validate(
            {
                "offer_id": _name(given.get("offer_id", "")),
                "kind": kind,
                # Basis points for percent, minor units for an amount.
                "value": round(float_of(value) * 100) if value and kind in ("percent", "amount") else 0,
                "currency": currency if kind == "amount" else "",
                "code": given.get("code", "").strip(),
                "labels": labels,
                "category": given.get("category", "").strip(),
                "minimum_basket_cents": round(float_of(minimum) * 100) if minimum else 0,
                "starts_at": _after(given.get("starts_on", ""), zone) - timedelta(days=1),
                "ends_at": _after(given.get("ends_on", ""), zone),
            }
        )
    except ValidationError as error:
        fault = error.errors()[0]
        raise InvalidInputError(
            f"This offer cannot stand: {fault['msg']}.", where=".".join(str(part) for part in fault["loc"])
        ) from error


def _fact_name(text: str, texts: Mapping[str, str]) -> str:
    if text.startswith(_OF_BRAND) or not any(texts.values()):
        raise InvalidInputError("A fact needs a name of its own and words in one language at least.")
    return _name(text)


def _name(text: str) -> str:
    if not _ID.fullmatch(text.strip()):
        raise InvalidInputError(
            f"{text!r} cannot stand as a name.", remedy="Use small letters, digits and dashes: spring-10."
        )
    return text.strip()


def _after(day: str, zone: str) -> datetime:
    """The end of a day, which still counts."""
    try:
        at = datetime.combine(datetime.fromisoformat(day.strip()), time(), ZoneInfo(zone))
    except ValueError:
        raise InvalidInputError(f"{day!r} is no date; write for example 2025-03-31.") from None
    return at + timedelta(days=1)
