"""What a run of the evals leaves in a workspace: means, and every case that was not all right with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.cli.setup import make_workspace
from console.wiring import Workspace
from evals.keeping import keep_judged
from evals.result import CaseRun, Scored, SuiteResult
from evals.suite import Judged
from memory import eval_runs
from memory.eval_runs import EvalRun


def judged() -> Judged:
    well, half = Scored(value=1, reason=""), Scored(value=0.5, reason="Too many were asked.")
    runs = (
        CaseRun(name="calm", title="", scores={"analyst": well}, never_held=True),
        CaseRun(name="loud", title="", scores={"analyst": half}, never_held=False, never_reason="It sent at night."),
    )
    result = SuiteResult(provider="rules", kind="rules", suite="d", repeat=1, runs=runs, seconds=3)
    return Judged(result=result, falls=("loud: analyst fell",), news=())


def kept(folder: Path) -> list[EvalRun]:
    workspace = Workspace(folder, {})
    with workspace.store.read() as connection:
        found = eval_runs.newest(connection, 9)
    workspace.close()
    return found


def test_a_result_is_kept_in_its_workspace_with_what_failed_and_why(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "shop", name="Shop", currency="EUR", zone="Europe/Paris")
    keep_judged(folder, [judged()])
    keep_judged(folder, [judged()])
    [one, other] = kept(folder)
    assert one.run_id != other.run_id
    assert (one.suite, one.provider, one.passed, one.cases, one.scores) == (
        "cases",
        "rules",
        False,
        2,
        {"analyst": 0.75},
    )
    assert [(each.case, each.what, each.reason) for each in one.failing] == [
        ("loud", "analyst", "Too many were asked."),
        ("loud", "never", "It sent at night."),
    ]
    assert one.falls == ("loud: analyst fell",)


def test_outside_of_a_workspace_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keep_judged(None, [judged()])
    assert list(tmp_path.iterdir()) == []
