"""What every page of the console stands in: language, numbers and times, who is there, whether sending is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_currency, format_decimal, format_percent
from fastapi import Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import RedirectResponse

from console.effects import per_thousand
from console.page_texts import LANGUAGES, language_of
from console.retelling import Retelling
from console.translation import catalogue, translator
from console.wiring import Workspace
from memory import proposals
from memory.clock import Clock
from memory.play import Play
from memory.users import User
from memory.workspace import read_switch
from policies.roles import reaches

ROOT: Final = "/console"
NAVIGATION: Final = {
    "/": "Inbox",
    "/letters": "Write",
    "/campaigns": "Campaigns",
    "/contacts": "Contacts",
    "/memory": "Memory",
    "/policies": "Policies",
    "/journal": "Journal",
    "/health": "Health",
    "/evals": "Evals",
    "/people": "People",
}
"""The pages that every page leads to, and what they are called."""
_FOLDER = Path(__file__).parents[1]
_LOCALES = {"en": "en_GB", "fr": "fr_FR"}


class Frame:
    """Makes the pages of one workspace."""

    def __init__(self, opened: Workspace, watch: Clock) -> None:
        self.opened = opened
        self.watch = watch
        self.lock = opened.lock
        environment = Environment(
            loader=FileSystemLoader(_FOLDER / "templates" / "console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates = Jinja2Templates(env=environment)

    def page(self, request: Request, template: str, status: int = 200, **shown: Any) -> HTMLResponse:
        """A page in the reader's language; ``plays`` are those whose audience it speaks of."""
        plays: Iterable[Play] = shown.pop("plays", ())
        user: User | None = request.state.user
        language = self.language(request)
        with self.opened.store.read() as connection:
            switch = read_switch(connection)
            waiting = sum(proposals.waiting_by_owner(connection).values()) if user else 0
        retold = Retelling(
            language, self.opened.pack, self.opened.playbooks.values(), plays, self.opened.settings.currency
        )
        shown |= words(language, self.opened.settings.currency, self.opened.settings.fallback_zone)
        shown |= {
            "user": user,
            "may": partial(reaches, user.role) if user else lambda _role: False,
            "language": language,
            "languages": LANGUAGES,
            "switch": switch,
            "waiting": waiting,
            "organisation": self.opened.settings.name,
            "navigation": NAVIGATION,
            "path": request.url.path.removeprefix(ROOT),
            "now": self.opened.clock.now(),
            "retold": retold,
            "in_words": lambda text: catalogue(language).get(text) or retold(text),
        }
        return self._templates.TemplateResponse(request, template, shown, status_code=status)

    def language(self, request: Request) -> str:
        """The language asked for in the address, else the one the person keeps, else the browser's."""
        user: User | None = request.state.user
        asked = request.query_params.get("lang", "") or (user.language if user else "")
        return language_of(asked, request.headers.get("accept-language", ""))

    def error(self, request: Request, status: int, what: str, remedy: str = "") -> HTMLResponse:
        """A page that says what did not work, and what to do."""
        return self.page(request, "error.html", status, what=what, remedy=remedy)


def go(path: str) -> RedirectResponse:
    """On to another page of the console, after a form."""
    return RedirectResponse(ROOT + path, status_code=303)


def _zone(name: str) -> ZoneInfo | None:
    """None for what a system gave as a zone and is none."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return None


def words(language: str, currency: str, zone: str) -> dict[str, Callable[..., Any]]:
    """How words, amounts and moments are written in a language; moments in the zone of the workspace."""
    locale = _LOCALES[language]

    say = translator(language)

    def moment(at: datetime | None, theirs: str = "") -> str:
        """In the workspace's zone; also in ``theirs``, a contact's, where it is another time there."""
        if at is None:
            return "–"
        here = at.astimezone(ZoneInfo(zone))
        text = f"{format_datetime(at, 'd MMM y HH:mm', ZoneInfo(zone), locale)} {here:%Z}"
        there = at.astimezone(_zone(theirs) or here.tzinfo)
        if there.utcoffset() != here.utcoffset():
            pattern = "HH:mm" if there.date() == here.date() else "d MMM HH:mm"
            text += " " + say(
                "({when} for them)", when=f"{format_datetime(at, pattern, there.tzinfo, locale)} {there:%Z}"
            )
        utc = at.astimezone(UTC)
        title = f"{zone}; {format_datetime(utc, 'd MMM y HH:mm', UTC, locale)} UTC"
        return Markup('<time datetime="{}" title="{}">{}</time>').format(f"{utc:%Y-%m-%dT%H:%M:%SZ}", title, text)

    def day(at: datetime) -> str:
        return str(format_datetime(at, "d MMM", ZoneInfo(zone), locale))

    def money(cents: float, of: str = "") -> str:
        return str(format_currency(cents / 100, of or currency, locale=locale))

    def number(value: float, digits: int = 0) -> str:
        return str(format_decimal(round(value, digits) + 0.0, format="#,##0." + "#" * digits, locale=locale))

    def percent(share: float) -> str:
        return str(format_percent(share, "#,##0.#%" if language == "en" else "#,##0.# %", locale=locale))

    def since(earlier: datetime, later: datetime) -> str:
        return str(format_timedelta(later - earlier, locale=locale, threshold=1.2))

    return {
        "_": say,
        "moment": moment,
        "day": day,
        "money": money,
        "number": number,
        "per_thousand": per_thousand,
        "percent": percent,
        "since": since,
    }
