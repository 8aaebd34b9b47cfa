"""How a command ends that cannot go on: one message that says what and where, and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from console.cli.output import run
from memory.errors import ConfigurationError


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


def test_an_error_says_what_is_wrong_then_where_then_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["noria"])
    with pytest.raises(SystemExit) as left:
        run(ending_with(ConfigurationError("The sender is missing.", where="brand.yaml", remedy="Fill it in.")))
    assert left.value.code == 1
    assert capsys.readouterr().err == "Error: The sender is missing.\nWhere: brand.yaml\nWhat to do: Fill it in.\n"


def test_words_that_make_no_command_are_answered_in_the_same_style(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["noria", "--colour"])
    with pytest.raises(SystemExit) as left:
        run(ending_with(ConfigurationError("Nobody comes here.")))
    assert left.value.code == 2
    assert capsys.readouterr().err == (
        "Error: No such option: --colour.\nWhere: noria\nWhat to do: `noria --help` says what it takes.\n"
    )


@pytest.mark.parametrize(("stopped", "status"), [(typer.Exit(3), 3), (KeyboardInterrupt(), 130), (None, 0)])
def test_the_status_of_a_command_is_that_of_its_process(
    monkeypatch: pytest.MonkeyPatch, stopped: BaseException | None, status: int
) -> None:
    app = typer.Typer()

    @app.command()
    def end() -> None:
        if stopped is not None:
            raise stopped

    monkeypatch.setattr("sys.argv", ["noria"])
    with pytest.raises(SystemExit) as left:
        run(app)
    assert left.value.code == status
