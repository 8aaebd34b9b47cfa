"""Briefs that wait for a worker to plan for them, the questions they leave open, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, Row, or_, select, update

from memory.errors import ConflictError, InvalidInputError, NotFoundError
from memory.journal import append
from memory.proposal import Brief
from memory.proposals import write_brief
from memory.schema import plan_requests
from memory.store import upsert

State = Literal["waiting", "planning", "asked", "done", "failed"]
CLAIM: Final = timedelta(minutes=15)
"""A worker that is silent for so long over one brief is taken for dead, and another plans on from there."""


class PlanRequest(BaseModel):
    """One brief that somebody submitted, and where it stands."""

    model_config = ConfigDict(frozen=True)

    brief_id: str
    state: State
    actor: str
    asked_at: AwareDatetime
    updated_at: AwareDatetime
    claimed_until: AwareDatetime | None = None
    """Until when, in real time, the worker that took it is waited for."""
    thread_id: str = ""
    answers: dict[str, str] = {}
    result: dict[str, Any] = {}
    """Once planned: {"proposals": [id], "withheld": [{"playbook", "sentence"}], "questions": [{"question_id",
    "sentence", "why"}]}; once failed: {"code", "what", "remedy"}."""


def submit(connection: Connection, brief: Brief, *, actor: str, at: datetime) -> PlanRequest:
    """Ask for a plan; the same brief again changes nothing."""
    known = _find(connection, brief.brief_id)
    if known is not None:
        return known
    write_brief(connection, brief, at)
    row = {"brief_id": brief.brief_id, "state": "waiting", "actor": actor, "asked_at": at, "updated_at": at}
    upsert(connection, plan_requests, [{**row, "answers": {}, "result": {}}])
    append(connection, at=at, actor=actor, action="brief.submitted", subject=brief.brief_id, payload={})
    return get(connection, brief.brief_id)


def answer(
    connection: Connection, brief_id: str, answers: Mapping[str, str], *, actor: str, at: datetime
) -> PlanRequest:
    """Answer the open questions, all of them; the worker plans on.

    Raises NotFoundError, ConflictError where none is open, or InvalidInputError for answers to other questions.
    """
    known = get(connection, brief_id)
    asked = {one["question_id"] for one in known.result.get("questions", ())}
    if known.state == "asked" and asked != set(answers):
        raise InvalidInputError(
            f"The open questions are {', '.join(sorted(asked))}.",
            where=f"brief {brief_id}",
            remedy="Answer each of them, and no other.",
        )
    changed = connection.execute(
        update(plan_requests)
        .where(plan_requests.c.brief_id == brief_id, plan_requests.c.state == "asked")
        .values(state="waiting", answers=dict(answers), updated_at=at)
    )
    if changed.rowcount != 1:
        raise ConflictError(
            f"It is {known.state}: no question of it is open.", where=f"brief {brief_id}", remedy="Look at it again."
        )
    append(
        connection,
        at=at,
        actor=actor,
        action="brief.answered",
        subject=brief_id,
        payload={"answered": sorted(answers)},
    )
    return get(connection, brief_id)


def claim(connection: Connection, real_now: datetime) -> PlanRequest | None:
    """Take the oldest brief that waits, or that a dead worker left; None where there is none."""
    free = or_(
        plan_requests.c.state == "waiting",
        (plan_requests.c.state == "planning") & (plan_requests.c.claimed_until <= real_now),
    )
    query = select(plan_requests.c.brief_id).where(free).order_by(plan_requests.c.asked_at, plan_requests.c.brief_id)
    found = connection.execute(query.limit(1)).scalar()
    if found is None:
        return None
    # Of two workers that look at once, PostgreSQL lets the second wait and look again.
    taken = connection.execute(
        update(plan_requests)
        .where(plan_requests.c.brief_id == found, free)
        .values(state="planning", claimed_until=real_now + CLAIM)
    )
    return get(connection, found) if taken.rowcount == 1 else None


def settle(
    connection: Connection,
    taken: PlanRequest,
    state: State,
    result: Mapping[str, Any],
    *,
    thread_id: str,
    at: datetime,
) -> None:
    """Write down what planning led to, unless another worker has taken the brief since."""
    connection.execute(
        update(plan_requests)
        .where(plan_requests.c.brief_id == taken.brief_id, plan_requests.c.state == "planning")
        .where(plan_requests.c.claimed_until == taken.claimed_until)
        .values(state=state, result=dict(result), thread_id=thread_id, answers={}, claimed_until=None, updated_at=at)
    )


def get(connection: Connection, brief_id: str) -> PlanRequest:
    """Raises NotFoundError."""
    found = _find(connection, brief_id)
    if found is None:
        raise NotFoundError(f"Nobody submitted a brief {brief_id}.")
    return found


def newest(connection: Connection, *, limit: int) -> list[PlanRequest]:
    """The briefs that were submitted last, newest first."""
    query = select(plan_requests).order_by(plan_requests.c.asked_at.desc(), plan_requests.c.brief_id).limit(limit)
    return [_request(row) for row in connection.execute(query)]


def _find(connection: Connection, brief_id: str) -> PlanRequest | None:
    row = connection.execute(select(plan_requests).where(plan_requests.c.brief_id == brief_id)).one_or_none()
    return None if row is None else _request(row)


def _request(row: Row[Any]) -> PlanRequest:
    return PlanRequest.model_validate({name: getattr(row, name) for name in PlanRequest.model_fields})
