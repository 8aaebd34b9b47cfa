"""The commands that the evals add to `noria`: `demo` and `eval`."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.output import AsJson, answer, console
from evals.hostile_cli import hostile_command
from evals.market_cli import market_command
from evals.suite_cli import eval_command
from memory.errors import InvalidInputError

if TYPE_CHECKING:
    from evals.demo.loop import WorldKind
    from evals.demo.result import DemoResult
    from evals.demo.story import ActResult


class Act(StrEnum):
    """Stories that the demo tells."""

    LOOP = "loop"
    OWN_DATA = "own-data"
    CRASH = "crash"
    ATTACK = "attack"
    DRIFT = "drift"
    CART = "cart"


class WorldName(StrEnum):
    """How simulated customers react."""

    NORMAL = "normal"
    NULL = "null"
    HARMFUL = "harmful"


def add_commands(app: typer.Typer) -> None:
    app.command()(demo)
    suites = typer.Typer(invoke_without_command=True)
    suites.callback()(eval_command)
    suites.command("hostile")(hostile_command)
    suites.command("market")(market_command)
    app.add_typer(suites, name="eval")


def demo(
    data: Annotated[Path | None, typer.Argument(help="For own-data: a folder with your CSV exports.")] = None,
    act: Annotated[Act, typer.Option(help="Which story to tell.")] = Act.LOOP,
    world: Annotated[WorldName, typer.Option(help="How simulated customers react to mail.")] = WorldName.NORMAL,
    seed: Annotated[int, typer.Option(help="Same seed, same story.")] = 1,
    months: Annotated[
        int | None, typer.Option(min=1, max=3, help="Let the shop run so many months with every playbook.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="For own-data: currency of your amounts, as three letters.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where the demo's workspace is made; demo, or demo-ACT for another act.")
    ] = None,
    scripted: Annotated[bool, typer.Option("--scripted", help="Let the script decide, even at a terminal.")] = False,
    as_json: AsJson = False,
) -> None:
    """Watch Noria once around the loop, or one of its shorter stories."""
    place = folder or Path("demo-months" if months else "demo" if act is Act.LOOP else f"demo-{act}")
    # With --json standard output carries one object and nothing else.
    console.quiet = as_json
    try:
        if months:
            from evals.demo.months import play_months

            result: ActResult | DemoResult = play_months(place, months, world=world.value, seed=seed)
        elif act is Act.LOOP:
            asks = sys.stdin.isatty() and sys.stdout.isatty() and not (scripted or as_json or os.environ.get("CI"))
            result = _loop(place, world.value, seed, asks=asks)
        else:
            result = _act(act, place, data, currency)
    finally:
        console.quiet = False
    answer(result, as_json=as_json, show=lambda: None)
    if not all(promise.held for promise in result.promises):
        raise typer.Exit(1)


def _loop(folder: Path, world: WorldKind, seed: int, *, asks: bool) -> DemoResult:
    from evals.demo.loop import play_loop
    from evals.demo.operator import AskingOperator, ScriptedOperator

    return play_loop(folder, world=world, seed=seed, operator=AskingOperator() if asks else ScriptedOperator())


def _act(act: Act, folder: Path, data: Path | None, currency: str | None) -> ActResult:
    if act is Act.OWN_DATA:
        from evals.demo.own_data import play_own_data

        if data is None:
            raise InvalidInputError(
                "It needs the folder with your CSV exports.",
                where="--act own-data",
                remedy="For example: noria demo --act own-data FOLDER.",
            )
        return play_own_data(folder, data, currency=currency)
    if act is Act.CRASH:
        from evals.demo.crash import play_crash

        return play_crash(folder)
    if act is Act.ATTACK:
        from evals.demo.attack import play_attack

        return play_attack(folder)
    if act is Act.CART:
        from evals.demo.cart import play_cart

        return play_cart(folder)
    from evals.demo.drift import play_drift

    return play_drift(folder)
