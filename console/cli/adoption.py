"""`noria policy candidates` and `adopt`: a no is said once, and then it is a rule."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from console.cli.output import AsJson, answer, moment, plain, quote, say, table
from console.cli.place import InWorkspace, as_role
from console.cli.policies import agree, commands, show_backtest, show_in_force
from console.wiring import open_workspace

_BACKTEST_DAYS = 90


def add_commands(app: typer.Typer) -> None:
    commands.command("candidates")(listing)
    commands.command("adopt")(adopt)


def listing(workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print what noes and edits with a reason would be as limits, and which past proposals these would have stopped."""
    from console.candidates import candidates

    with open_workspace(workspace) as opened:
        found = candidates(opened)

    def show() -> None:
        if not found:
            say("No reason of a no or an edit suggests a limit that the policy does not hold already.")
            return
        rows = [
            [one.candidate_id, one.limit.sentence, f"{one.actor}, {moment(one.decided_at)}: {one.reason}",
             one.past.sentence]
            for one in found
        ]  # fmt: skip
        table("Candidates", ["id", "limit", "because", "looking back"], rows)
        say("`noria policy adopt ID` makes one a rule.")

    answer(
        [{**plain(one), "past": {**plain(one.past), "sentence": one.past.sentence}} for one in found],
        as_json=as_json,
        show=show,
    )


def adopt(
    candidate_id: Annotated[str, typer.Argument(help="Id of the candidate.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Make a candidate a rule of the team's own pack, with a test; shows the backtest and what falls, and asks."""
    from console.backtest import backtest
    from console.candidates import PACK, find_candidate, foresee_adoption, with_limit
    from console.candidates import adopt as write_and_activate

    with open_workspace(workspace) as opened:
        actor = as_role(opened, "admin")
        found = find_candidate(opened, candidate_id)
        since = opened.clock.now() - timedelta(days=_BACKTEST_DAYS)
        replayed = backtest(opened, with_limit(opened, found.limit), since)
        if not as_json:
            say(f"[bold]{quote(found.limit.sentence)}[/bold] {quote(found.past.sentence)}")
            show_backtest(replayed)
        agree(foresee_adoption(opened, found), PACK, yes=yes, as_json=as_json)
        done = write_and_activate(opened, found, actor)

    def show() -> None:
        show_in_force(done)

    answer({**plain(done), "candidate": plain(found), "backtest": plain(replayed)}, as_json=as_json, show=show)
