"""`noria campaigns hours`: what the hour of a message brings, by hours that were drawn at random."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.output import AsJson, answer, number, quote, say, table
from console.cli.place import InWorkspace
from console.wiring import open_workspace


def campaign_hours(
    campaign_id: Annotated[str, typer.Argument(help="Id of the campaign, or the beginning of it.")],
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print what the contact's own hour and each other hour bring, by the hours that were drawn at random."""
    from agents.hours import hours

    with open_workspace(workspace) as opened:
        found = hours(opened.desk, campaign_id)

    def show() -> None:
        rows = [
            [
                f"{one.hour}:00",
                number(one.contacts),
                f"{100 * one.value.mean:.2f}",
                f"{100 * one.value.low:.2f} to {100 * one.value.high:.2f}",
            ]
            for one in found.hours
        ]
        title = f"{number(found.contacts)} contacts, {number(found.explored)} of them at another hour than their own"
        table(title, ["hour of their day", "contacts", "% reach the goal", "between"], rows, numbers=[1, 2])
        say(quote(found.sentence))

    answer(found, as_json=as_json, show=show)
