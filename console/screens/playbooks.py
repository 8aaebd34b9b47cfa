"""The gallery of playbooks: what each is for and the way through it, and a form over its numbers and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import yaml
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from agents.drafting import plain_play
from agents.playbook import Playbook, Problem
from agents.written import proof
from console.flow.picture import draw
from console.flow.steps import nodes_of
from console.flow.tree import tree
from console.screens.door import Operator, Viewer
from console.screens.frame import Frame, go
from console.screens.looks import Looks
from console.tuning import Knob, change_playbook, foresee_playbook, knobs, source_of
from memory.canonical import digest
from memory.errors import InvalidInputError, NotFoundError
from memory.finding import Finding, Verdict
from memory.play import Play
from memory.segments.grammar import parse
from memory.segments.sentence import describe
from memory.step_text import tell_reentry, tell_sequence, tell_trigger
from memory.users import User


def routes(frame: Frame) -> APIRouter:
    """The gallery, a page and pictures for each playbook, and the form on it."""
    router, opened, looks = APIRouter(), frame.opened, Looks(frame)

    def find(playbook_id: str) -> Playbook:
        with frame.lock:
            found = opened.playbooks.get(playbook_id)
        if found is None:
            raise NotFoundError(f"Playbook {playbook_id} is not known.", remedy="The gallery shows them all.")
        return found

    def page(
        request: Request,
        playbook_id: str,
        *,
        given: Mapping[str, str] | None = None,
        kept: tuple[str, ...] = (),
        problems: Sequence[Problem] = (),
        refused: Sequence[Finding] = (),
        problem: InvalidInputError | None = None,
        foreseen: Play | None = None,
    ) -> Response:
        language, found = frame.language(request), find(playbook_id)
        text, folder = source_of(opened, playbook_id)
        every = knobs(yaml.safe_load(text), language, opened.settings.currency)
        shown: dict[str, Any] = {
            "playbook": found,
            "own": folder.is_relative_to(opened.folder),
            "seen": digest(text),
            "segment": describe(parse(found.segment), language, currency=opened.settings.currency),
            "trigger": tell_trigger(found.trigger, language),
            "reentry": tell_reentry(found.reentry, language),
            "general": [one for one in every if not one.path.startswith("sequences.")],
            "sequences": [
                (
                    one,
                    tell_sequence(one, language, found.trigger),
                    tree(nodes_of(one, found.trigger, language)),
                    [knob for knob in every if knob.path.startswith(f"sequences.{place}.") and not knob.is_text],
                    _by_message([one for one in every if one.path.startswith(f"sequences.{place}.") and one.is_text]),
                )
                for place, one in enumerate(found.sequences)
            ],
            "kept": kept or tuple(one.key for one in found.sequences),
            "previews": [],
            "findings": refused,
        }
        if foreseen is not None:
            shown |= {"previews": looks.of(foreseen), "findings": proof(opened.desk, foreseen), "at": foreseen.digest}
        status = 400 if problem or problems or refused else 200
        return frame.page(
            request, "playbook.html", status, **shown, given=given or {}, problems=problems, problem=problem
        )

    @router.get("/playbooks")
    def gallery(request: Request, _user: Viewer) -> Response:
        language = frame.language(request)
        with frame.lock:
            found = list(opened.playbooks.values())
        told = [(one, tell_trigger(one.trigger, language)) for one in sorted(found, key=lambda one: one.id)]
        return frame.page(request, "playbooks.html", found=told)

    @router.get("/playbooks/{playbook_id}")
    def show(request: Request, _user: Viewer, playbook_id: str) -> Response:
        return page(request, playbook_id)

    @router.get("/playbooks/{playbook_id}/flow/{sequence_key}.svg")
    def picture(request: Request, _user: Viewer, playbook_id: str, sequence_key: str) -> Response:
        language, found = frame.language(request), find(playbook_id)
        sequence = next((one for one in found.sequences if one.key == sequence_key), None)
        if sequence is None:
            raise NotFoundError("There is no such sequence.")
        nodes = nodes_of(sequence, found.trigger, language)
        words = tell_sequence(sequence, language, found.trigger)
        title = f"{found.name.get(language, found.id)}: {sequence.title}"
        return Response(draw(nodes, title=title, words=words, name="flow"), media_type="image/svg+xml")

    @router.get("/playbooks/{playbook_id}/message/{at}/{number}")
    def message(_user: Viewer, playbook_id: str, at: str, number: int) -> Response:
        find(playbook_id)
        return looks.message(at, number)

    @router.post("/playbooks/{playbook_id}")
    async def change(request: Request, user: Operator, playbook_id: str) -> Response:
        sent = await request.form(max_fields=500, max_files=0)
        given = {name: str(value) for name, value in sent.items()}
        kept = tuple(str(one) for one in sent.getlist("sequence"))
        return await run_in_threadpool(keep, request, user, playbook_id, given, kept)

    def keep(
        request: Request, user: User, playbook_id: str, given: Mapping[str, str], kept: tuple[str, ...]
    ) -> Response:
        try:
            with frame.lock:
                new = foresee_playbook(opened, playbook_id, given, kept)
            if not isinstance(new, Playbook):
                return page(request, playbook_id, given=given, kept=kept, problems=new)
            with frame.lock:
                before, foreseen = (plain_play(opened.desk, one) for one in (opened.playbooks[playbook_id], new))
            if given.get("act") == "preview":
                return page(request, playbook_id, given=given, kept=kept, foreseen=foreseen)
            if refused := against(before, foreseen):
                return page(request, playbook_id, given=given, kept=kept, refused=refused)
            with frame.lock:
                seen = given.get("seen", "")
                problems = change_playbook(opened, playbook_id, given, kept, seen=seen, actor=user.actor)
        except InvalidInputError as error:
            return page(request, playbook_id, given=given, kept=kept, problem=error)
        if problems:
            return page(request, playbook_id, given=given, kept=kept, problems=problems)
        return go(f"/playbooks/{playbook_id}")

    def against(before: Play, foreseen: Play) -> list[Finding]:
        """What the rules refuse of the new words and did not refuse of the old ones."""
        known = {(one.rule, one.fact) for one in proof(opened.desk, before)}
        found = [one for one in proof(opened.desk, foreseen) if one.verdict is Verdict.REFUSE]
        return [one for one in found if (one.rule, one.fact) not in known]

    return router


def _by_message(texts: Sequence[Knob]) -> list[tuple[str, str, list[Knob]]]:
    """The texts of each message in each language, with the step that sends it."""
    return [
        (step, spoken, list(its)) for (step, spoken), its in groupby(texts, key=lambda one: (one.about, one.language))
    ]
