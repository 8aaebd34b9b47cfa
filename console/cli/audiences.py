"""`noria audience`: advertising audiences as files for platforms that nothing is connected to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli.output import AsJson, answer, number, plain, quote, say
from console.cli.place import InWorkspace, operator
from console.wiring import open_workspace
from tools.customer_match import Platform

commands = typer.Typer(help="Hand an advertising audience to its platform as a file.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    app.add_typer(commands, name="audience")


@commands.command()
def export(
    name: Annotated[str, typer.Argument(help="The audience, as plays name it.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV file to write.")],
    platform: Annotated[Platform, typer.Option("--for", help="Whose format.")] = "google",
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Write who stands on an audience, hashed, as Google's Customer Match or Meta's customer lists take it."""
    from tools.customer_match import export as export_audience

    with open_workspace(workspace) as opened:
        done = export_audience(
            opened.store,
            opened.lake,
            opened.pack,
            name,
            platform,
            out,
            at=opened.clock.now(),
            actor=operator(),
            programme_share=opened.settings.review.programme_holdout_share,
        )

    def show() -> None:
        say(f"{number(done.contacts)} contacts of [bold]{quote(name)}[/bold] written to {quote(str(out))}.")
        for rule, contacts in done.left_out.items():
            say(f"  {number(contacts)} left out: {quote(rule)}")
        say("Upload it as a whole list in place of the last one, and delete the file.")

    answer({**plain(done), "file": str(out)}, as_json=as_json, show=show)
