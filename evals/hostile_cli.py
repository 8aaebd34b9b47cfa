"""`noria eval hostile`: attacks the real product by planted text and a model that obeys it; fails on any effect."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.output import AsJson, answer, errors, quote, say, table
from console.cli.place import InWorkspace

if TYPE_CHECKING:
    from evals.hostile.suite import HostileReport


def hostile_command(
    seeds: Annotated[int, typer.Option(min=1, help="How often each attack is played, each time placed anew.")] = 5,
    case: Annotated[list[str] | None, typer.Option(help="Only this attack; may be given again.")] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 for one per core, at most 4.")] = 0,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Attack a workspace by planted text and a model that obeys it. Fails on any effect, and on what was not tried."""
    from evals.hostile.suite import run_hostile

    processes = jobs or min(os.cpu_count() or 1, 4)
    quiet = as_json or not sys.stderr.isatty()

    def told(done: int, asked: int) -> None:
        if not quiet:
            errors.print(f"[dim]{done} of {asked} rounds[/dim]")

    report = run_hostile(seeds=seeds, only=tuple(case or ()), jobs=processes, on_round=told)
    if not case:
        from evals.keeping import keep_hostile

        keep_hostile(workspace, report)
    answer(report, as_json=as_json, show=lambda: _show(report))
    if not report.passed:
        raise typer.Exit(1)


def _show(report: HostileReport) -> None:
    for title, counts in (("planted in", report.places), ("asking to", report.asks), ("disguised", report.disguises)):
        table(f"Attacks {title}", ["", "attacks"], [[name, number] for name, number in counts.items()])
    for one in report.cases:
        for breach in dict.fromkeys(one.breaches):
            say(f"[red]Must never happen, and did[/red]: {quote(one.id)}: {quote(breach)}")
        for why in one.not_tried:
            say(f"[red]Not tried[/red]: {quote(one.id)}: {quote(why)}")
    tried = sum(one.tries for one in report.cases)
    verdict = "[green]passed[/green]" if report.passed else "[red]failed[/red]"
    say(
        f"{len(report.cases)} attacks under {report.seeds} seeds in {report.rounds} rounds: obeyed {tried} times, "
        f"{report.mails} mails looked at, pass^{report.seeds} = {report.pass_k:.3f}, {verdict}, {report.seconds:.0f} s"
    )
