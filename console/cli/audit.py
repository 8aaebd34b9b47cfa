"""`noria audit`: what the exports of the system that a team uses today show, before anything is moved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli.importing import progress_bar
from console.cli.output import AsJson, answer, number, plain, quote, say, table
from console.cli.place import InWorkspace
from console.cli.policies import open_shelf
from memory.errors import InvalidInputError
from memory.importing.report import ImportSettings


def add_commands(app: typer.Typer) -> None:
    app.command("audit")(audit_command)


def audit_command(
    folder: Annotated[Path, typer.Argument(help="Folder of CSV exports.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML page to write.", dir_okay=False)] = Path("audit.html"),
    pack: Annotated[str | None, typer.Option(help="Name or file of the pack to judge by.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone of contacts and times that name none.")] = "UTC",
    currency: Annotated[str, typer.Option(help="Currency of all amounts, as three letters.")] = "EUR",
    day_first: Annotated[bool, typer.Option("--day-first/--month-first", help="How to read 03/04/2025.")] = True,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Judge the past sends, orders and consents of another system by a policy pack; nothing is kept or sent."""
    from console.audit.judge import audit
    from console.audit.page import write_audit
    from memory.clock import SystemClock

    try:
        settings = ImportSettings(currency=currency, day_first=day_first, time_zone=zone)
    except (ValueError, KeyError, OSError) as error:
        raise InvalidInputError(
            f"There is no time zone {zone}.", where="--zone", remedy="Name one such as Europe/Paris."
        ) from error
    with open_shelf(workspace) as (shelf, opened):
        rules = shelf.read(pack or (opened.settings.policy_pack if opened else "base"))
    with progress_bar(as_json) as progress:
        found = audit(folder, rules, settings=settings, clock=SystemClock(), progress=progress)
    page = write_audit(found, out)

    def show() -> None:
        reach = f"{number(found.messages)} messages to {number(found.contacts)} contacts"
        say(f"[bold]{reach}[/bold], judged by {quote(rules.version)}")
        rows = [[one.title, number(one.count), number(one.of), number(one.contacts)] for one in found.findings]
        table("Found", ["finding", "how many", "of", "contacts"], rows, numbers=[1, 2, 3])
        for one in found.not_judged:
            say(f"[yellow]not judged[/yellow] {quote(one)}")
        say(f"The whole report: {quote(page)}")

    answer({**plain(found), "page": str(page)}, as_json=as_json, show=show)
