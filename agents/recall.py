"""The first node: what memory knows that bears on this playbook and brief."""

from __future__ import annotations

from agents.clarity import store_questions
from agents.desk import Desk
from agents.handover import keep
from agents.learning.forecast import ForecastScore, track_record
from agents.provider import Recall
from agents.state import ProposalState
from memory import forecasts, lessons, proposals
from memory.proposal import Brief

_SIMILAR = 5


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
    similar: tuple[str, ...] = ()
    if desk.vectors is not None:
        question = " ".join(part for part in (brief.intention, brief.audience_hint, playbook) if part)
        similar = tuple(f"{match.kind}:{match.id}" for match in desk.vectors.search(question, limit=_SIMILAR))
    return Recall(lessons=tuple(found), similar=similar, recalibration=past.recalibration)
