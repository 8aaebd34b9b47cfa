"""Briefs that somebody submitted from afar: the worker plans for one in each round, and writes down what came of it."""

from __future__ import annotations

from typing import Any

from agents.planning import PlanResult, answer_questions, go_on, plan
from agents.resume import Threads
from memory import plan_requests, proposals
from memory.clock import Clock
from memory.plan_requests import PlanRequest
from tools.failure import failure_of


def plan_requested(threads: Threads, real_time: Clock) -> str:
    """Plan for the oldest brief that waits; returns its id, empty where there is none.

    One in a round, since a model may take minutes for it and what is due to be sent must not wait for several. A brief
    that breaks off is marked as failed and holds up no other.
    """
    desk = threads.desk
    with desk.store.write() as connection:
        request = plan_requests.claim(connection, real_time.now())
    if request is None:
        return ""
    try:
        result = _planned(threads, request)
    except Exception as error:  # noqa: BLE001 - whatever breaks over one brief
        failure = failure_of("plan", error)
        told = {"code": failure.error, "what": failure.what, "remedy": failure.remedy}
        with desk.store.write() as connection:
            at = desk.clock.now()
            plan_requests.settle(connection, request, "failed", told, thread_id=request.thread_id, at=at)
        return request.brief_id
    with desk.store.write() as connection:
        plan_requests.settle(
            connection,
            request,
            "asked" if result.questions else "done",
            _told(result),
            thread_id=result.thread_id,
            at=desk.clock.now(),
        )
    return request.brief_id


def _planned(threads: Threads, request: PlanRequest) -> PlanResult:
    if request.thread_id:
        waiting = threads.waiting(request.thread_id)
        if waiting and request.answers:
            return answer_questions(threads, waiting[0], request.answers)
        return go_on(threads, request.thread_id)
    with threads.desk.store.read() as connection:
        brief = proposals.read_brief(connection, request.brief_id)
    return plan(threads, brief)


def _told(result: PlanResult) -> dict[str, Any]:
    return {
        "proposals": list(result.proposal_ids),
        "withheld": [one.model_dump(mode="json") for one in result.withheld],
        "questions": [question for one in result.questions for question in one.payload["questions"]],
    }
