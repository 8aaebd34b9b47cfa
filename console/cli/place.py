"""Where a command works: the workspace option, and who is typing."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from console.settings import SETTINGS_FILE
from console.wiring import Workspace
from memory.errors import NotAllowedError
from memory.role import Role
from policies.roles import may, role_of

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


def as_role(opened: Workspace, needed: Role) -> str:
    """Who decides on the command line, if their role lets them. Raises NotAllowedError."""
    actor = operator()
    if not may(opened.settings.roles, actor, needed):
        raise NotAllowedError(
            f"{actor} is {role_of(opened.settings.roles, actor)}; this takes the role {needed}.",
            where=f"{SETTINGS_FILE}, roles",
            remedy="Ask somebody who has it.",
        )
    return actor
