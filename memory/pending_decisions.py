"""Decisions that wait to be acted on, behind which no other can be said, and those that came to nothing."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, RowMapping, select

from memory.errors import ConflictError
from memory.journal import entries
from memory.schema import decisions

VOID: Final = "decision.void"
"""The action under which the journal keeps that a decision came to nothing, with the reason."""
_UNTOLD: Final = "Nobody noted why."


def waiting_change(connection: Connection, proposal_id: str, version: int) -> RowMapping | None:
    """The edit or rejection of a version that waits to be acted on: after it nothing is left of what others judge."""
    query = (
        select(decisions.c.verdict, decisions.c.actor, decisions.c.then_approves)
        .where(
            decisions.c.proposal_id == proposal_id,
            decisions.c.version == version,
            decisions.c.verdict.in_(("edit", "reject")),
            decisions.c.consumed_at.is_(None),
        )
        .order_by(decisions.c.decided_at, decisions.c.decision_id)
    )
    return connection.execute(query).mappings().first()


def refuse_behind_another(connection: Connection, proposal_id: str, version: int) -> None:
    """Raises ConflictError where an edit or a rejection of this version waits.

    Yeses may follow each other, as two people give them, and a question may come before any of these.
    """
    first = waiting_change(connection, proposal_id, version)
    if first is None:
        return
    what = "A rejection" if first["verdict"] == "reject" else "A yes to a part" if first["then_approves"] else "An edit"
    after = "nothing is left to decide" if first["verdict"] == "reject" else "decide on the new version"
    raise ConflictError(
        f"{what} of version {version} by {first['actor']} waits to be acted on; nothing else was noted.",
        where=f"proposal {proposal_id}",
        remedy=f"`noria work` acts on it; then {after}.",
    )


def voided(connection: Connection, proposal_id: str) -> dict[str, str]:
    """Why decisions on a proposal came to nothing, by their id."""
    return {
        str(one.payload["decision"]): str(one.payload.get("reason") or _UNTOLD)
        for one in entries(connection, action=VOID, subject=proposal_id)
    }
