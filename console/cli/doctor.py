"""`noria doctor`: test every part and say what to do."""

from __future__ import annotations

import typer

from console.cli.output import AsJson, answer, quote, say
from console.cli.place import InWorkspace
from console.wiring import open_workspace

_SHOWN = {
    "well": "[green]well[/green]   ",
    "warning": "[yellow]warning[/yellow]",
    "failure": "[red]failure[/red]",
    "elsewhere": "elsewhere",
}


def add_commands(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Check settings, record, clock, policies, channel, sender and model; leaves with status 1 on a failure."""
    from console.doctor.parts import examine

    with open_workspace(workspace) as opened:
        found = list(examine(opened))

    def show() -> None:
        for one in found:
            say(f"{_SHOWN[one.state]} [bold]{quote(one.part)}[/bold]: {quote(one.sentence)}")
            if one.remedy:
                say(f"        [dim]What to do:[/dim] {quote(one.remedy)}")

    answer(found, as_json=as_json, show=show)
    if any(one.state == "failure" for one in found):
        raise typer.Exit(1)
