"""`noria autonomy`: how far Noria goes by itself, on which record, and your hand on it."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.output import AsJson, answer, moment, plain, quote, say, table
from console.cli.place import InWorkspace, as_role, operator
from console.wiring import open_workspace
from memory.autonomy import KINDS, Kind, Level, Rung

commands = typer.Typer(help="Print how far Noria goes by itself with each kind of action, or move one.")

KindName = Annotated[Kind, typer.Argument(help="Kind of action.")]
LevelName = Annotated[Level, typer.Argument(help="Where it is to stand.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it goes into the journal.")]


def add_commands(app: typer.Typer) -> None:
    app.add_typer(commands, name="autonomy")


@commands.callback(invoke_without_command=True)
def listing(context: typer.Context, workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print each kind of action with its level, who put it there, and its record of agreement and calibration."""
    if context.invoked_subcommand is not None:
        return
    from agents.autonomy import record_of

    with open_workspace(workspace) as opened:
        pack = opened.pack
        with opened.store.read() as connection:
            found = [record_of(connection, pack, kind) for kind in KINDS]
    rows = [
        [
            one.rung.kind,
            one.rung.level,
            f"{one.agreements} of {one.agreements_needed}",
            f"{one.covered_80:.0%} of {one.forecasts}" if one.covered_80 is not None else f"too few: {one.forecasts}",
            {True: "yes", False: "no", None: "unknown"}[one.calibrated],
            f"{one.rung.actor}, {moment(one.rung.since)}: {one.rung.reason}" if one.rung.since else "–",
        ]
        for one in found
    ]

    def show() -> None:
        headings = ["kind", "level", "yeses in a row", "inside the 80 % interval", "calibrated", "moved by"]
        table("Autonomy", headings, rows)
        for one in found:
            if one.rung.level == "approve" and one.supports_auto:
                say(f"The record supports it: noria autonomy raise {one.rung.kind} auto --reason …")

    value = [{**plain(one), **plain(one.rung), "supports_auto": one.supports_auto} for one in found]
    for entry in value:
        del entry["rung"]
    answer(value, as_json=as_json, show=show)


@commands.command("raise")
def raise_kind(
    kind: KindName, level: LevelName, reason: Reason, workspace: InWorkspace = None, as_json: AsJson = False
) -> None:
    """Let Noria go further by itself with a kind of action; only a person may, and the record is journalled with it."""
    from agents.autonomy import as_evidence, record_of
    from tools.autonomy import raise_level

    with open_workspace(workspace) as opened:
        actor, pack, at = as_role(opened, "admin"), opened.pack, opened.clock.now()
        with opened.store.write() as connection:
            record = record_of(connection, pack, kind)
            found = raise_level(connection, kind, level, actor=actor, reason=reason, record=as_evidence(record), at=at)

    def show() -> None:
        _show(found)
        if level == "auto" and not record.supports_auto:
            say(
                f"[yellow]The record does not support it yet[/yellow]: {record.agreements} of "
                f"{record.agreements_needed} yeses in a row, {record.forecasts} finished forecasts."
            )

    answer({**plain(found), "supported": record.supports_auto}, as_json=as_json, show=show)


@commands.command("lower")
def lower_kind(
    kind: KindName, level: LevelName, reason: Reason, workspace: InWorkspace = None, as_json: AsJson = False
) -> None:
    """Take a kind of action down; what already runs goes on as it was approved."""
    from tools.autonomy import lower_level

    with open_workspace(workspace) as opened, opened.store.write() as connection:
        at = opened.clock.now()
        found = lower_level(connection, kind, level, actor=operator(), reason=reason, at=at)
    answer(plain(found), as_json=as_json, show=lambda: _show(found))


def _show(found: Rung) -> None:
    told = {
        "suggest": "they are shown, and none is launched",
        "approve": "each waits for a person's yes",
        "auto": "inside the limits of the pack nobody is asked",
    }
    say(f"Campaigns of the kind {quote(found.kind)} are at [bold]{found.level}[/bold]: {told[found.level]}.")
