"""`noria worth`: what runs without showing that it is worth it, with numbers and what to do."""

from __future__ import annotations

import typer

from console.cli.output import AsJson, answer, moment, quote, say
from console.cli.place import InWorkspace
from console.wiring import open_workspace

_TITLES = {
    "follow_ups": "Messages to people who are gone",
    "signal": "Signals that tell nothing apart",
    "read_out": "Numbers that steer nothing",
    "alerts": "Alerts that nobody sees to",
}


def add_commands(app: typer.Typer) -> None:
    app.command("worth")(worth_command)


def worth_command(workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print what runs without showing its worth: follow-ups, signals, numbers and alerts, and what to do about each."""
    from agents.worth import worth

    with open_workspace(workspace) as opened:
        found = worth(opened.desk)

    def show() -> None:
        say(f"[bold]What runs without showing its worth[/bold], {moment(found.at)}; {found.campaigns} campaigns run.")
        for kind, title in _TITLES.items():
            lines = [one for one in found.lines if one.kind == kind]
            if lines:
                say(f"[bold]{title}[/bold]")
            for one in lines:
                say(f"  {quote(one.name)} [dim]{one.campaign_id or ''}[/dim]")
                say(f"    {quote(one.sentence)}")
                say(f"    [dim]What to do:[/dim] {quote(one.remedy)}")
        if not found.lines:
            say("Nothing: all of it has shown its worth, or is too young to.")
        if found.untold:
            say(f"Too few outcomes to judge by what these go: {quote('; '.join(found.untold))}.")

    answer(found, as_json=as_json, show=show)
