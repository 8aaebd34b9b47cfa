"""Heartbeats: which processes work, since when, and when each last finished a round."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, delete, insert, select, update

from memory.schema import workers

SILENT_AFTER: Final = timedelta(minutes=2)
"""Without a round for so long a worker is called silent; a large send may take longer, and then it is not."""
_FORGOTTEN_AFTER = timedelta(days=7)


class Worker(BaseModel):
    """One process that works, in the machine's own time."""

    model_config = ConfigDict(frozen=True)

    worker_id: str
    """Host and process id."""
    started_at: AwareDatetime
    last_round_at: AwareDatetime
    rounds: int
    failures: int
    """Parts that broke off in its last round."""

    def is_silent(self, now: datetime) -> bool:
        """Whether it finished no round lately."""
        return now - self.last_round_at > SILENT_AFTER


def beat(connection: Connection, worker_id: str, at: datetime, *, failures: int = 0) -> None:
    """Note that a worker finished a round; whoever was silent for a week is forgotten."""
    known = connection.execute(
        update(workers)
        .where(workers.c.worker_id == worker_id)
        .values(last_round_at=at, rounds=workers.c.rounds + 1, failures=failures)
    )
    if known.rowcount == 0:
        row = {"worker_id": worker_id, "started_at": at, "last_round_at": at, "rounds": 1, "failures": failures}
        connection.execute(insert(workers).values(**row))
    connection.execute(delete(workers).where(workers.c.last_round_at < at - _FORGOTTEN_AFTER))


def every(connection: Connection) -> list[Worker]:
    """All workers of the last week, the one that was heard last first."""
    query = select(workers).order_by(workers.c.last_round_at.desc(), workers.c.worker_id)
    return [Worker.model_validate(row._asdict()) for row in connection.execute(query)]
