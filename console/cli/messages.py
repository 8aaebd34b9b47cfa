"""`noria messages`: where each message of a campaign ended, what nobody knows to have left, and your word on it."""

from __future__ import annotations

from typing import Annotated, Final, get_args

import typer

from console.cli.output import AsJson, answer, moment, number, say, table
from console.cli.place import InWorkspace, operator
from console.wiring import open_workspace
from memory import campaigns, message_pages
from memory import unknown as unknown_rows
from memory.errors import InvalidInputError
from memory.ledger import Message, State

_SHOWN = 16
_STATES: Final[tuple[State, ...]] = get_args(State)

commands = typer.Typer(
    help="Where each message ended, and those of which nobody knows whether they left.", no_args_is_help=True
)


def add_commands(app: typer.Typer) -> None:
    app.add_typer(commands, name="messages")


@commands.command("list")
def listing(
    campaign_id: Annotated[str, typer.Argument(help="Id of the campaign, or the beginning of it.")],
    state: Annotated[str, typer.Option("--state", help=f"Only these: {', '.join(_STATES)}.")] = "",
    reason: Annotated[str | None, typer.Option("--reason", "-r", help="Only those with exactly this reason.")] = None,
    after: Annotated[int, typer.Option("--after", min=0, help="Go on after this message of the last page.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many, in the order of planning.")] = 50,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """List the messages of one campaign: to whom, which step, where each ended and why."""
    wanted = next((one for one in _STATES if one == state), None)
    if state and wanted is None:
        raise InvalidInputError(
            f"There is no state {state!r}.", where="--state", remedy=f"Give one of: {', '.join(_STATES)}."
        )
    with open_workspace(workspace) as opened, opened.store.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        found = message_pages.of_campaign(
            connection, campaign.campaign_id, state=wanted, reason=reason, after=after, limit=limit + 1
        )
    more, found = len(found) > limit, found[:limit]

    def show() -> None:
        if not found:
            say("No such message." if state or reason is not None or after else "Nothing was planned yet.")
            return
        rows = [
            [one.message_id, one.contact_id, one.step_key, one.state, one.reason, moment(one.sent_at or one.due_at)]
            for one in found
        ]
        columns = ["message", "contact", "step", "state", "why", "sent, or due"]
        table(f"Messages of {campaign.name}", columns, rows)
        if more:
            say(f"There are more: `--after {found[-1].message_id}`.")

    answer(
        {"messages": [_plain(one) for one in found], "next_after": found[-1].message_id if more else None},
        as_json=as_json,
        show=show,
    )


def _plain(message: Message) -> dict[str, object]:
    return {
        "message_id": message.message_id,
        "message_key": message.message_key,
        "contact_id": message.contact_id,
        "sequence": message.sequence_key,
        "step": message.step_key,
        "channel": message.channel,
        "state": message.state,
        "reason": message.reason,
        "due_at": message.due_at.isoformat(),
        "sent_at": message.sent_at.isoformat() if message.sent_at else None,
        "provider_id": message.provider_id,
    }


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
