"""How a command ends that cannot go on: one message that says what and where, and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from console.cli.output import run


def ending_with(error: Exception) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    def end() -> None:
        raise error

    return app


def test_a_file_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["noria"])
    missing = tmp_path / "none" / "journal.jsonl"
    with pytest.raises(FileNotFoundError) as caught:
        missing.write_text("…", encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        run(ending_with(caught.value))
    said = capsys.readouterr().err
    assert left.value.code == 1
    assert str(missing) in said
    assert "No such file or directory" in said


def test_an_error_of_the_system_that_is_about_no_file_is_not_hushed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["noria"])
    with pytest.raises(OSError, match="out of handles"):
        run(ending_with(OSError("out of handles")))
