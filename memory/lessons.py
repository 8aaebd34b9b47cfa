"""Lessons: measured read-outs turned into memory, with evidence, expiry and the right to be contradicted."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Row, select, update

from memory.errors import NotFoundError
from memory.journal import append
from memory.schema import lessons
from memory.store import upsert

LessonState = Literal["active", "withdrawn", "contradicted"]


class Lesson(BaseModel):
    """What one campaign taught: an effect on log-odds against its own holdout, for a segment and a lever."""

    model_config = ConfigDict(frozen=True)

    lesson_id: str
    campaign_id: str | None
    readout_id: str | None
    playbook: str
    segment: str
    """The audience as a sentence."""
    lever: str
    level: str
    goal: str
    channel: str
    effect: float
    standard_error: float = Field(gt=0)
    contacts: int
    conversions: int
    verdict: Literal["works", "harms", "inconclusive"]
    text: dict[str, str]
    """One sentence per language."""
    evidence: dict[str, Any]
    """Ids and counts behind it: read-out, look, arms."""
    state: LessonState = "active"
    state_reason: str = ""
    observed_from: AwareDatetime
    observed_to: AwareDatetime
    expires_at: AwareDatetime
    created_at: AwareDatetime

    @property
    def narrowed(self) -> bool:
        """Whether it holds for its own segment only, because another one showed something else (``state_reason``)."""
        return self.state == "active" and bool(self.state_reason)


def write(connection: Connection, lesson: Lesson, *, at: datetime) -> bool:
    """Keep a lesson and journal it; False when it was written before."""
    if upsert(connection, lessons, [lesson.model_dump()]) == 0:
        return False
    append(
        connection,
        at=at,
        actor="noria",
        action="lesson.written",
        subject=lesson.lesson_id,
        payload={
            "campaign": lesson.campaign_id,
            "readout": lesson.readout_id,
            "verdict": lesson.verdict,
            "effect_micro": round(lesson.effect * 1_000_000),
            "standard_error_micro": round(lesson.standard_error * 1_000_000),
        },
    )
    return True


def get(connection: Connection, lesson_id: str) -> Lesson:
    """Raises NotFoundError."""
    row = connection.execute(select(lessons).where(lessons.c.lesson_id == lesson_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no lesson {lesson_id}.", remedy="`noria lessons` shows them all.")
    return _lesson(row)


def usable(connection: Connection, at: datetime, *, playbook: str | None = None) -> list[Lesson]:
    """Lessons that are active and not expired, newest first."""
    query = (
        select(lessons)
        .where(lessons.c.state == "active", lessons.c.expires_at > at)
        .order_by(lessons.c.created_at.desc(), lessons.c.lesson_id)
    )
    if playbook is not None:
        query = query.where(lessons.c.playbook == playbook)
    return [_lesson(row) for row in connection.execute(query)]


def every(connection: Connection) -> list[Lesson]:
    """All lessons in whatever state, newest first."""
    query = select(lessons).order_by(lessons.c.created_at.desc(), lessons.c.lesson_id)
    return [_lesson(row) for row in connection.execute(query)]


def set_state(
    connection: Connection, lesson_id: str, state: LessonState, *, reason: str, actor: str, at: datetime
) -> None:
    """Withdraw a lesson, or mark that a later read-out contradicts it. Raises NotFoundError."""
    changed = connection.execute(
        update(lessons).where(lessons.c.lesson_id == lesson_id).values(state=state, state_reason=reason)
    )
    if changed.rowcount != 1:
        raise NotFoundError(f"There is no lesson {lesson_id}.", remedy="`noria lessons` shows them all.")
    append(connection, at=at, actor=actor, action=f"lesson.{state}", subject=lesson_id, payload={"reason": reason})


def narrow(connection: Connection, lesson_id: str, *, reason: str, actor: str, at: datetime) -> bool:
    """Let a lesson hold for its own segment only from now on; False where it does already, or is not active."""
    changed = connection.execute(
        update(lessons)
        .where(lessons.c.lesson_id == lesson_id, lessons.c.state == "active", lessons.c.state_reason == "")
        .values(state_reason=reason)
    )
    if changed.rowcount != 1:
        return False
    append(connection, at=at, actor=actor, action="lesson.narrowed", subject=lesson_id, payload={"reason": reason})
    return True


def _lesson(row: Row[Any]) -> Lesson:
    return Lesson.model_validate(row._asdict())
