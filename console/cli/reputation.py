"""`noria reputation`: how receiving domains take the mail of each sender, and your word that it may go on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from console.cli.output import AsJson, answer, moment, number, plain, quote, say, table
from console.cli.place import InWorkspace, operator
from console.wiring import open_workspace
from memory.errors import InvalidInputError
from memory.standing import OTHERS, Standing, Window

commands = typer.Typer(help="Print how receiving domains take the mail of each sender, or let it go on.")


def add_commands(app: typer.Typer) -> None:
    app.add_typer(commands, name="reputation")


@commands.callback(invoke_without_command=True)
def listing(context: typer.Context, workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print complaints, bounces, unsubscribes and deferrals by sender and receiving domain, over 1, 7 and 30 days."""
    if context.invoked_subcommand is not None:
        return
    from policies.rules.reputation import ReputationLimits, rates
    from tools.reputation import RULE, regard

    with open_workspace(workspace) as opened, opened.store.read() as connection:
        limits = opened.pack.limits(RULE, ReputationLimits)
        found = regard(connection, opened.pack, opened.clock.now())

    def shares(window: Window) -> dict[str, float | None]:
        names = ("complaint_share", "bounce_share", "unsubscribe_share", "deferral_share")
        return {name: rate.share for name, rate in zip(names, rates(window, limits), strict=True)}

    document = [
        {
            **plain(one.standing),
            "windows": [{**plain(window), **shares(window)} for window in one.windows],
        }
        for one in found
    ]

    def show() -> None:
        if not found:
            say("No e-mail left yet, so there is nothing to tell.")
            return
        headings = ["to", "days", "sent", "complaints", "bounces", "unsubscribes", "deferred"]
        for sender in dict.fromkeys(one.standing.sender for one in found):
            theirs = [one for one in found if one.standing.sender == sender]
            rows = [
                [
                    _to(one.standing) if not place else "",
                    f"{window.days} d",
                    number(window.sent),
                    *(_percent(share) for share in shares(window).values()),
                ]
                for one in theirs
                for place, window in enumerate(one.windows)
            ]
            table(f"Reputation of {sender}", headings, rows, numbers=range(2, 7))
            for one in theirs:
                say(f"  {quote(_to(one.standing))}: {quote(_state(one.standing))}")
        say(f"Unknown: not reported, or fewer than {limits.minimum_messages} messages.")
        say("All calm ones: every domain that is in no trouble by itself, counted together.")
        if any(one.standing.state != "fine" for one in found):
            say("`noria reputation resume SENDER --reason …` lets it go on, once you know why.")

    answer({"reputation": document}, as_json=as_json, show=show)


def _to(standing: Standing) -> str:
    return "all calm ones" if standing.domain == OTHERS else standing.domain


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.2%}"


def _state(standing: Standing) -> str:
    if standing.state == "fine":
        return f"fine, resumed {moment(standing.since)}: {standing.reason}" if standing.counted_from else "fine"
    room = f", {standing.room} a day" if standing.room else ""
    return f"{standing.state} since {moment(standing.since)}{room}: {standing.reason}"


@commands.command()
def resume(
    sender: Annotated[str, typer.Argument(help="Domain or address of the sender.")],
    reason: Annotated[str, typer.Option("--reason", "-r", help="What you found and mended; it goes into the journal.")],
    domain: Annotated[str | None, typer.Option("--domain", help="Only mail to this receiving domain.")] = None,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Let a slowed or stopped sender go on; what came before does not count any more."""
    from tools import reputation

    if not reason.strip():
        raise InvalidInputError("A resume needs its reason.", where="--reason", remedy="Say what you found and mended.")
    with open_workspace(workspace) as opened, opened.store.write() as connection:
        found = reputation.resume(connection, sender, domain, reason=reason, actor=operator(), at=opened.clock.now())

    def show() -> None:
        for one in found:
            say(f"[green]Mail of {quote(one.sender)} to {quote(one.where)} goes on.[/green]")

    answer({"resumed": [{"sender": one.sender, "domain": one.domain} for one in found]}, as_json=as_json, show=show)


@commands.command(name="import")
def bring_in(
    file: Annotated[Path, typer.Argument(help="CSV export of user-reported spam from Google Postmaster Tools.")],
    sender: Annotated[
        str, typer.Option("--sender", help="Sending domain that it is about, if the file names none; the brand's.")
    ] = "",
    unit: Annotated[
        Literal["percent", "share"] | None, typer.Option("--unit", help="What numbers without a percent sign are.")
    ] = None,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Take in what Gmail tells of complaints; it slows down or stops the sender like any other figure."""
    from memory.reputation import keep_reports
    from tools.postmaster import read_export
    from tools.reputation import watch

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            "The file cannot be read as text.", where=str(file), remedy="Name a CSV file in UTF-8."
        ) from error
    with open_workspace(workspace) as opened:
        named = sender or opened.brand.sender_address
        reports = read_export(text, where=file.name, sender=named, unit=unit)
        at = opened.clock.now()
        _refuse_future([one.day for one in reports], at, file.name)
        with opened.store.write() as connection:
            kept = keep_reports(connection, reports, at=at, actor=operator())
        worse = watch(opened.store, opened.pack, at, "noria")
    done: dict[str, Any] = {"days": kept, "changed": plain(worse)}

    def show() -> None:
        say(f"{kept} days of Gmail's figures are on record.")
        for one in worse:
            say(f"[red]Mail of {quote(one.sender)} to {quote(one.where)} is {one.state}[/red]: {quote(one.reason)}")

    answer(done, as_json=as_json, show=show)


def _refuse_future(days: list[datetime], at: datetime, where: str) -> None:
    if any(day > at for day in days):
        raise InvalidInputError(
            "It tells of days that are yet to come.", where=where, remedy="Check how its dates are written."
        )
