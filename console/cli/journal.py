"""`noria journal`: what people and agents did, and whether the chain holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli.output import AsJson, answer, moment, number, plain, quote, say, table
from console.cli.place import InWorkspace
from console.journal_export import journal_lines, verdict_lines
from console.wiring import open_workspace
from memory import journal, verdicts
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
def export(
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write, one JSON value a line.")],
    after: Annotated[int, typer.Option(help="Only lines of the journal after this number.")] = 0,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Write the journal and the verdict on every message into a file that anybody can check without Noria."""
    with (
        open_workspace(workspace) as opened,
        opened.store.read() as connection,
        out.open("w", encoding="utf-8") as file,
    ):
        lines = messages = 0
        for line in journal_lines(connection, after=after):
            lines += file.write(line) > 0
        for line in verdict_lines(connection):
            messages += file.write(line) > 0

    def show() -> None:
        say(f"{number(lines)} lines of the journal and {number(messages)} verdicts are in [bold]{quote(out)}[/bold].")

    answer({"file": str(out), "lines": lines, "verdicts": messages}, as_json=as_json, show=show)


@commands.command()
def verify(workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Recompute the whole chain, and hold the verdicts on messages against it; status 1 if any byte was changed."""
    with open_workspace(workspace) as opened, opened.store.read() as connection:
        found = journal.verify(connection)
        rows = verdicts.compare(connection)

    def show_result() -> None:
        if found.intact:
            say(f"[green]Intact[/green]: {number(found.entries)} lines, head {found.head[:16]}.")
        else:
            say(f"[red]Broken[/red] at line {found.broken_at}: {found.reason}.")
        if rows.broken:
            say(f"[red]Changed verdicts[/red]: {', '.join(one[:12] for one in rows.broken[:20])}.")
        else:
            say(f"{number(rows.compared)} of {number(rows.chunks)} chunks of verdicts stand as they were chained"
                + ("; in the others messages that had to wait were judged again since, as is usual."
                   if rows.judged_again else "."))  # fmt: skip
        if not found.intact or rows.broken:
            say("Restore a backup made before it broke, and find out who could write to the store.")

    answer({**plain(found), "verdicts": plain(rows)}, as_json=as_json, show=show_result)
    if not found.intact or rows.broken:
        raise typer.Exit(1)
