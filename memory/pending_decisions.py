"""Decisions that wait to be acted on, behind which no other can be said, and those that came to nothing."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, RowMapping, select

from memory.errors import ConflictError
from memory.journal import entries
from memory.proposal import DecisionVerdict
from memory.schema import decisions, proposals

VOID: Final = "decision.void"
"""The action under which the journal keeps that a decision came to nothing, with the reason."""
_UNTOLD: Final = "Nobody noted why."


def waiting_change(connection: Connection, proposal_id: str, version: int) -> RowMapping | None:
    """The rejection of a version that waits to be acted on, else the edit: nothing is left of what others judge."""
    found = _waiting(connection, proposal_id, version)
    return next((one for one in found if one["verdict"] == "reject"), found[0] if found else None)


def waiting_rejections(connection: Connection, proposal_id: str, version: int) -> list[RowMapping]:
    """Every no to a version that waits to be acted on; until the transaction ends nobody can say another."""
    connection.execute(select(proposals.c.version).where(proposals.c.proposal_id == proposal_id).with_for_update())
    return [one for one in _waiting(connection, proposal_id, version) if one["verdict"] == "reject"]


def refuse_behind_another(connection: Connection, proposal_id: str, version: int, verdict: DecisionVerdict) -> None:
    """Raises ConflictError where an edit or a rejection of this version waits, but for a rejection behind an edit.

    Yeses may follow each other, as two people give them, and a question may come before any of these.
    """
    first = waiting_change(connection, proposal_id, version)
    if first is None or (verdict == "reject" and first["verdict"] == "edit"):
        return
    what = "A rejection" if first["verdict"] == "reject" else "A yes to a part" if first["then_approves"] else "An edit"
    after = "nothing is left to decide" if first["verdict"] == "reject" else "decide on the new version"
    instead = "" if first["verdict"] == "reject" else ", or reject it now"
    raise ConflictError(
        f"{what} of version {version} by {first['actor']} waits to be acted on; nothing else was noted.",
        where=f"proposal {proposal_id}",
        remedy=f"`noria work` acts on it; then {after}{instead}.",
    )


def _waiting(connection: Connection, proposal_id: str, version: int) -> list[RowMapping]:
    query = (
        select(decisions)
        .where(
            decisions.c.proposal_id == proposal_id,
            decisions.c.version == version,
            decisions.c.verdict.in_(("edit", "reject")),
            decisions.c.consumed_at.is_(None),
        )
        .order_by(decisions.c.decided_at, decisions.c.decision_id)
    )
    return list(connection.execute(query).mappings())


def voided(connection: Connection, proposal_id: str) -> dict[str, str]:
    """Why decisions on a proposal came to nothing, by their id."""
    return {
        str(one.payload["decision"]): str(one.payload.get("reason") or _UNTOLD)
        for one in entries(connection, action=VOID, subject=proposal_id)
    }
