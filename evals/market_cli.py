"""`noria eval market`: Noria and its rivals in simulated worlds, as profit over silence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.output import AsJson, answer, errors, quote, say, table
from memory.clock import SystemClock

if TYPE_CHECKING:
    from evals.market.table import PlayedWorld, Table

_EVERYTHING = 28


def market_command(
    worlds: Annotated[int, typer.Option(min=2, max=_EVERYTHING, help="How many worlds of the set.")] = _EVERYTHING,
    contacts: Annotated[int, typer.Option(min=150, help="Customers of each world.")] = 2_000,
    days: Annotated[int, typer.Option(min=14, help="How long each world runs.")] = 84,
    validation: Annotated[bool, typer.Option("--validation", help="The set by which settings are chosen.")] = False,
    sealed: Annotated[
        bool, typer.Option("--sealed", help="The set that nothing may be chosen by, with kinds of worlds of its own.")
    ] = False,
    folder: Annotated[
        Path, typer.Option(help="Where each world is kept as it ends; it is not played again.", file_okay=False)
    ] = Path("market"),
    html: Annotated[Path | None, typer.Option(help="Write a self-contained page.", dir_okay=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Let the real product run simulated shops, and hold its profit against that of simpler ways of mailing.

    Everything in it is simulated: it proves that the loop learns, never what marketing earns. Fails where a target is
    missed.
    """
    from evals.market.table import Settings, play_table

    name = "sealed" if sealed else "validation" if validation else "development"
    settings = Settings.model_validate({"worlds": name, "count": worlds, "contacts": contacts, "days": days})
    done = _Counter(worlds, quiet=as_json or not sys.stderr.isatty())
    found = play_table(settings, folder, today=SystemClock().now().date(), on_world=done)
    if html is not None:
        from evals.market_page import write_page

        write_page(found, html)
    answer(found, as_json=as_json, show=lambda: _show(found))
    if found.failures:
        raise typer.Exit(1)


class _Counter:
    """Says how far it is, on standard error and only to people."""

    def __init__(self, worlds: int, *, quiet: bool) -> None:
        self._worlds, self._quiet, self._done = worlds, quiet, 0

    def __call__(self, world: PlayedWorld) -> None:
        self._done += 1
        if not self._quiet:
            errors.print(f"[dim]{self._done} of {self._worlds} worlds: {world.kind}, {world.family}[/dim]")


def _show(found: Table) -> None:
    settings = found.settings
    kinds = [kind for kind in ("normal", "null", "harmful", "all") if kind in next(iter(found.means.values()))]
    say(f"[yellow]Simulated[/yellow]: {settings.count} worlds of the {settings.worlds} set, {settings.contacts} "
        f"contacts, {settings.days} days. Cents of profit over silence for each contact.")  # fmt: skip
    rows = [
        [
            name,
            *(f"{cents[kind]:+.0f}" for kind in kinds),
            f"{found.of_oracle[name]:.0%}" if name in found.of_oracle else "",
        ]
        for name, cents in found.means.items()
    ]
    table("Profit over silence", ["", *kinds, "of oracle"], rows, numbers=range(1, len(kinds) + 2))
    against = [
        [one.rival, f"{one.mean_cents:+.0f}", f"{one.low_cents:+.0f} to {one.high_cents:+.0f}", f"{one.won:.0%}",
         f"{one.worst_cents:+.0f}"]
        for one in found.against
    ]  # fmt: skip
    table("Noria less the others", ["", "cents", "95 %", "worlds won", "worst"], against, numbers=(1, 2, 3, 4))
    for line in found.failures:
        say(f"[red]Missed[/red]: {quote(line)}")
    say(f"The product took {found.microseconds_per_contact_day:.0f} µs of processor for a contact and day.")
