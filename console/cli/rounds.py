"""`noria round`: what the weekly look at everything that runs led to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.output import AsJson, answer, moment, number, plain, quote, say
from console.cli.place import InWorkspace, as_role
from console.wiring import open_workspace
from memory import proposals

if TYPE_CHECKING:
    from agents.round import Round

_TITLES = {
    "retire_campaign": "To be ended",
    "retire_sequence": "Sequences to be taken out",
    "reallocate": "Shares to be planned otherwise",
    "vary": "Variations of what works",
    "test": "New tests",
}


def add_commands(app: typer.Typer) -> None:
    app.command("round")(round_command)


def round_command(
    now: Annotated[bool, typer.Option("--now", help="Do one now; the week to the next begins here.")] = False,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print what the newest weekly round proposes of everything that runs, with its evidence, or do one now."""
    from agents.round import last_round, run_round
    from tools.drain import drain

    with open_workspace(workspace) as opened:
        if now:
            as_role(opened, "operator")
            # New tests are found in the lake: what came in live has to be there first.
            drain(opened.store, opened.lake)
            with opened.threads() as threads:
                run_round(threads)
        found, next_at = last_round(opened.desk)
        with opened.store.read() as connection:
            made = [] if found is None else [one.proposal_id for one in found.outcomes if one.proposal_id]
            statuses = {one: str(proposals.get(connection, one).status) for one in made}

    def show() -> None:
        if found is None:
            say("No round yet: `noria work` does one a week, and `noria round --now` does one at once.")
        else:
            _show(found, statuses)
        if next_at is not None:
            say(f"[dim]The next one is due on {moment(next_at)}.[/dim]")

    value: dict[str, Any] = {"round": plain(found), "statuses": statuses, "next_at": plain(next_at)}
    answer(value, as_json=as_json, show=show)


def _show(found: Round, statuses: dict[str, str]) -> None:
    say(f"[bold]Weekly round[/bold], {moment(found.at)}; {number(found.looked_at)} campaigns run.")
    for kind, title in _TITLES.items():
        outcomes = [one for one in found.outcomes if one.idea.kind == kind]
        if outcomes:
            say(f"[bold]{title}[/bold]")
        for one in outcomes:
            say(f"  {quote(one.idea.sentence)} {quote(one.idea.why)}")
            for item in one.idea.evidence:
                say(f"    · {quote(item.sentence)} [dim]\\[{quote(item.lookup_id[:8])}][/dim]")
            if one.proposal_id:
                say(f"    Proposal {one.proposal_id}: [bold]{statuses[one.proposal_id]}[/bold]")
            else:
                say(f"    [dim]Not proposed:[/dim] {quote(one.withheld)}")
    if not found.outcomes:
        say("Nothing to change: what runs is as it should be, or too young to tell.")
