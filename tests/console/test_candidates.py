"""A no is said once: its reason becomes a limit that a person may adopt, and the pack's own test remembers why."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from console.cli.place import operator
from console.wiring import open_workspace
from evals.bad_models import Contender
from evals.baseline import Baseline
from evals.cli import add_commands
from evals.scenario import load_cases, under
from evals.suite import judge, run_suite
from memory.errors import ConflictError, NotFoundError
from tests.console.conftest import BRIEF, Run, run_in


@pytest.fixture
def run(proposed: Path) -> Run:
    return run_in(proposed)


def win_back(run: Run) -> Any:
    return next(one for one in run("proposals", "list") if one["playbook"] == "win_back")


def reject(run: Run, reason: str) -> Any:
    return run("proposals", "reject", win_back(run)["proposal_id"], "--reason", reason)


@pytest.mark.slow(seconds=20)
def test_a_reason_that_names_a_limit_becomes_one_that_is_tested_and_in_force(proposed: Path, run: Run) -> None:
    before = [one["proposal_id"] for one in run("proposals", "list")]
    said = reject(run, "Too often, and never before 10")
    assert [one.partition("-")[2] for one in said["candidates"]] == ["frequency", "send_window"]
    shown = {one["candidate_id"]: one for one in run("policy", "candidates")}
    often, early = (shown[one] for one in said["candidates"])
    assert often["limit"]["sentence"] == "At most 2 messages to one contact in 7 days."
    assert (early["limit"]["parameter"], early["limit"]["value"]) == ("earliest_hour", 10)
    assert early["past"]["sentence"].startswith("It would have stopped")
    with pytest.raises(ConflictError, match="Nothing was changed"):
        run("policy", "adopt", often["candidate_id"])
    assert not (proposed / "packs" / "adopted.yaml").exists()

    done = run("policy", "adopt", often["candidate_id"], "--yes")
    assert (done["new"].partition("@")[0], done["backtest"]["pack"]) == ("adopted", done["new"])
    assert set(done["voids"]["waiting"]) == set(before)
    assert run("policy", "explain", "frequency")["parameters"][0]["value"] == 2
    # The second limit joins the first, and each has its test.
    run("policy", "adopt", early["candidate_id"], "--yes")
    tested = run("policy", "test")
    assert (tested["failed"], tested["without_a_pair"]) == ([], [])
    assert f"a no of {operator()}" in (proposed / "packs" / "adopted.tests.yaml").read_text(encoding="utf-8")
    assert run("policy", "candidates") == []
    with pytest.raises(NotFoundError, match="no candidate"):
        run("policy", "adopt", often["candidate_id"], "--yes")
    assert [one["subject"] for one in run("journal", "show", "--action", "policy.adopted")] == said["candidates"]


def test_a_word_that_somebody_did_not_want_is_not_written_again(proposed: Path, run: Run) -> None:
    shown = run("proposals", "show", win_back(run)["proposal_id"])
    step = next(one for one in shown["proposal"]["play"]["sequences"][0]["steps"] if one["kind"] == "send")
    plain = re.sub(r"{[{%].*?[%}]}", " ", step["copies"]["en"]["body"][0])
    word = max(re.findall(r"[A-Za-z]+", plain), key=len)
    (candidate,) = reject(run, f"We do not say “{word}”")["candidates"]
    (found,) = run("policy", "candidates")
    assert found["limit"]["value"] == [word]
    assert found["proposal_id"] in found["past"]["proposals"]
    run("policy", "adopt", candidate, "--yes")
    assert run("policy", "test")["failed"] == []


@pytest.mark.slow(seconds=20)
def test_a_no_is_a_case_of_the_evals_that_fails_without_its_rule(proposed: Path, run: Run) -> None:
    found = reject(run, "Too often, and not for this segment")["candidates"]
    assert [one.partition("-")[2] for one in found] == ["frequency", "not_for"]
    for one in found:
        run("policy", "adopt", one, "--yes")
    assert run("policy", "test")["failed"] == []
    with open_workspace(proposed) as opened:
        packs = {True: opened.pack, False: opened.packs.read("base")}
    cases = load_cases(proposed / "cases")
    assert [one.name for one in cases] == sorted(found)
    for one in cases:
        for holds, pack in packs.items():
            result = run_suite([under(one, pack)], Contender())
            assert judge(result, Baseline(), whole=False, own=[one.name]).passed is holds, one.name
    app = typer.Typer()
    add_commands(app)
    words = ["eval", "--workspace", str(proposed), "--case", found[0], "--json"]
    played = json.loads(CliRunner().invoke(app, words).stdout)
    assert [one["name"] for one in played["providers"][0]["runs"]] == [found[0]]
    assert played["passed"]
    # And it is not proposed again.
    planned = {one["playbook"] for one in run("plan", *BRIEF)["proposals"]}
    assert planned
    assert "win_back" not in planned


def test_a_reason_that_names_no_limit_suggests_none(run: Run) -> None:
    assert reject(run, "Not this month")["candidates"] == []
    assert run("policy", "candidates") == []
