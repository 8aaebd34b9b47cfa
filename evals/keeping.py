"""Keeps what a run of the evals found in the workspace that one stands in, for the page of the console."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from console.wiring import nearest_workspace, open_workspace
from memory import eval_runs
from memory.clock import SystemClock
from memory.eval_runs import EvalRun, FailingCase

if TYPE_CHECKING:
    from evals.hostile.suite import HostileReport
    from evals.suite import Judged


def keep_judged(workspace: Path | None, judged: Sequence[Judged]) -> None:
    """Keep each provider's result on the whole suite; outside of a workspace nothing is kept."""
    _keep(workspace, [_of_cases(one) for one in judged])


def keep_hostile(workspace: Path | None, report: HostileReport) -> None:
    """Keep the result of all attacks; outside of a workspace nothing is kept."""
    failing = [
        FailingCase(case=one.id, what=what, value=0, reason=why)
        for one in report.cases
        for what, reasons in (("never", dict.fromkeys(one.breaches)), ("tried", dict.fromkeys(one.not_tried)))
        for why in reasons
    ]
    run = EvalRun(
        run_id=uuid.uuid4().hex,
        suite="hostile",
        provider="obedient",
        digest=f"{report.seeds} seeds",
        passed=report.passed,
        run_at=SystemClock().now(),
        cases=len(report.cases),
        scores={"pass_k": report.pass_k},
        failing=tuple(failing),
        seconds=report.seconds,
    )
    _keep(workspace, [run])


def _of_cases(one: Judged) -> EvalRun:
    result = one.result
    failing = [
        FailingCase(case=run.name, what=name, value=scored.value, reason=scored.reason)
        for run in result.runs
        for name, scored in run.scores.items()
        if scored.value < 1
    ]
    failing += [
        FailingCase(case=run.name, what="never", value=0, reason=run.error or run.never_reason)
        for run in result.runs
        if run.broken
    ]
    return EvalRun(
        run_id=uuid.uuid4().hex,
        suite="cases",
        provider=result.provider,
        digest=result.suite,
        passed=one.passed,
        run_at=SystemClock().now(),
        cases=len({run.name for run in result.runs}),
        scores={name: spread.mean for name, spread in result.spreads().items()},
        failing=tuple(failing),
        falls=one.falls,
        seconds=result.seconds,
        tokens=result.tokens,
    )


def _keep(workspace: Path | None, runs: Sequence[EvalRun]) -> None:
    folder = workspace or nearest_workspace()
    if folder is None:
        return
    with open_workspace(folder) as opened, opened.store.write() as connection:
        for run in runs:
            eval_runs.keep(connection, run)
