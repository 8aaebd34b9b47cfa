"""`noria readout FILE` reads an experiment of anybody's own, without a workspace."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli import app
from memory.errors import InvalidInputError, NoriaError

HILLSTROM = Path(__file__).parents[3] / "shared" / "data" / "hillstrom.csv.gz"
USUAL = ("--arm", "arm", "--control", "control", "--outcome", "won")


def ask(*words: str) -> Any:
    result = CliRunner().invoke(app, ["readout", *words, "--json"])
    if isinstance(result.exception, NoriaError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "test.csv"
    path.write_text("arm,contacts,won\ncontrol,5000,100\nmail,5000,160\n")
    return path


def test_json_carries_the_verdict_with_all_that_it_rests_on(file: Path) -> None:
    found = ask(str(file), *USUAL, "--n", "contacts")
    assert found["verdict"] == "works"
    assert found["effect"] == pytest.approx(0.012)
    assert found["interval"]["low"] > 0
    assert 0 < found["shrunken_effect"] < found["effect"]
    assert {check["name"]: check["passed"] for check in found["checks"]}["sample_ratio"]


def test_the_plan_can_be_told_and_changes_what_may_be_said(file: Path) -> None:
    assert ask(str(file), *USUAL, "--n", "contacts", "--look", "1", "--looks", "4")["verdict"] == "inconclusive"
    shares = ("--share", "control=1", "--share", "mail=2")
    assert ask(str(file), *USUAL, "--n", "contacts", *shares)["verdict"] == "invalid"


def test_people_get_a_sentence_a_table_and_what_was_assumed(file: Path) -> None:
    result = CliRunner().invoke(app, ["readout", str(file), *USUAL, "--n", "contacts"])
    assert "test.csv: works" in result.output
    assert "+1.20 (" in result.output
    assert "Planned sizes were not told" in result.output


def test_money_without_cents_is_told_in_its_own_unit(file: Path) -> None:
    rows = [f"{arm},{int(row < many)},{900 * (row < many)}" for arm, many in (("control", 50), ("mail", 120))
            for row in range(1000)]  # fmt: skip
    file.write_text("arm,won,spend\n" + "\n".join(rows) + "\n")
    words = ["readout", str(file), *USUAL, "--value", "spend", "--currency", "JPY"]
    assert "mail: +63.00 JPY per contact" in CliRunner().invoke(app, words).output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("test.csv",), "--arm is missing"),
        (("test.csv", "--arm", "arm", "--control", "control"), "--outcome is missing"),
        (("other.csv", *USUAL), "no such file"),
        (("test.csv", *USUAL, "--n", "contacts", "--value", "won"), "--value speaks of single contacts"),
        (("test.csv", *USUAL), "seems to count many contacts: the column won holds"),
        (("test.csv", *USUAL, "--look", "2"), "Look 2 of 1"),
        (("test.csv", *USUAL, "--share", "half"), "no share of an arm"),
        (("test.csv", *USUAL, "--zone", "Mars"), "no time zone Mars"),
    ],
)
def test_a_question_that_is_not_whole_says_what_is_missing(file: Path, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        ask(*words)


@pytest.mark.skipif(not HILLSTROM.exists(), reason="the Hillstrom trial is not beside the project")
def test_the_hillstrom_trial_reads_as_it_is_published(tmp_path: Path) -> None:
    path = tmp_path / "hillstrom.csv"
    path.write_bytes(gzip.decompress(HILLSTROM.read_bytes()))
    columns = ("--arm", "segment", "--control", "No E-Mail", "--outcome", "visit", "--value", "spend")
    found = ask(str(path), *columns)
    # Visits of 18.3 %, 15.1 % and 10.6 %, and 1.42, 1.08 and 0.65 dollars per contact.
    gaps = {one["name"]: one for one in found["arms"]}
    assert gaps["Mens E-Mail"]["effect"] == pytest.approx(0.0766, abs=1e-4)
    assert gaps["Womens E-Mail"]["effect"] == pytest.approx(0.0452, abs=1e-4)
    assert (found["verdict"], found["best"]) == ("works", "Mens E-Mail")
    assert gaps["Mens E-Mail"]["revenue"]["claim"] == "more"
    assert gaps["Mens E-Mail"]["revenue"]["per_contact_cents"]["value"] == pytest.approx(77, abs=2)
