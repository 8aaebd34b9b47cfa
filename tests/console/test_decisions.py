"""`noria decisions`: who was right, from the command line."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from console.cli import app
from tests.console.conftest import run_in


def test_a_rejected_proposal_stands_there_and_nobody_is_called_right(proposed: Path, tmp_path: Path) -> None:
    run = run_in(proposed)
    assert run("decisions")["lines"] == []
    first = run("proposals", "list")[0]["proposal_id"]
    run("proposals", "reject", first, "--reason", "Not now")
    page = tmp_path / "decisions.html"
    found = run("decisions", "--html", str(page))
    assert [(one["proposal_id"], one["decided"], one["right"]) for one in found["lines"]] == [
        (first, "reject", "cannot be known")
    ]
    assert found["right"] == "not shown"
    assert "Nothing was sent" in page.read_text(encoding="utf-8")
    shown = CliRunner().invoke(app, ["decisions", "--workspace", str(proposed)])
    assert "All together" in shown.output
