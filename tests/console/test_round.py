"""`noria round`: what the weekly look led to, shown and done from the command line."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from console.cli import app
from tests.console.conftest import run_in


def test_a_round_is_done_shown_and_due_again_in_a_week(shop: Path) -> None:
    run = run_in(shop)
    assert run("round") == {"round": None, "statuses": {}, "next_at": None}
    done = run("round", "--now")
    assert done["round"]["outcomes"] == []
    assert done["next_at"].startswith("2025-03-10")
    assert run("round") == done
    shown = CliRunner().invoke(app, ["round", "--workspace", str(shop)])
    assert "Nothing to change" in shown.output
