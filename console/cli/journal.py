"""`noria journal`: what people and agents did, and whether the chain holds."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.output import AsJson, answer, moment, say, table
from console.cli.place import InWorkspace
from console.wiring import open_workspace
from memory import journal
from memory.canonical import canonical_json

commands = typer.Typer(
    help="What people and agents did, in a chain that shows every later change.", no_args_is_help=True
)


def add_commands(app: typer.Typer) -> None:
    app.add_typer(commands, name="journal")


@commands.command()
def show(
    workspace: InWorkspace = None,
    after: Annotated[int, typer.Option(help="Only lines after this number.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many lines.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, for example decision.approve.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only this subject, for example a proposal's id.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the journal, oldest line first."""
    with open_workspace(workspace) as opened, opened.store.read() as connection:
        found = list(journal.entries(connection, after=after, limit=limit, action=action, subject=subject))
    rows = [[e.seq, moment(e.at), e.actor, e.action, e.subject, canonical_json(e.payload)] for e in found]
    answer(
        found,
        as_json=as_json,
        show=lambda: table("Journal", ["line", "when", "who", "what", "about", "details"], rows, numbers=[0]),
    )


@commands.command()
def verify(workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Recompute the whole chain; leaves with status 1 if any byte of it was changed."""
    with open_workspace(workspace) as opened, opened.store.read() as connection:
        found = journal.verify(connection)

    def show_result() -> None:
        if found.intact:
            say(f"[green]Intact[/green]: {found.entries} lines, head {found.head[:16]}.")
        else:
            say(f"[red]Broken[/red] at line {found.broken_at}: {found.reason}.")
            say("Restore a backup made before it broke, and find out who could write to the store.")

    answer(found, as_json=as_json, show=show_result)
    if not found.intact:
        raise typer.Exit(1)
