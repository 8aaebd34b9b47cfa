"""`noria playbook`: the known plays, and whether your own are sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli.flows import playbook_flow
from console.cli.output import AsJson, answer, quote, say, table
from console.cli.place import InWorkspace
from console.wiring import PACKAGED_PLAYBOOKS, open_workspace

commands = typer.Typer(help="Known plays: those that come with Noria and your own.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    commands.command("flow")(playbook_flow)
    app.add_typer(commands, name="playbook")


@commands.command("list")
def listing(workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print the playbooks of this workspace."""
    with open_workspace(workspace) as opened:
        found = list(opened.playbooks.values())
    rows = [[one.id, one.version, one.name["en"], one.signal["en"]] for one in found]
    answer(
        [{"id": one.id, "version": one.version, "name": one.name, "signal": one.signal} for one in found],
        as_json=as_json,
        show=lambda: table("Playbooks", ["id", "version", "name", "signal"], rows),
    )


@commands.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of a playbook or of several.")] = PACKAGED_PLAYBOOKS,
    as_json: AsJson = False,
) -> None:
    """Check playbooks and their layouts: every problem with file, line and remedy; status 1 if there is one."""
    from agents.playbook import inspect_playbooks

    problems = inspect_playbooks(folder)

    def show() -> None:
        for problem in problems:
            say(f"[red]problem[/red] {quote(problem)}")
        if not problems:
            say(f"[green]Sound[/green]: {quote(folder)}")

    answer([str(problem) for problem in problems], as_json=as_json, show=show)
    if problems:
        raise typer.Exit(1)
