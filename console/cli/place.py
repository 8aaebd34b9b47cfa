"""Where a command works: the workspace option, and who is typing."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

InWorkspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        envvar="NORIA_WORKSPACE",
        help="Folder of the workspace; the current folder or one above it by default.",
    ),
]


def operator() -> str:
    """Who decides on the command line: the user of the operating system."""
    return f"cli:{getpass.getuser()}"
