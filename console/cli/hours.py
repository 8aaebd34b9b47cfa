"""`noria campaigns hours` and `weekdays`: what the time of a message brings, by times that were drawn at random."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from console.cli.output import AsJson, answer, number, quote, say, table
from console.cli.place import InWorkspace
from console.wiring import open_workspace
from memory.step_words import WEEKDAYS

if TYPE_CHECKING:
    from memory.assignment import TimeKind

_COLUMNS: Final = ("contacts", "% reach the goal", "between")
CampaignId = Annotated[str, typer.Argument(help="Id of the campaign, or the beginning of it.")]


def campaign_hours(campaign_id: CampaignId, workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print what the contact's own hour and each other hour bring, by the hours that were drawn at random."""
    _print("hour", campaign_id, workspace, as_json=as_json)


def campaign_weekdays(campaign_id: CampaignId, workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print what the contact's own weekday and each other one bring, by the weekdays that were drawn at random."""
    _print("weekday", campaign_id, workspace, as_json=as_json)


def _print(kind: TimeKind, campaign_id: str, workspace: Path | None, *, as_json: bool) -> None:
    from agents.drawn_times import value_times

    with open_workspace(workspace) as opened:
        found = value_times(opened.desk, campaign_id, kind)

    def show() -> None:
        rows = [
            [
                f"{one.time}:00" if kind == "hour" else WEEKDAYS["en"][one.time],
                number(one.contacts),
                f"{100 * one.value.mean:.2f}",
                f"{100 * one.value.low:.2f} to {100 * one.value.high:.2f}",
            ]
            for one in found.times
        ]
        elsewhere = f"{number(found.explored)} of them drawn another {kind} than their own"
        table(f"{number(found.contacts)} contacts, {elsewhere}", [kind, *_COLUMNS], rows, numbers=[1, 2])
        say(quote(found.sentence))

    answer(found, as_json=as_json, show=show)
