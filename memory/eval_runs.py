"""Results of the evals that were run in this workspace, kept so that people see where scores go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, insert, select

from memory.schema import eval_runs

Suite = Literal["cases", "hostile"]
SHOWN: Final = 60
"""Runs that people look back on."""


class FailingCase(BaseModel):
    """One case that was not all right, and why."""

    model_config = ConfigDict(frozen=True)

    case: str
    what: str
    """The score that is below 1, or ``never`` for what must never happen."""
    value: float
    reason: str


class EvalRun(BaseModel):
    """One run of a suite with one provider."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    suite: Suite
    provider: str
    digest: str
    passed: bool
    run_at: AwareDatetime
    cases: int
    scores: dict[str, float]
    """Means from 0 to 1, by what is scored."""
    failing: tuple[FailingCase, ...] = ()
    falls: tuple[str, ...] = ()
    """What is worse than was agreed on, in sentences."""
    seconds: float
    tokens: int = 0


_COLUMNS = frozenset({"run_id", "suite", "provider", "digest", "passed", "run_at"})


def by_line(runs: Sequence[EvalRun]) -> list[list[EvalRun]]:
    """Runs of the same suite with the same provider together, in the order in which they are given."""
    found: dict[tuple[str, str], list[EvalRun]] = {}
    for run in runs:
        found.setdefault((run.suite, run.provider), []).append(run)
    return list(found.values())


def keep(connection: Connection, run: EvalRun) -> None:
    """Write a run down; runs are never changed."""
    row = {name: getattr(run, name) for name in _COLUMNS}
    connection.execute(insert(eval_runs).values(**row, body=run.model_dump(mode="json", exclude=set(_COLUMNS))))


def newest(connection: Connection, limit: int) -> list[EvalRun]:
    """The last runs of whatever suite, the newest first."""
    query = select(eval_runs).order_by(eval_runs.c.run_at.desc(), eval_runs.c.run_id).limit(limit)
    return [
        EvalRun.model_validate({**row.body, **{name: getattr(row, name) for name in _COLUMNS}})
        for row in connection.execute(query)
    ]
