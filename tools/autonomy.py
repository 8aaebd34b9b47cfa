"""A person's hand on the ladder of autonomy: raise a kind of action, or take it down."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from memory import autonomy
from memory.autonomy import LEVELS, Kind, Level, Rung
from memory.errors import ConflictError


def raise_level(
    connection: Connection, kind: Kind, level: Level, *, actor: str, reason: str, record: dict[str, Any], at: datetime
) -> Rung:
    """Let Noria go further by itself with a kind of action; ``record`` is what the person had before them.

    Raises ConflictError without a reason, or when it is that high already.
    """
    return _move(connection, kind, level, 1, actor=actor, reason=reason, at=at, record=record)


def lower_level(connection: Connection, kind: Kind, level: Level, *, actor: str, reason: str, at: datetime) -> Rung:
    """Take a kind of action down; its record begins anew. What already runs goes on as it was approved.

    Raises ConflictError without a reason, or when it is that low already.
    """
    return _move(connection, kind, level, -1, actor=actor, reason=reason, at=at)


def _move(
    connection: Connection, kind: Kind, level: Level, step: int, *, actor: str, reason: str, at: datetime, **more: Any
) -> Rung:
    before = autonomy.rung(connection, kind)
    where = f"kind {kind}"
    if (LEVELS.index(level) - LEVELS.index(before.level)) * step <= 0:
        raise ConflictError(
            f"It is at {before.level}.", where=where, remedy="`noria autonomy` shows where each stands."
        )
    if not reason.strip():
        raise ConflictError("A move on the ladder needs a reason.", where=where, remedy="Say why with --reason.")
    after = Rung(
        kind=kind,
        level=level,
        since=at,
        actor=actor,
        reason=reason.strip(),
        counted_from=before.counted_from if step > 0 else at,
    )
    autonomy.keep(connection, after)
    autonomy.journal_move(connection, before, level, actor=actor, reason=after.reason, at=at, **more)
    return after
