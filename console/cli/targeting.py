"""`noria targeting`: for whom a campaign works, as far as its own contacts surely show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.output import AsJson, answer, number, quote, say, table
from console.cli.place import InWorkspace
from console.wiring import open_workspace

if TYPE_CHECKING:
    from agents.learning.off_policy import Value

_STEPS = {
    "nobody": "nobody gets anything",
    "best_arm": "the best sequence for all",
    "simple_rule": "a rule on one feature",
    "ridge": "a model of each contact",
}


def add_commands(app: typer.Typer) -> None:
    app.command("targeting")(targeting)


def targeting(
    campaign_id: Annotated[str, typer.Argument(help="Id of the campaign, or the beginning of it.")],
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print for whom a campaign works: one sequence for all, a rule or a model, each only if it surely does better."""
    from agents.target import target

    with open_workspace(workspace) as opened:
        found = target(opened.desk, campaign_id)

    def show() -> None:
        rows = [
            [
                _STEPS[one.step],
                _share(one.value),
                _share(one.snips),
                "–" if one.gain is None else f"{100 * one.gain.mean:+.2f}",
                "–" if one.lower_bound is None else f"{100 * one.lower_bound:+.2f}",
                "yes" if one.passed else "no",
            ]
            for one in found.rungs
        ]
        headings = ["step", "reach the goal, %", "without a model, %", "points more", "at least", "holds"]
        table(f"For whom it works, by {number(found.contacts)} contacts", headings, rows)
        say(f"[bold]{quote(found.rule)}[/bold]")
        if found.lets_in and (stop := found.stop) is not None:
            condition = f"{stop.field} {stop.operator} {stop.value}"
            sequence = quote(stop.sequence)
            say(f"It surely harms the others: only {quote(condition)} with {sequence}, {stop.share:.0%} of all.")
        if not found.lets_in:
            say("It began once: nobody else comes in, so nothing is proposed from this.")

    answer(found, as_json=as_json, show=show)


def _share(value: Value) -> str:
    return f"{100 * value.mean:.2f} ({100 * value.low:.2f} to {100 * value.high:.2f})"
