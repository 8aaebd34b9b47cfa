"""`noria campaigns history`: everything that happened to one campaign, in order of time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli.output import AsJson, answer, moment, quote, say
from console.cli.place import InWorkspace
from console.wiring import open_workspace


def campaign_history(
    campaign_id: Annotated[str, typer.Argument(help="Id of the campaign, or the beginning of it.")],
    html: Annotated[Path | None, typer.Option(help="Write it as a page into this file, too.")] = None,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print all that happened to a campaign: versions, edits, shares, pauses, looks, lessons, and who said yes."""
    from console.report.history import read_history, write_history

    with open_workspace(workspace) as opened, opened.store.read() as connection:
        found = read_history(connection, campaign_id)
    if html is not None:
        write_history(found, html)

    def show() -> None:
        say(f"[bold]{quote(found.name)}[/bold] ({found.campaign_id}): {found.status}, version {found.version}")
        for one in found.happenings:
            refers = f" [dim]\\[{quote(one.refers_to)}][/dim]" if one.refers_to else ""
            say(f"{moment(one.at)}  {one.kind:<9} [dim]{quote(one.who)}[/dim]  {quote(one.sentence)}{refers}")
            for change in one.changes:
                before, after = (quote(text) or "–" for text in (change.before, change.after))
                say(f"    {quote(change.part)}: [dim]{before}[/dim] → {after}")
        if html is not None:
            say(f"Written to {quote(html)}.")

    answer(found, as_json=as_json, show=show)
