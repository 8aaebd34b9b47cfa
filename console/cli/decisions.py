"""`noria decisions`: who was right, you or Noria, as far as the contacts who came can tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.output import AsJson, answer, number, quote, say
from console.cli.place import InWorkspace
from console.wiring import open_workspace

if TYPE_CHECKING:
    from agents.decision_ledger import Choice, DecisionLedger, Line


def add_commands(app: typer.Typer) -> None:
    app.command("decisions")(decisions)


def decisions(
    html: Annotated[Path | None, typer.Option(help="Write it as a page into this file, too.")] = None,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print for each decision what you chose, what Noria would have taken, and which of the two brings more."""
    from agents.decision_ledger import decision_ledger
    from console.report.decisions import write_decisions

    with open_workspace(workspace) as opened:
        found = decision_ledger(opened.desk)
    if html is not None:
        write_decisions(found, html)

    def show() -> None:
        _show(found)
        if html is not None:
            say(f"Written to {quote(html)}.")

    answer(found, as_json=as_json, show=show)


def _show(found: DecisionLedger) -> None:
    for line in found.lines:
        who = ", ".join(line.people) or "nobody was asked"
        say(f"[bold]{quote(line.title)}[/bold] ({line.proposal_id}): {line.decided} by {quote(who)}")
        _show_choices(line)
        say(f"  {quote(line.sentence)}")
    if not found.lines:
        say("Nothing was decided yet.")
        return
    say(f"[bold]All together[/bold]: {quote(found.sentence)}")


def _show_choices(line: Line) -> None:
    if line.pick is not None:
        chances = ", ".join(f"{key} {line.pick.chances[key]:.0%}" for key in line.pick.ranked)
        say(f"  Noria's pick when it proposed: {quote(chances)}")
    for name, choice in (("yours", line.yours), ("Noria's", line.noria), ("runner-up", line.runner_up)):
        if choice is not None:
            say(f"  {name:<10} {_told(choice)}")
    if line.contacts:
        say(f"  [dim]on {number(line.contacts)} contacts whose goal window is over[/dim]")


def _told(choice: Choice) -> str:
    shares = ", ".join(f"{key} {share:.0%}" for key, share in choice.chosen.items())
    value = choice.value
    return f"{100 * value.mean:.2f} % reach the goal ({100 * value.low:.2f} to {100 * value.high:.2f}): {quote(shares)}"
