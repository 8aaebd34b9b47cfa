"""The first node: what memory knows that bears on this playbook and brief."""

from __future__ import annotations

from collections.abc import Sequence

from agents.clarity import store_questions
from agents.desk import Desk
from agents.handover import keep
from agents.learning.forecast import ForecastScore, track_record
from agents.playbook import Playbook
from agents.provider import Recall, Resembling
from agents.state import ProposalState
from memory import forecasts, lessons, proposals
from memory.lessons import Lesson
from memory.proposal import Brief
from memory.vectors import VectorMemory

_SIMILAR = 5
_SEARCHED = 50


def recall(state: ProposalState, desk: Desk) -> ProposalState:
    """Store the lessons that still hold, and the questions that the brief leaves open."""
    with desk.store.read() as connection:
        brief = proposals.read_brief(connection, state["brief_id"])
    found = gather(desk, brief, state["playbook"])
    return {
        "recall_id": keep(desk, state["thread_id"], "recall", found),
        "questions_id": store_questions(desk, state["thread_id"], state["brief_id"]),
    }


def gather(desk: Desk, brief: Brief, playbook: str) -> Recall:
    """Usable lessons of the playbook, what resembles the brief, and how far forecasts were off."""
    with desk.store.read() as connection:
        found = lessons.usable(connection, desk.clock.now(), playbook=playbook)
        past = track_record([ForecastScore.model_validate(one) for one in forecasts.scores(connection)])
        others = [one for one in lessons.usable(connection, desk.clock.now()) if one.playbook != playbook]
    similar: tuple[str, ...] = ()
    resembling: tuple[Resembling, ...] = ()
    if desk.vectors is not None:
        question = " ".join(part for part in (brief.intention, brief.audience_hint, playbook) if part)
        similar = tuple(f"{match.kind}:{match.id}" for match in desk.vectors.search(question, limit=_SIMILAR))
        if others and playbook in desk.playbooks:
            resembling = _resembling(desk.vectors, desk.playbooks[playbook], question, others)
    return Recall(lessons=tuple(found), resembling=resembling, similar=similar, recalibration=past.recalibration)


def _resembling(
    vectors: VectorMemory, playbook: Playbook, question: str, others: Sequence[Lesson]
) -> tuple[Resembling, ...]:
    """The nearest of the lessons that speak of the same goal by one of the same channels."""
    channels = {step.channel for step in playbook.sends()}
    fit = {
        one.lesson_id: one
        for one in others
        if one.goal == playbook.goal.event and not one.narrowed and channels.intersection(one.channel.split("+"))
    }
    words = f"{question} {playbook.name['en']}. {playbook.signal['en']}"
    near = vectors.search(words, kind="lesson", limit=_SEARCHED) if fit else []
    found = [
        Resembling(lesson=fit[one.id], similarity=min(max(one.similarity, 0.0), 1.0)) for one in near if one.id in fit
    ]
    return tuple(found[:_SIMILAR])
