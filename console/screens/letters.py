"""Letters: somebody writes to a segment, sees whom it reaches and how it reads, and hands it in as a proposal."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from agents.clarity import QUESTIONS as EVERY_BRIEF
from agents.written import LAYOUTS, QUESTIONS, audience_of, faults, play_of, proof, unanswered
from console.screens.conditions import COUNTED, EVENT, MOST_ROWS, SIGNS, Row, expression_of, read_rows, rows_of
from console.screens.decide import count_of
from console.screens.door import Operator, Viewer
from console.screens.frame import Frame, go
from console.screens.looks import Looks
from memory import letters
from memory.errors import ConflictError, InvalidInputError
from memory.features.registry import REGISTRY
from memory.finding import Finding, Verdict
from memory.layouts import own_layouts
from memory.letters import Letter, StoredLetter, Words
from memory.offers import open_offers
from memory.play import Play
from memory.segments.grammar import parse
from memory.segments.sentence import VALUE_NAMES, describe
from memory.users import User
from tools.render import rehearse

_SHOWN: Final = 100
_ASKED: Final = ("intention", "metric", "signal", "receptivity", "owner", "stop_rule", "decision")
_LANGUAGES: Final = ("en", "fr")


def routes(frame: Frame) -> APIRouter:
    """The list, the page on which a letter is written, and its messages."""
    router, opened, looks = APIRouter(), frame.opened, Looks(frame)

    def get(letter_id: str) -> StoredLetter:
        with opened.store.read() as connection:
            return letters.get(connection, letter_id)

    def play(stored: StoredLetter) -> Play:
        with frame.lock:
            return play_of(opened.desk, stored)

    def page(
        request: Request,
        stored: StoredLetter,
        *,
        show: str = "",
        given: Mapping[str, str] | None = None,
        problems: tuple[str, ...] = (),
        error: InvalidInputError | None = None,
        status: int = 200,
    ) -> Response:
        language = frame.language(request)
        shown: dict[str, Any] = {"audience": None, "previews": [], "findings": []}
        try:
            if show == "count":
                with frame.lock:
                    shown["audience"] = audience_of(opened.desk, stored)
            if show == "preview":
                would_be = play(stored)
                shown["previews"] = looks.of(would_be)
                shown["findings"] = proof(opened.desk, would_be)
        except InvalidInputError as found:
            error = error or found
        with opened.store.read() as connection:
            shown["offers"] = open_offers(connection, opened.clock.now())
            shown["layouts"] = LAYOUTS | {name: name for name in own_layouts(connection)}
        # What has no rows travels along as it is.
        rows = read_rows(given) if given and not given.get("segment") else rows_of(parse(stored.letter.segment))
        return frame.page(
            request,
            "letter.html",
            status,
            **shown,
            stored=stored,
            letter=stored.letter,
            given=given or {},
            asked=[one for name in _ASKED for one in (*EVERY_BRIEF, *QUESTIONS) if one.question_id == name],
            rows=None if rows is None else [*rows, Row("")][:MOST_ROWS],
            segment=describe(parse(stored.letter.segment), language, currency=opened.settings.currency),
            features={name: one.label[language] for name, one in REGISTRY.items()},
            names=VALUE_NAMES,
            events=COUNTED,
            event=EVENT,
            signs=SIGNS,
            spoken=_LANGUAGES,
            starts_at=_written(stored.letter.starts_at, opened.settings.fallback_zone),
            zone=opened.settings.fallback_zone,
            problems=problems,
            problem=error,
        )

    @router.get("/letters")
    def listing(request: Request, _user: Viewer) -> Response:
        with opened.store.read() as connection:
            found = letters.newest(connection, limit=_SHOWN)
        return frame.page(request, "letters.html", found=found)

    @router.post("/letters")
    def begin(user: Operator) -> Response:
        return go(f"/letters/{_begun(frame, user, Letter(owner=user.name))}")

    @router.post("/letters/{letter_id}/again")
    def again(user: Operator, letter_id: str) -> Response:
        """The same words for another day."""
        before = get(letter_id).letter
        return go(f"/letters/{_begun(frame, user, before.model_copy(update={'starts_at': None}))}")

    @router.get("/letters/{letter_id}")
    def show(request: Request, _user: Viewer, letter_id: str, show: str = "") -> Response:
        return page(request, get(letter_id), show=show)

    @router.get("/letters/{letter_id}/message/{number}")
    def message(_user: Viewer, letter_id: str, number: int) -> Response:
        would_be = play(get(letter_id))
        looks.of(would_be)
        return looks.message(would_be.digest, number)

    @router.post("/letters/{letter_id}")
    async def write(request: Request, user: Operator, letter_id: str) -> Response:
        sent = await request.form(max_fields=500, max_files=0)
        given = {name: str(value) for name, value in sent.items()}
        return await run_in_threadpool(keep, request, user, letter_id, given)

    def keep(request: Request, user: User, letter_id: str, given: Mapping[str, str]) -> Response:
        stored, act = get(letter_id), given.get("act", "save")
        if not stored.may_change:
            raise ConflictError("This letter was submitted; edit its proposal, or write it again.")
        try:
            letter = read_letter(given, opened.settings.fallback_zone)
        except InvalidInputError as error:
            return page(request, stored, given=given, error=error, status=400)
        if letter != stored.letter:
            with opened.store.write() as connection:
                version, at = count_of(given.get("version", "0")), opened.clock.now()
                stored = letters.save(connection, letter_id, letter, version=version, actor=user.actor, at=at)
        if act == "submit":
            problems = against(stored, frame.language(request))
            if problems:
                return page(request, stored, problems=problems, status=400)
            with opened.store.write() as connection:
                at = opened.clock.now()
                letters.submit(connection, letter_id, version=stored.version, actor=user.actor, at=at)
            return go(f"/letters/{letter_id}")
        place = {"count": "?show=count#whom", "preview": "?show=preview#look"}.get(act, "#whom" if act == "row" else "")
        return go(f"/letters/{letter_id}{place}")

    def against(stored: StoredLetter, language: str) -> tuple[str, ...]:
        """Everything that stands between a letter and its submission, in sentences."""
        asked = tuple(one.sentence[language] for one in unanswered(stored.letter))
        if not stored.letter.name:
            asked = ("It has no name.", *asked)
        try:
            would_be = play(stored)
        except InvalidInputError as error:
            return (*asked, f"{error.what} {error.remedy}")
        wrong = faults(opened.desk, stored)
        refused = [_said(one) for one in proof(opened.desk, would_be) if one.verdict is Verdict.REFUSE]
        return (*asked, *wrong, *rehearse(would_be), *refused)

    return router


def read_letter(given: Mapping[str, str], zone: str) -> Letter:
    """What a form says. Raises InvalidInputError for what cannot be read."""
    spoken = {
        language: Words(**{slot: given.get(f"{language}_{slot}", "") for slot in Words.model_fields})
        for language in _LANGUAGES
    }
    per_day, window = given.get("contacts_per_day", "").strip(), given.get("window_days", "").strip()
    said: dict[str, Any] = {name: given.get(name, "") for name in ("name", "offer_id", *_ASKED)}
    said |= {name: given[name] for name in ("layout", "link") if given.get(name)}
    if window:
        said["window_days"] = count_of(window)
    # A segment that has no rows stays as it is: the form does not show it.
    kept = given.get("segment", "")
    expression = parse(kept) if kept else expression_of(read_rows(given), zone)
    try:
        return Letter(
            **said,
            segment=expression.model_dump(mode="json"),
            words={language: words for language, words in spoken.items() if not words.empty},
            starts_at=_read(given.get("starts_at", "").strip(), zone),
            contacts_per_day=count_of(per_day) if per_day else None,
        )
    except ValidationError as error:
        fault = error.errors()[0]
        raise InvalidInputError(
            f"This cannot stand: {fault['msg'].removeprefix('Value error, ')}.",
            where=".".join(str(part) for part in fault["loc"]),
            remedy="Correct it; nothing was saved.",
        ) from error


def _begun(frame: Frame, user: User, letter: Letter) -> str:
    letter_id = uuid.uuid4().hex[:12]
    with frame.opened.store.write() as connection:
        letters.create(connection, letter_id, letter, actor=user.actor, at=frame.opened.clock.now())
    return letter_id


def _read(text: str, zone: str) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(f"{text!r} is no day and hour.", where="starts_at") from None
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))


def _written(at: datetime | None, zone: str) -> str:
    return "" if at is None else f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"


def _said(finding: Finding) -> str:
    return f"{finding.sentence} ({finding.rule}: {finding.fact})"
