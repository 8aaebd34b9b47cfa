"""Briefs: submit one, answer what it leaves open, and see which proposals came of it."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from console.api.door import needs
from console.api.page import Id, Line, Text
from console.tokens import Caller
from console.wiring import Workspace
from memory import plan_requests
from memory.canonical import digest
from memory.plan_requests import PlanRequest, State
from memory.proposal import Brief

_FAR = 2**53


class NewBrief(BaseModel):
    """What somebody wants. What it leaves open comes back as questions."""

    model_config = ConfigDict(extra="forbid")

    metric: Line = ""
    """The number to move, for example repeat orders."""
    intention: Text = ""
    """What should change for your customers."""
    horizon_days: Annotated[int, Field(ge=1, le=3650, strict=True)] | None = None
    audience_hint: Text = ""
    constraints: Text = ""
    budget_cents: Annotated[int, Field(ge=0, le=_FAR, strict=True)] | None = None
    owner: Line = ""
    """Who answers for it."""
    stop_rule: Text = ""
    """What would make you stop it."""
    decision: Text = ""
    """The decision that the numbers will steer."""


class Asked(BaseModel):
    """A question that a brief leaves open."""

    question_id: str
    sentence: dict[str, str]
    """In English and French."""
    why: dict[str, str]


class Withheld(BaseModel):
    """A playbook that was not proposed, and what would change that."""

    playbook: str
    sentence: str


class BriefStatus(BaseModel):
    """Where a brief stands: ``waiting`` for a worker, ``planning``, ``asked`` (answer), ``done``, or ``failed``."""

    brief_id: str
    state: State
    asked_at: AwareDatetime
    updated_at: AwareDatetime
    proposals: list[str] = []
    """Ids of the proposals that came of it."""
    withheld: list[Withheld] = []
    questions: list[Asked] = []
    failure: str = ""
    """Why it failed, and what to do."""


_Answer = Annotated[str, StringConstraints(pattern=r"^[^\x00]*[^\s\x00][^\x00]*$", max_length=2000)] | None


class Answers(BaseModel):
    """An answer to each question that is open, and to no other."""

    model_config = ConfigDict(extra="forbid")

    intention: _Answer = None
    metric: _Answer = None
    owner: _Answer = None
    stop_rule: _Answer = None
    decision: _Answer = None


def routes(opened: Workspace) -> APIRouter:
    """Submit, look, answer."""
    router = APIRouter(tags=["briefs"])

    @router.post("/briefs", status_code=202, summary="Submit a brief")
    def submit(
        request: Request, response: Response, new: NewBrief, caller: Annotated[Caller, needs("briefs")]
    ) -> BriefStatus:
        """A worker plans for it: look at it again until its state is ``done`` or ``asked``."""
        key = getattr(request.state, "key", None)
        said = new.model_dump()
        # By key and content, so that not even a crash between the two lets one request make two briefs, and that a key
        # used again once its answer is forgotten drops no other brief.
        brief_id = digest(["brief", caller.user.name, key, said])[:12] if key else uuid.uuid4().hex[:12]
        brief = Brief(brief_id=brief_id, author=caller.actor, **said)
        with opened.store.write() as connection:
            asked = plan_requests.submit(connection, brief, actor=caller.actor, at=opened.clock.now())
        response.headers["Location"] = f"/api/v1/briefs/{brief_id}"
        return _status(asked)

    @router.get("/briefs/{brief_id}", summary="Look at a brief")
    def show(brief_id: Id, _caller: Annotated[Caller, needs("read")]) -> BriefStatus:
        with opened.store.read() as connection:
            return _status(plan_requests.get(connection, brief_id))

    @router.post("/briefs/{brief_id}/answers", status_code=202, summary="Answer what a brief leaves open")
    def answer(brief_id: Id, given: Answers, caller: Annotated[Caller, needs("briefs")]) -> BriefStatus:
        """All open questions at once; the worker then plans on."""
        answers = given.model_dump(exclude_none=True)
        with opened.store.write() as connection:
            at = opened.clock.now()
            return _status(plan_requests.answer(connection, brief_id, answers, actor=caller.actor, at=at))

    return router


def _status(one: PlanRequest) -> BriefStatus:
    said = one.result
    failure = " ".join(filter(None, (said.get("what") or said.get("code", ""), said.get("remedy", ""))))
    return BriefStatus(
        brief_id=one.brief_id,
        state=one.state,
        asked_at=one.asked_at,
        updated_at=one.updated_at,
        proposals=said.get("proposals", []),
        withheld=said.get("withheld", []),
        questions=said.get("questions", []),
        failure=failure,
    )
