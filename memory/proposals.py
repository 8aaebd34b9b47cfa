"""Proposals and the decisions on them: submitted, queued, judged, and swapped from one status to the next."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, Row, func, insert, select, update

from memory import autonomy
from memory.alerts import settle_alerts
from memory.canonical import digest as words_digest
from memory.errors import ConflictError, NotFoundError
from memory.finding import Verdict
from memory.journal import append
from memory.pending_decisions import refuse_behind_another, waiting_change
from memory.proposal import LADDER, Brief, Decision, DecisionVerdict, Proposal, ProposalStatus
from memory.schema import briefs, decisions, proposal_versions, proposals
from memory.store import upsert

WAITING = (ProposalStatus.OPEN, ProposalStatus.ASKED)
"""Statuses in which a person is expected to decide."""


class StoredProposal(BaseModel):
    """The newest version of a proposal and where it stands."""

    model_config = ConfigDict(frozen=True)

    proposal: Proposal
    status: ProposalStatus
    last_editor: str | None
    interrupt_id: str | None
    updated_at: AwareDatetime


def write_brief(connection: Connection, brief: Brief, at: datetime) -> None:
    """Keep a brief, or its newest wording."""
    upsert(
        connection,
        briefs,
        [
            {
                "brief_id": brief.brief_id,
                "body": brief.model_dump(mode="json"),
                "author": brief.author,
                "created_at": at,
            }
        ],
        update=["body"],
    )


def read_brief(connection: Connection, brief_id: str) -> Brief:
    """Raises NotFoundError."""
    body = connection.execute(select(briefs.c.body).where(briefs.c.brief_id == brief_id)).scalar_one_or_none()
    if body is None:
        raise NotFoundError(f"There is no brief {brief_id}.")
    return Brief.model_validate(body)


def submit(
    connection: Connection,
    proposal: Proposal,
    *,
    author: str,
    at: datetime,
    open_limit: int,
    written_by: str | None = None,
) -> ProposalStatus:
    """Show a proposal to people: open while fewer than ``open_limit`` wait for its owner, else ranked and queued.

    ``written_by`` is the person whose words it holds: they count as its last editor.
    Submitting the same version again changes nothing, so a step that is run twice has one effect.
    """
    known = connection.execute(
        select(proposals.c.status).where(proposals.c.proposal_id == proposal.proposal_id)
    ).scalar_one_or_none()
    if known is not None:
        return ProposalStatus(known)
    room = waiting_by_owner(connection)[proposal.play.owner] < open_limit
    status = ProposalStatus.OPEN if room else ProposalStatus.QUEUED
    connection.execute(
        insert(proposals).values(
            proposal_id=proposal.proposal_id,
            thread_id=proposal.thread_id,
            brief_id=proposal.brief_id,
            kind=proposal.kind,
            playbook=proposal.play.playbook,
            status=status,
            owner=proposal.play.owner,
            last_editor=written_by,
            created_at=at,
            **_content(proposal, at),
        )
    )
    _keep_version(connection, proposal, author, at)
    _journal(connection, proposal, author, "proposal.submitted", at, status=status)
    return status


def revise(connection: Connection, proposal: Proposal, *, author: str, at: datetime) -> None:
    """Replace a waiting proposal by its next version; whatever was approved before no longer counts."""
    changed = connection.execute(
        update(proposals)
        .where(
            proposals.c.proposal_id == proposal.proposal_id,
            proposals.c.version == proposal.version - 1,
            proposals.c.status.in_([*WAITING, ProposalStatus.QUEUED, ProposalStatus.APPROVED]),
        )
        .values(status=ProposalStatus.OPEN, last_editor=author, interrupt_id=None, **_content(proposal, at))
    )
    if changed.rowcount != 1:
        raise ConflictError(
            f"Proposal {proposal.proposal_id} changed or was settled before this edit was saved.",
            remedy="Look at it again and repeat the edit on the newest version.",
        )
    _keep_version(connection, proposal, author, at)
    settle_alerts(connection, reminder_of(proposal.proposal_id), at=at, note=f"version {proposal.version}")
    _journal(connection, proposal, author, "proposal.revised", at)


def get(connection: Connection, proposal_id: str) -> StoredProposal:
    """The newest version; an id may be shortened to an unambiguous beginning. Raises NotFoundError."""
    rows = connection.execute(
        select(proposals).where(proposals.c.proposal_id.startswith(proposal_id, autoescape=True)).limit(2)
    ).all()
    exact = [row for row in rows if row.proposal_id == proposal_id]
    if len(exact or rows) != 1:
        what = "is ambiguous" if rows else "is not known"
        raise NotFoundError(f"Proposal {proposal_id} {what}.", remedy="`noria proposals list` shows them all.")
    return stored_of((exact or rows)[0])


def get_version(connection: Connection, proposal_id: str, version: int) -> Proposal:
    """A version as somebody saw it. Raises NotFoundError."""
    body = connection.execute(
        select(proposal_versions.c.body).where(
            proposal_versions.c.proposal_id == proposal_id, proposal_versions.c.version == version
        )
    ).scalar_one_or_none()
    if body is None:
        raise NotFoundError(f"Proposal {proposal_id} has no version {version}.")
    return Proposal.model_validate(body)


def list_proposals(
    connection: Connection, statuses: Iterable[ProposalStatus] | None = None, *, limit: int | None = None
) -> list[StoredProposal]:
    """Proposals by rank (highest expected value first), optionally of some statuses only."""
    query = select(proposals).order_by(proposals.c.rank_score.desc(), proposals.c.proposal_id)
    if statuses is not None:
        query = query.where(proposals.c.status.in_(list(statuses)))
    if limit is not None:
        query = query.limit(limit)
    return [stored_of(row) for row in connection.execute(query)]


def decide(
    connection: Connection,
    *,
    proposal_id: str,
    version: int,
    digest: str,
    verdict: DecisionVerdict,
    actor: str,
    reason: str = "",
    changes: dict[str, Any] | None = None,
    then_approves: str = "",
    at: datetime,
) -> Decision:
    """Record what a person said about exactly the version they saw.

    Saying the same twice has one effect and returns the first decision. Raises ConflictError when the proposal changed,
    was settled or expired in the meantime, or when an edit or a rejection of this version waits to be acted on; a
    rejection is taken behind an edit, and acted on before it.
    """
    row = connection.execute(
        select(proposals).where(proposals.c.proposal_id == proposal_id).with_for_update()
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"Proposal {proposal_id} is not known.", remedy="`noria proposals list` shows them all.")
    again = connection.execute(
        select(decisions).where(
            decisions.c.proposal_id == proposal_id,
            decisions.c.version == version,
            decisions.c.digest == digest,
            decisions.c.verdict == verdict,
            decisions.c.actor == actor,
            decisions.c.reason == reason.strip(),
            decisions.c.verdict != "ask",
        )
    )
    for known in map(_decision, again):
        if (known.changes, known.then_approves) == (changes or {}, then_approves):
            return known
    where = f"proposal {proposal_id}"
    if (row.version, row.digest) != (version, digest):
        raise ConflictError(
            f"It is now version {row.version}; you decided on version {version}.",
            where=where,
            remedy="Look at the new version and decide again.",
        )
    if row.status == ProposalStatus.QUEUED:
        raise ConflictError(
            f"It is queued: it waits until {row.owner or 'its owner'} has room.",
            where=where,
            remedy="Settle one of the open ones (`noria proposals list`); `noria work` then brings it up by itself.",
        )
    if row.status not in WAITING:
        raise ConflictError(f"It is already {row.status}.", where=where, remedy="Nothing was changed.")
    if row.expires_at <= at:
        raise ConflictError(
            f"It expired on {row.expires_at:%d %B %Y at %H:%M} UTC.",
            where=where,
            remedy="Run `noria plan` for a fresh proposal.",
        )
    refuse_behind_another(connection, proposal_id, version, verdict)
    if verdict in {"reject", "ask"} and not reason.strip():
        raise ConflictError(f"To {verdict} needs a reason.", where=where, remedy="Say why in a few words.")
    proposal = Proposal.model_validate(row.body)
    kind = autonomy.kind_of(proposal)
    if verdict == "approve" and kind is not None and autonomy.rung(connection, kind).level == "suggest":
        raise ConflictError(
            autonomy.suggested_only(kind),
            where=where,
            remedy=f"Whoever may: noria autonomy raise {kind} approve --reason …",
        )
    decision = Decision(
        decision_id=uuid.uuid4().hex,
        proposal_id=proposal_id,
        version=version,
        digest=digest,
        verdict=verdict,
        actor=actor,
        reason=reason.strip(),
        changes=changes or {},
        then_approves=then_approves,
        decided_at=at,
    )
    connection.execute(insert(decisions).values(**decision.model_dump()))
    append(
        connection,
        at=at,
        actor=actor,
        action=f"decision.{verdict}",
        subject=proposal_id,
        payload={
            "decision": decision.decision_id,
            "version": version,
            "digest": digest,
            "reason": words_digest(decision.reason),
        },
    )
    if verdict in {"reject", "edit"} and row.last_editor is None:
        autonomy.overrule(connection, proposal, f"{verdict}ed", actor=actor, at=at)
    return decision


def approve_alone(connection: Connection, proposal_id: str, at: datetime) -> bool:
    """Say yes in the name of the ladder, bound to the digest like any other yes; False where a person has to be asked.

    Only what Noria wrote itself, against which no rule said anything, at a level and inside limits that ask nobody.
    """
    stored = get(connection, proposal_id)
    proposal, kind = stored.proposal, autonomy.kind_of(stored.proposal)
    if any(one.actor == LADDER for one in approvals_for(connection, proposal_id, proposal.digest)):
        return True
    if (
        kind is None
        or stored.last_editor is not None
        or stored.status not in (*WAITING, ProposalStatus.QUEUED)
        or proposal.verdict is not Verdict.ALLOW
        or not proposal.approvals.may_go_alone
        or autonomy.rung(connection, kind).level != "auto"
        or waiting_change(connection, proposal_id, proposal.version) is not None
    ):
        return False
    # It takes nobody's attention, so it needs no room among those that wait.
    swap_status(connection, proposal_id, ProposalStatus.QUEUED, ProposalStatus.OPEN, at, actor=LADDER)
    decision = decide(
        connection,
        proposal_id=proposal_id,
        version=proposal.version,
        digest=proposal.digest,
        verdict="approve",
        actor=LADDER,
        reason=f"Campaigns of the kind {kind} are at auto, and it stays inside the limits of the pack.",
        at=at,
    )
    return consume(connection, decision.decision_id, at)


def decisions_on(connection: Connection, proposal_id: str) -> list[Decision]:
    """Everything that was said about a proposal, oldest first."""
    query = (
        select(decisions)
        .where(decisions.c.proposal_id == proposal_id)
        .order_by(decisions.c.decided_at, decisions.c.decision_id)
    )
    return [_decision(row) for row in connection.execute(query)]


def unconsumed_decisions(connection: Connection) -> list[Decision]:
    """Decisions on which the graph has not acted yet, oldest first."""
    query = (
        select(decisions)
        .where(decisions.c.consumed_at.is_(None))
        .order_by(decisions.c.decided_at, decisions.c.decision_id)
    )
    return [_decision(row) for row in connection.execute(query)]


def promised(connection: Connection) -> list[Decision]:
    """Edits that came out just as whoever made them said yes to in advance, and whose yes is not on record yet."""
    given = decisions.alias().c
    query = (
        select(decisions)
        .join(proposals, proposals.c.proposal_id == decisions.c.proposal_id)
        .where(
            decisions.c.then_approves != "",
            proposals.c.digest == decisions.c.then_approves,
            proposals.c.version == decisions.c.version + 1,
            proposals.c.status.in_(WAITING),
            ~select(given.decision_id)
            .where(
                given.proposal_id == decisions.c.proposal_id,
                given.digest == decisions.c.then_approves,
                given.version == decisions.c.version + 1,
                given.verdict == "approve",
                given.actor == decisions.c.actor,
            )
            .exists(),
        )
        .order_by(decisions.c.decided_at, decisions.c.decision_id)
    )
    return [_decision(row) for row in connection.execute(query)]


def consume(connection: Connection, decision_id: str, at: datetime) -> bool:
    """Mark a decision as acted on; False when that was done before."""
    changed = connection.execute(
        update(decisions)
        .where(decisions.c.decision_id == decision_id, decisions.c.consumed_at.is_(None))
        .values(consumed_at=at)
    )
    return changed.rowcount == 1


def record_reply(connection: Connection, decision_id: str, reply: str) -> None:
    """Keep the answer to a question beside it: changes then hold {"question": …, "answer": …}."""
    question = connection.execute(select(decisions.c.reason).where(decisions.c.decision_id == decision_id)).scalar_one()
    connection.execute(
        update(decisions)
        .where(decisions.c.decision_id == decision_id, decisions.c.verdict == "ask")
        .values(changes={"question": question, "answer": reply})
    )


def approvals_for(connection: Connection, proposal_id: str, digest: str) -> list[Decision]:
    """Approvals bound to exactly this digest."""
    return [
        decision
        for decision in decisions_on(connection, proposal_id)
        if decision.verdict == "approve" and decision.digest == digest
    ]


def approval_is_complete(stored: StoredProposal, approvals: Sequence[Decision]) -> bool:
    """Whether enough different people approved, and not the last editor alone where two are asked for.

    The ladder's own yes is enough where nobody has to be asked, and counts for nobody elsewhere.
    """
    given = {decision.actor for decision in approvals}
    needed = stored.proposal.approvals
    if LADDER in given and needed.may_go_alone and stored.last_editor is None:
        return True
    people = given - {LADDER}
    if needed.second_person and not people - {stored.last_editor}:
        return False
    return len(people) >= needed.people


def swap_status(
    connection: Connection,
    proposal_id: str,
    expected: ProposalStatus,
    new: ProposalStatus,
    at: datetime,
    *,
    actor: str = "noria",
    reason: str = "",
) -> bool:
    """Compare and swap: True for the one caller that moved it, False if it was no longer as expected."""
    changed = connection.execute(
        update(proposals)
        .where(proposals.c.proposal_id == proposal_id, proposals.c.status == expected)
        .values(status=new, updated_at=at)
    )
    if changed.rowcount != 1:
        return False
    append(
        connection,
        at=at,
        actor=actor,
        action=f"proposal.{new}",
        subject=proposal_id,
        payload={"from": expected, "reason": reason},
    )
    if new not in WAITING:
        settle_alerts(connection, reminder_of(proposal_id), at=at, note=new)
    return True


def set_interrupt(connection: Connection, proposal_id: str, interrupt_id: str | None) -> None:
    """Remember under which name the graph waits for the answer."""
    connection.execute(
        update(proposals).where(proposals.c.proposal_id == proposal_id).values(interrupt_id=interrupt_id)
    )


def waiting_by_owner(connection: Connection) -> Counter[str]:
    """How many proposals wait for each owner."""
    query = (
        select(proposals.c.owner, func.count().label("waiting"))
        .where(proposals.c.status.in_(list(WAITING)))
        .group_by(proposals.c.owner)
    )
    return Counter({row.owner: row.waiting for row in connection.execute(query)})


def reminder_of(proposal_id: str) -> str:
    """The name of the alert that a proposal is about to expire."""
    return f"decide {proposal_id}"


def _content(proposal: Proposal, at: datetime) -> dict[str, Any]:
    return {
        "version": proposal.version,
        "digest": proposal.digest,
        "rank_score": proposal.rank_score,
        "body": proposal.model_dump(mode="json"),
        "updated_at": at,
        "expires_at": proposal.expires_at,
        "reminded_at": None,
    }


def _keep_version(connection: Connection, proposal: Proposal, author: str, at: datetime) -> None:
    connection.execute(
        insert(proposal_versions).values(
            proposal_id=proposal.proposal_id,
            version=proposal.version,
            digest=proposal.digest,
            body=proposal.model_dump(mode="json"),
            author=author,
            created_at=at,
        )
    )


def _journal(connection: Connection, proposal: Proposal, actor: str, action: str, at: datetime, **more: str) -> None:
    append(
        connection,
        at=at,
        actor=actor,
        action=action,
        subject=proposal.proposal_id,
        payload={
            "version": proposal.version,
            "digest": proposal.digest,
            "playbook": proposal.play.playbook,
            "policy_version": proposal.play.policy_version,
            "findings": [[finding.rule, finding.verdict] for finding in proposal.findings],
            **more,
        },
    )


def stored_of(row: Row[Any]) -> StoredProposal:
    """A row of the table as the newest version of a proposal."""
    return StoredProposal(
        proposal=Proposal.model_validate(row.body),
        status=ProposalStatus(row.status),
        last_editor=row.last_editor,
        interrupt_id=row.interrupt_id,
        updated_at=row.updated_at,
    )


def _decision(row: Row[Any]) -> Decision:
    return Decision.model_validate(
        {name: value for name, value in row._asdict().items() if name in Decision.model_fields}
    )
