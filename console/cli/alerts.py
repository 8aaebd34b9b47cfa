"""`noria alerts`: what campaigns and senders in trouble ask a person to do, and your word that it is done."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.output import AsJson, answer, moment, plain, say, table
from console.cli.place import InWorkspace, operator
from console.wiring import open_workspace
from memory import alerts as alert_rows

commands = typer.Typer(help="Print what a person is asked to do, or say that it is done.")


def add_commands(app: typer.Typer) -> None:
    app.add_typer(commands, name="alerts")


@commands.callback(invoke_without_command=True)
def listing(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are done.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", min=1)] = 100,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print the alerts that wait for somebody, oldest first."""
    if context.invoked_subcommand is not None:
        return
    with open_workspace(workspace) as opened, opened.store.read() as connection:
        found = alert_rows.list_alerts(connection, everything=everything, limit=limit)
    rows = [
        [
            str(one.alert_id),
            moment(one.raised_at),
            one.contact_id or "–",
            one.owner,
            one.task.get("en") or next(iter(one.task.values()), ""),
            f"{moment(one.done_at)} by {one.done_by}" if one.done_at else "",
        ]
        for one in found
    ]

    def show() -> None:
        if not rows:
            say("Nothing waits for a person.")
            return
        table("Alerts", ["id", "since", "contact", "owner", "what to do", "done"], rows)
        say("`noria alerts done ID` once you have seen to it; `noria explain CONTACT` tells who it is.")

    answer(plain(found), as_json=as_json, show=show)


@commands.command()
def done(
    alert_id: Annotated[int, typer.Argument(help="Id of the alert.")],
    note: Annotated[str, typer.Option("--note", "-n", help="What came of it.")] = "",
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Say that you have seen to an alert; it goes into the journal."""
    with open_workspace(workspace) as opened, opened.store.write() as connection:
        found = alert_rows.finish_alert(connection, alert_id, at=opened.clock.now(), actor=operator(), note=note)

    def show() -> None:
        say(f"Alert {found.alert_id} is done.")

    answer(plain(found), as_json=as_json, show=show)
