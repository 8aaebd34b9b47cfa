"""`noria messages`: what nobody knows to have left, and your word on it."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.output import AsJson, answer, moment, number, say, table
from console.cli.place import InWorkspace, operator
from console.wiring import open_workspace
from memory import unknown as unknown_rows

_SHOWN = 16

commands = typer.Typer(help="Messages of which nobody knows whether they left.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    app.add_typer(commands, name="messages")


@commands.command()
def unknown(
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many, oldest first.")] = 50,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """List messages that were in flight when a worker or a connection died."""
    with open_workspace(workspace) as opened, opened.store.read() as connection:
        found = unknown_rows.list_unknown(connection, limit=limit)
        total = unknown_rows.count(connection)
    rows = [
        [one.message_key[:_SHOWN], one.campaign_id, one.contact_id, moment(one.claimed_at), one.reason] for one in found
    ]

    def show() -> None:
        if not rows:
            say("Every message is known to have left or not.")
            return
        table(
            f"Unknown: {number(len(rows))} of {number(total)}",
            ["id", "campaign", "contact", "handed over", "why"],
            rows,
        )
        say("`noria messages settle ID --sent` or `--failed` once you know; none of them is sent again.")

    listed = [
        {
            "message_key": one.message_key,
            "campaign_id": one.campaign_id,
            "contact_id": one.contact_id,
            "claimed_at": one.claimed_at.isoformat() if one.claimed_at else None,
            "reason": one.reason,
        }
        for one in found
    ]
    answer({"total": total, "messages": listed}, as_json=as_json, show=show)


@commands.command()
def settle(
    key: Annotated[str, typer.Argument(help="Key of the message, or the beginning of it.")],
    sent: Annotated[bool, typer.Option("--sent/--failed", help="It left, or it did not.")],
    reason: Annotated[
        str, typer.Option("--reason", "-r", help="How you know; kept on its row and in the journal.")
    ] = "an operator looked it up",
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Write down what became of one unknown message; it is never sent again either way."""
    from tools.settle import settle as settle_message

    with open_workspace(workspace) as opened, opened.store.write() as connection:
        done = settle_message(connection, key, sent=sent, at=opened.clock.now(), actor=operator(), reason=reason)

    def show() -> None:
        say(f"Message {done.message_key[:_SHOWN]} is [bold]{done.state}[/bold].")

    answer({"message_key": done.message_key, "state": done.state}, as_json=as_json, show=show)
