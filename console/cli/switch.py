"""`noria stop` and `noria resume`: the one switch over all sending."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.output import AsJson, answer, say
from console.cli.place import InWorkspace, operator
from console.wiring import open_workspace
from memory.workspace import Switch, turn_switch


def add_commands(app: typer.Typer) -> None:
    app.command()(stop)
    app.command()(resume)


def stop(
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it goes into the journal.")] = "",
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Stop all sending at once; nothing is claimed while it is on."""
    switch = _turn(workspace, stopped=True, reason=reason)
    answer(
        switch,
        as_json=as_json,
        show=lambda: say("[red]All sending is stopped.[/red] `noria resume` allows it again; nothing was lost."),
    )


def resume(
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it goes into the journal.")] = "",
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Allow sending again; what waited goes out inside its window or is dropped at its deadline."""
    switch = _turn(workspace, stopped=False, reason=reason)
    answer(switch, as_json=as_json, show=lambda: say("[green]Sending is allowed.[/green]"))


def _turn(workspace: InWorkspace, *, stopped: bool, reason: str) -> Switch:
    with open_workspace(workspace) as opened, opened.store.write() as connection:
        return turn_switch(connection, stopped=stopped, actor=operator(), reason=reason, at=opened.clock.now())
