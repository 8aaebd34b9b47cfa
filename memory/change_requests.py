"""Changes of running campaigns that somebody asked for where no agent works: one at a time waits for the worker."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, select

from memory.errors import ConflictError
from memory.journal import append
from memory.schema import workspace
from memory.workspace import get_value, swap_value

CLAIM: Final = timedelta(minutes=15)
"""A worker that is silent for so long over one change is taken for dead, and another goes on."""
_PREFIX: Final = "change:"
InFlight = Literal["stay", "move"]
ChangeState = Literal["waiting", "proposed", "returned"]


class ChangeRequest(BaseModel):
    """The newest change that somebody asked for of one campaign, and what came of it."""

    model_config = ConfigDict(frozen=True)

    campaign_id: str
    request_id: str
    """Made with the form, so that a form that is sent twice is one request."""
    changes: dict[str, Any]
    """As an edit names them; empty to have the same approved again under the policy in force."""
    in_flight: InFlight
    seen: str
    """The digest of what was looked at; what the worker makes must be exactly that."""
    actor: str
    asked_at: AwareDatetime
    state: ChangeState = "waiting"
    claimed_until: AwareDatetime | None = None
    """Until when, in real time, the worker that took it is waited for."""
    proposal_id: str = ""
    answer: str = ""
    """Why there is no proposal of it."""


def submit(connection: Connection, request: ChangeRequest) -> ChangeRequest:
    """Ask the worker to propose a change; the same request again changes nothing.

    Raises ConflictError while another change of that campaign waits.
    """
    known = get_value(connection, _PREFIX + request.campaign_id)
    before = None if known is None else ChangeRequest.model_validate(known)
    if before is not None and before.request_id == request.request_id:
        return before
    new = request.model_dump(mode="json")
    waits = before is not None and before.state == "waiting"
    if waits or not swap_value(connection, _PREFIX + request.campaign_id, known, new):
        raise ConflictError(
            "Another change of this campaign waits for the worker; nothing was noted.",
            where=f"campaign {request.campaign_id}",
            remedy="Look at what is proposed, and change that.",
        )
    append(
        connection,
        at=request.asked_at,
        actor=request.actor,
        action="campaign.change_asked",
        subject=request.campaign_id,
        payload={"request": request.request_id, "in_flight": request.in_flight, "digest": request.seen},
    )
    return request


def of_campaign(connection: Connection, campaign_id: str) -> ChangeRequest | None:
    """The newest change that was asked for of a campaign; None for none."""
    known = get_value(connection, _PREFIX + campaign_id)
    return None if known is None else ChangeRequest.model_validate(known)


def claim(connection: Connection, real_now: datetime) -> ChangeRequest | None:
    """Take the change that waits longest and that no living worker has; None where there is none."""
    query = select(workspace.c.key, workspace.c.value).where(workspace.c.key.startswith(_PREFIX))
    known = [(key, value, ChangeRequest.model_validate(value)) for key, value in connection.execute(query)]
    free = [
        (one.asked_at, key, value, one)
        for key, value, one in known
        if one.state == "waiting" and (one.claimed_until is None or one.claimed_until <= real_now)
    ]
    if not free:
        return None
    _, key, value, one = min(free, key=lambda each: each[:2])
    taken = one.model_copy(update={"claimed_until": real_now + CLAIM})
    # Of two workers that look at once one gets it.
    return taken if swap_value(connection, key, value, taken.model_dump(mode="json")) else None


def settle(connection: Connection, taken: ChangeRequest, *, proposal_id: str, answer: str, at: datetime) -> None:
    """Write down what the worker made of a change, unless another worker has taken it since."""
    state: ChangeState = "proposed" if proposal_id else "returned"
    told = {"state": state, "claimed_until": None, "proposal_id": proposal_id, "answer": answer}
    new = taken.model_copy(update=told).model_dump(mode="json")
    if swap_value(connection, _PREFIX + taken.campaign_id, taken.model_dump(mode="json"), new):
        append(
            connection,
            at=at,
            actor="noria",
            action=f"campaign.change_{state}",
            subject=taken.campaign_id,
            payload={"request": taken.request_id, "proposal": proposal_id},
        )
