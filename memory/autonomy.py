"""The ladder of autonomy: how far Noria goes by itself, per kind of action, and what takes it down again."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, select

from memory.alerts import Alert, raise_alerts
from memory.journal import append
from memory.proposal import LADDER, Proposal
from memory.schema import autonomy, decisions, proposal_versions
from memory.schema.columns import EPOCH
from memory.store import upsert

Kind = Literal["one_off", "triggered"]
"""A campaign for a list as it is now, or one that lets contacts in while it runs."""
Level = Literal["suggest", "approve", "auto"]
"""Nothing of it is launched; a person says yes to each; inside the limits of the pack nobody is asked."""
KINDS: tuple[Kind, ...] = get_args(Kind)
LEVELS: tuple[Level, ...] = get_args(Level)
_AUTHOR = "noria"
_STEP = "autonomy"


class Rung(BaseModel):
    """Where one kind of action stands on the ladder, who put it there, and why."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    level: Level = "approve"
    since: AwareDatetime | None = None
    """None where nobody has moved it yet."""
    actor: str = ""
    reason: str = ""
    counted_from: AwareDatetime = EPOCH
    """Decisions up to here do not count for its record."""
    proposed_at: AwareDatetime | None = None
    """When a raise to ``auto`` was proposed, if it was since the record began."""


def kind_of(proposal: Proposal) -> Kind | None:
    """The kind of action that a proposal is; None for the change of a running campaign, which people write."""
    if proposal.kind != "launch_campaign":
        return None
    return "triggered" if proposal.play.trigger.runs_days else "one_off"


def rung(connection: Connection, kind: Kind) -> Rung:
    """Where a kind of action stands now."""
    row = connection.execute(select(autonomy).where(autonomy.c.kind == kind)).one_or_none()
    return Rung(kind=kind) if row is None else Rung.model_validate(row._asdict())


def keep(connection: Connection, found: Rung) -> None:
    """Write down where a kind of action stands; raising is for people (tools.autonomy)."""
    values = found.model_dump()
    upsert(connection, autonomy, [values], update=[name for name in values if name != "kind"])


def agreements(connection: Connection, since: Rung) -> int:
    """Proposals of a kind to which people said yes, unchanged, although they could have gone alone."""
    query = (
        select(decisions.c.proposal_id, proposal_versions.c.body)
        .join(
            proposal_versions,
            (proposal_versions.c.proposal_id == decisions.c.proposal_id)
            & (proposal_versions.c.version == decisions.c.version),
        )
        .where(decisions.c.verdict == "approve", decisions.c.actor != LADDER)
        .where(decisions.c.decided_at > since.counted_from, proposal_versions.c.author == _AUTHOR)
    )
    rows = connection.execute(query).all()
    # What was judged before there was a ladder did not say how far it may go; it is not even read.
    told = {row.proposal_id: row.body for row in rows if "asks_because" in row.body.get("approvals", {})}
    agreed = [one for one in map(Proposal.model_validate, told.values()) if one.approvals.may_go_alone]
    return sum(kind_of(one) == since.kind for one in agreed)


def overrule(connection: Connection, proposal: Proposal, what: str, *, actor: str, at: datetime) -> bool:
    """Somebody rejected, changed or stopped what could have gone alone: its kind has to prove itself anew.

    True if that took it down from ``auto``. What would have been asked about anyway is no matter of the ladder.
    """
    kind = kind_of(proposal)
    if kind is None or not proposal.approvals.may_go_alone:
        return False
    return set_back(connection, kind, f"{actor} {what} proposal {proposal.proposal_id}.", actor="noria", at=at)


def breach(connection: Connection, proposal: Proposal, sentence: str, *, at: datetime) -> bool:
    """Something went wrong with what the ladder itself approved; True if that took its kind down from ``auto``."""
    kind = kind_of(proposal)
    if kind is None or not _went_alone(connection, proposal):
        return False
    return set_back(connection, kind, sentence, actor="noria", at=at)


def set_back(connection: Connection, kind: Kind, reason: str, *, actor: str, at: datetime) -> bool:
    """Begin a kind's record anew, and take it down from ``auto`` to ``approve``; True if it was at ``auto``."""
    before = rung(connection, kind)
    if before.level != "auto":
        keep(connection, before.model_copy(update={"counted_from": at, "proposed_at": None}))
        return False
    keep(connection, Rung(kind=kind, level="approve", since=at, actor=actor, reason=reason, counted_from=at))
    journal_move(connection, before, "approve", actor=actor, reason=reason, at=at)
    english = f"Noria asks again before each {kind} campaign: {reason} See `noria autonomy`."
    french = f"Noria redemande un accord avant chaque campagne {kind} : {reason} Voir `noria autonomy`."
    raise_alerts(connection, [Alert(step_key=_STEP, task={"en": english, "fr": french}, raised_at=at)])
    return True


def objection(connection: Connection, proposal: Proposal, actors: set[str]) -> str:
    """Why the approvals of a proposal do not launch it at the level of today; empty when they do."""
    kind = kind_of(proposal)
    if kind is None:
        return ""
    level = rung(connection, kind).level
    if level == "suggest":
        return suggested_only(kind)
    if actors == {LADDER} and level != "auto":
        return f"Nobody was asked about it, and for {kind} campaigns somebody has to be asked again."
    return ""


def suggested_only(kind: Kind) -> str:
    """Why nothing of a kind can be approved while it is only suggested."""
    return f"Campaigns of the kind {kind} are only suggested: none is launched."


def journal_move(
    connection: Connection, before: Rung, level: Level, *, actor: str, reason: str, at: datetime, **more: object
) -> None:
    """Write a move on the ladder into the journal."""
    raised = LEVELS.index(level) > LEVELS.index(before.level)
    append(
        connection,
        at=at,
        actor=actor,
        action="autonomy.raised" if raised else "autonomy.lowered",
        subject=before.kind,
        payload={"from": before.level, "to": level, "reason": reason, **more},
    )


def _went_alone(connection: Connection, proposal: Proposal) -> bool:
    query = select(decisions.c.actor).where(
        decisions.c.proposal_id == proposal.proposal_id,
        decisions.c.digest == proposal.digest,
        decisions.c.verdict == "approve",
    )
    return set(connection.execute(query).scalars()) == {LADDER}
