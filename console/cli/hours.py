"""`noria campaigns hours` and `weekdays`: what the time of a message brings, by times that were drawn at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from console.cli.output import AsJson, answer, number, quote, say, table
from console.cli.place import InWorkspace
from console.wiring import open_workspace
from memory.step_words import WEEKDAYS

if TYPE_CHECKING:
    from agents.learning.off_policy import Value

_COLUMNS: Final = ("contacts", "% reach the goal", "between")


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
        rows = [_row(f"{one.hour}:00", one.contacts, one.value) for one in found.hours]
        title = f"{number(found.contacts)} contacts, {number(found.explored)} of them at another hour than their own"
        table(title, ["hour of their day", *_COLUMNS], rows, numbers=[1, 2])
        say(quote(found.sentence))

    answer(found, as_json=as_json, show=show)


def campaign_weekdays(
    campaign_id: Annotated[str, typer.Argument(help="Id of the campaign, or the beginning of it.")],
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print what the contact's own weekday and each other one bring, by the weekdays that were drawn at random."""
    from agents.weekdays import weekdays

    with open_workspace(workspace) as opened:
        found = weekdays(opened.desk, campaign_id)

    def show() -> None:
        rows = [_row(WEEKDAYS["en"][one.weekday], one.contacts, one.value) for one in found.weekdays]
        title = f"{number(found.contacts)} contacts, {number(found.explored)} of them on another weekday than their own"
        table(title, ["weekday", *_COLUMNS], rows, numbers=[1, 2])
        say(quote(found.sentence))

    answer(found, as_json=as_json, show=show)


def _row(name: str, contacts: int, value: Value) -> list[str]:
    return [name, number(contacts), f"{100 * value.mean:.2f}", f"{100 * value.low:.2f} to {100 * value.high:.2f}"]
