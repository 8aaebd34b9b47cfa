"""The commands that the evals add to `noria`: `demo` and `eval`."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.cli.output import AsJson, answer, console


class Act(StrEnum):
    """Stories that the demo tells."""

    LOOP = "loop"
    OWN_DATA = "own-data"
    CRASH = "crash"
    ATTACK = "attack"
    DRIFT = "drift"


class WorldName(StrEnum):
    """How simulated customers react."""

    NORMAL = "normal"
    NULL = "null"
    HARMFUL = "harmful"


def add_commands(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    act: Annotated[Act, typer.Option(help="Which story to tell.")] = Act.LOOP,
    data: Annotated[Path | None, typer.Argument(help="For own-data: a folder with your CSV exports.")] = None,
    world: Annotated[WorldName, typer.Option(help="How simulated customers react to mail.")] = WorldName.NORMAL,
    seed: Annotated[int, typer.Option(help="Same seed, same story.")] = 1,
    folder: Annotated[Path, typer.Option(help="Where the demo's workspace is made.")] = Path("demo"),
    scripted: Annotated[bool, typer.Option("--scripted", help="Let the script decide, even at a terminal.")] = False,
    as_json: AsJson = False,
) -> None:
    """Watch Noria once around the loop, or one of its shorter stories."""
    from evals.demo.loop import play_loop
    from evals.demo.operator import AskingOperator, ScriptedOperator

    asks = sys.stdin.isatty() and sys.stdout.isatty() and not (scripted or as_json or os.environ.get("CI"))
    # With --json standard output carries one object and nothing else.
    console.quiet = as_json
    result = play_loop(folder, world=world.value, seed=seed, operator=AskingOperator() if asks else ScriptedOperator())
    console.quiet = False
    answer(result, as_json=as_json, show=lambda: None)
    if not all(promise.held for promise in result.promises):
        raise typer.Exit(1)
