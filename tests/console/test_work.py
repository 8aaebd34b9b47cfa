"""The worker's loop: no error ends it, and one that stays is seen."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from console import work as working
from console.doctor.diagnosis import Diagnosis
from console.doctor.parts import examine
from console.wiring import Workspace
from tests.console.conftest import Run


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


def worker_said(folder: Path) -> list[Diagnosis]:
    workspace = Workspace(folder, {})
    try:
        return [one for one in examine(workspace) if one.part == "worker"]
    finally:
        workspace.close()


def test_an_unforeseen_error_does_not_end_the_loop_and_the_doctor_tells_of_it(
    shop: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds = 0

    def fail(_desk: object) -> list[str]:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        raise ZeroDivisionError("ann@example.com")

    workspace = Workspace(shop, {})
    with monkeypatch.context() as patched, workspace.threads() as threads:
        patched.setattr(working, "run_due_looks", fail)
        working.work(workspace, threads, pause_seconds=0.01)
    workspace.close()
    assert rounds == 3
    logged = capsys.readouterr().err
    assert "ZeroDivisionError" in logged
    assert "ann@example.com" not in logged
    [found] = worker_said(shop)
    assert found.state == "failure"
    assert "“looks” failed in its last 3 rounds" in found.sentence
    assert "ZeroDivisionError" in found.sentence
    run("work", "--once")
    assert worker_said(shop) == []


@pytest.mark.parametrize(("seconds", "told"), [(60.0, 1), (0.0, 4)], ids=["a minute", "no time at all"])
def test_rounds_without_anything_to_do_are_told_of_only_once_in_a_while(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seconds: float, told: int
) -> None:
    rounds = 0

    def look(_desk: object) -> list[str]:
        nonlocal rounds
        rounds += 1
        if rounds == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return ["a read-out"] if rounds in {3, 4} else []

    monkeypatch.setattr(working, "run_due_looks", look)
    monkeypatch.setattr(working, "_SIGN_OF_LIFE_SECONDS", seconds)
    workspace = Workspace(shop, {})
    with workspace.threads() as threads:
        working.work(workspace, threads, pause_seconds=0.01)
    workspace.close()
    lines = capsys.readouterr().err.splitlines()
    assert sum("nothing was due" in one for one in lines) == told
    assert ["readouts=1" in one for one in lines if "cycle" in one] == [True, True]


def test_a_round_that_fails_in_part_leaves_with_status_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_desk: object) -> list[str]:
        raise ZeroDivisionError

    monkeypatch.setattr(working, "run_due_looks", fail)
    assert [one["part"] for one in run("work", "--once", fails=True)["failures"]] == ["looks"]
