"""A no is said once: its reason becomes a limit that a person may adopt, and the pack's own test remembers why."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from console.cli.place import operator
from memory.errors import ConflictError, NotFoundError
from tests.console.conftest import Run, run_in


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


def test_a_reason_that_names_no_limit_suggests_none(run: Run) -> None:
    assert reject(run, "Not this month")["candidates"] == []
    assert run("policy", "candidates") == []
