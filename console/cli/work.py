"""`noria work`: the process that acts."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.output import AsJson, answer, moment, plain, quote, say
from console.cli.place import InWorkspace
from console.wiring import open_workspace


def add_commands(app: typer.Typer) -> None:
    app.command()(work)


def work(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, then leave.")] = False,
    pause_seconds: Annotated[float, typer.Option(min=0.1, help="Rest between two rounds.")] = 5.0,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Act on decisions, launch, send, measure and learn; the only process that holds a key that can send."""
    from console.work import counts, work_safely
    from console.work import work as work_on

    with open_workspace(workspace) as opened, opened.threads() as threads:
        if not once:
            say("Working – stop with Ctrl-C; nothing is lost.")
            work_on(opened, threads, pause_seconds=pause_seconds)
            return
        threads.recover()
        cycle, failures = work_safely(opened, threads)
    done = counts(cycle.tick)
    value = {**cycle.model_dump(mode="json", exclude={"tick"}), "tick": done, "failures": plain(failures)}

    def show() -> None:
        if cycle.switch.stopped:
            why = f" ({cycle.switch.reason})" if cycle.switch.reason else ""
            say(
                f"[red]All sending is stopped[/red] since {moment(cycle.switch.at)} by {quote(cycle.switch.actor)}"
                f"{quote(why)}. Nothing leaves before `noria resume`."
            )
        say(
            f"Decisions acted on: {len(cycle.decided)}, read-outs: {len(cycle.readouts)}, proposals expired: "
            f"{len(cycle.expired)}, about to expire: {len(cycle.reminded)}."
        )
        say(", ".join(f"{name}: {count}" for name, count in done.items()) or "Nothing was due.")
        if cycle.paused:
            say(
                f"[yellow]{len(cycle.paused)} campaigns paused[/yellow]: nothing shows that they work (`noria alerts`)."
            )
        for one in failures:
            said = " ".join(filter(None, (one.what, one.remedy)))
            say(f"[red]failed[/red] {quote(one.part)}: {quote(one.error)} {quote(one.where)} {quote(said)}")

    answer(value, as_json=as_json, show=show)
    if failures:
        raise typer.Exit(1)
