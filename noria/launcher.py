"""The ``noria`` command: the commands of the console joined with those of the evals."""

from __future__ import annotations

import atexit
import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from noria import __version__

_ALLOCATIONS_PER_COLLECTION = 50_000


def main() -> None:
    """Run the command line; in an installed wheel the six folders lie inside this package."""
    carried = Path(__file__).parent / "_app"
    if carried.is_dir():
        # First on the path, so that no other distribution's `agents` or `tools` is taken for ours.
        sys.path.insert(0, str(carried))
    from console.cli import app
    from console.cli.output import run
    from evals.cli import add_commands

    add_commands(app)
    app.callback()(_options)
    # What is loaded by now stays; looking through it again and again costs imports and launches a tenth of their time.
    gc.freeze()
    # What were still frozen at the end, extension modules would report as leaks on people's screens.
    atexit.register(gc.unfreeze)
    gc.set_threshold(_ALLOCATIONS_PER_COLLECTION)
    run(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"noria {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options that stand before a command."""
