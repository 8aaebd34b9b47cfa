"""The release gate: the whole suite holds with the rules, and a model is scored on the same cases."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from agents.model import ModelSettings
from evals.bad_models import Contender
from evals.baseline import BASELINE, Baseline, read_baseline, write_baseline
from evals.model_server import ModelServer, fails
from evals.scenario import load_cases
from evals.suite import judge, run_suite
from evals.suite_cli import eval_command
from evals.suite_page import write_page
from memory.errors import ConfigurationError
from tests.evals.suite.cooperative import cooperates

APP = typer.Typer()
APP.command()(eval_command)


@pytest.fixture(autouse=True)
def _no_model_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NORIA_MODEL_BASE_URL", "NORIA_MODEL_NAME", "NORIA_MODEL_API_KEY", "NORIA_MODEL_STRUCTURED_OUTPUT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.slow(seconds=200)
@pytest.mark.timeout(1200)
def test_the_whole_suite_holds_with_the_rules(tmp_path: Path) -> None:
    result = run_suite(load_cases(), Contender(), jobs=2)
    judged = judge(result, read_baseline(BASELINE), whole=True)
    assert result.hard_failures == []
    assert list(judged.falls) == []
    assert judged.passed
    page = write_page([judged], tmp_path / "evals.html").read_text(encoding="utf-8")
    assert all(run.name in page for run in result.runs)
    assert "http" not in page.split("</style>")[0]


def test_a_model_is_scored_on_the_same_cases_with_what_it_cost() -> None:
    with ModelServer(otherwise=cooperates) as server:
        settings = ModelSettings(base_url=server.base_url, model="cooperative")
        result = run_suite(
            load_cases(only=("tiny_list_allowed",)), Contender(kind="model", settings=settings), repeat=2
        )
    assert result.hard_failures == []
    assert {run.fell_back for run in result.runs} == {0}
    assert result.tokens == 2 * 5 * 160
    assert result.spreads()["copywriter"].mean == 1.0
    assert [run.name for run in result.runs] == ["tiny_list_allowed", "tiny_list_allowed"]


def test_a_model_that_is_down_is_scored_by_what_the_rules_do_for_it() -> None:
    with ModelServer(otherwise=fails(401)) as server:
        settings = ModelSettings(base_url=server.base_url, model="down", attempts=1)
        result = run_suite(load_cases(only=("tiny_list_allowed",)), Contender(kind="model", settings=settings))
    assert result.hard_failures == []
    assert result.runs[0].fell_back == 3


def test_a_run_leaves_no_event_loop_open() -> None:
    run_suite(load_cases(only=("vague_brief",)), Contender())
    with pytest.raises(RuntimeError, match="no current event loop"):
        asyncio.get_event_loop()


def test_the_command_prints_one_object_and_writes_both_files(tmp_path: Path) -> None:
    out, page = tmp_path / "evals.json", tmp_path / "evals.html"
    said = CliRunner().invoke(APP, ["--case", "vague_brief", "--json", "--out", str(out), "--html", str(page)])
    assert said.exit_code == 0, said.output
    report = json.loads(said.stdout)
    assert report == json.loads(out.read_text(encoding="utf-8"))
    assert report["passed"]
    assert [one["provider"] for one in report["providers"]] == ["rules"]
    assert "vague_brief" in page.read_text(encoding="utf-8")


def test_the_command_fails_on_a_fall_below_the_baseline(tmp_path: Path) -> None:
    demanding = tmp_path / "baseline.json"
    write_baseline(demanding, Baseline(scores={"rules": {"vague_brief": {"end_state": 1.1}}}))
    said = CliRunner().invoke(APP, ["--case", "vague_brief", "--baseline", str(demanding)])
    assert said.exit_code == 1
    assert "end_state fell from 1.100 to 1.000" in said.stdout


def test_the_model_alone_cannot_be_scored_when_none_is_configured() -> None:
    said = CliRunner().invoke(APP, ["--provider", "model", "--case", "vague_brief"])
    assert isinstance(said.exception, ConfigurationError)
    assert "NORIA_MODEL_BASE_URL" in said.exception.remedy


def test_a_baseline_is_not_written_from_some_cases(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    said = CliRunner().invoke(APP, ["--case", "vague_brief", "--write-baseline", "--baseline", str(path)])
    assert isinstance(said.exception, ConfigurationError)
    assert not path.exists()


def test_the_command_scores_a_model_from_the_environment_beside_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer(otherwise=cooperates) as server:
        monkeypatch.setenv("NORIA_MODEL_BASE_URL", server.base_url)
        monkeypatch.setenv("NORIA_MODEL_NAME", "cooperative")
        said = CliRunner().invoke(APP, ["--case", "vague_brief", "--json"])
    assert [one["provider"] for one in json.loads(said.stdout)["providers"]] == ["rules", "cooperative"]
