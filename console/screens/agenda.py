"""The calendar: what goes to whom when, four weeks at a time."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date
from fastapi import APIRouter, Request
from starlette.responses import Response

from console.agenda import DAYS, Entry, Running, agenda, running
from console.screens.door import Viewer
from console.screens.frame import Frame

WHAT: Final = {
    "messages": "messages",
    "start": "starts",
    "review": "is looked at again",
    "end": "ends",
    "proposed": "would start, if approved",
    "draft": "letter, not submitted yet",
}


def routes(frame: Frame) -> APIRouter:
    """The page; ``since`` is its first day."""
    router, opened = APIRouter(), frame.opened

    @router.get("/calendar")
    def show(request: Request, _user: Viewer, since: date | None = None) -> Response:
        zone, language = opened.settings.fallback_zone, frame.language(request)
        today = opened.clock.now().astimezone(ZoneInfo(zone)).date()
        first = min(max(since or today, date(1970, 1, 2)), date(2500, 1, 1))
        with opened.store.read() as connection:
            days, by_themselves = agenda(connection, first, zone), running(connection)
        lines: list[Entry | Running] = [*by_themselves, *(one for of_day in days.values() for one in of_day)]
        return frame.page(
            request,
            "calendar.html",
            plays=[one.play for one in lines if one.play is not None],
            days={format_date(day, "EEEE d MMMM y", locale=language): lines for day, lines in days.items()},
            running=by_themselves,
            what=WHAT,
            earlier=first - timedelta(days=DAYS),
            later=first + timedelta(days=DAYS),
            zone=zone,
        )

    return router
