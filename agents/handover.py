"""What one node stores for the next: kept in the store under an id, so that the state carries ids only."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from agents.desk import Desk
from memory.errors import NotFoundError
from memory.proposal import Proposal
from tools import lookups

Kept = TypeVar("Kept", bound=BaseModel)


class Draft(BaseModel):
    """A proposal on its way to people, and who wrote this version of it."""

    model_config = ConfigDict(frozen=True)

    proposal: Proposal
    author: str


def keep(desk: Desk, thread_id: str, name: str, body: BaseModel) -> str:
    """Store a hand-over and return its id; the same content gets the same id."""
    with desk.store.write() as connection:
        return lookups.keep(
            connection,
            thread_id=thread_id,
            name=f"handover.{name}",
            arguments={},
            result=body.model_dump(mode="json"),
            at=desk.clock.now(),
        )


def fetch(desk: Desk, thread_id: str, kept_id: str, kind: type[Kept]) -> Kept:
    """What was stored under an id in this thread. Raises NotFoundError, also for what belongs to another thread."""
    with desk.store.read() as connection:
        kept = lookups.read(connection, kept_id)
    if kept.thread_id != thread_id:
        raise NotFoundError(f"{kept_id} was not written in this thread.", where=thread_id)
    return kind.model_validate(kept.result)


def newest(desk: Desk, thread_id: str, name: str, kind: type[Kept]) -> Kept | None:
    """What was handed over last under a name in this thread, or None."""
    with desk.store.read() as connection:
        kept = lookups.read_thread(connection, thread_id, f"handover.{name}")
    return kind.model_validate(kept[-1].result) if kept else None
