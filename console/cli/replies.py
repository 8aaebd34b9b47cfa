"""`noria replies`: what contacts wrote back, and what it was read as."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.output import AsJson, answer, moment, plain, quote, say
from console.cli.place import InWorkspace
from console.wiring import open_workspace
from memory import contacts as people
from memory import replies as rows


def add_commands(app: typer.Typer) -> None:
    app.command()(replies)


def replies(
    reading: Annotated[
        str, typer.Option("--reading", help="Only these: opt_out, objection, question, human_needed, thanks, unread.")
    ] = "",
    contact: Annotated[str, typer.Option("--contact", help="Only of this contact: address or id.")] = "",
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", min=1)] = 50,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print what contacts wrote back, newest first; words older than 90 days are forgotten."""
    with open_workspace(workspace) as opened, opened.store.read() as connection:
        who = people.find(connection, contact).contact_id if contact else None
        found = rows.list_replies(connection, reading=reading, contact_id=who, limit=limit)

    def show() -> None:
        if not found:
            say("Nobody wrote back.")
        for one in found:
            kind = one.reading.replace("_", " ") + (f" ({one.objection})" if one.objection else "")
            by = f"by {one.read_by}" if one.read_by else "by nobody yet"
            say(
                f"[bold]{moment(one.at)}[/bold] contact {one.contact_id}, {one.channel}: [bold]{kind}[/bold], read {by}"
            )
            say(f"  {quote(' '.join(one.words.split()) or '(forgotten)')}")

    answer(plain(found), as_json=as_json, show=show)
