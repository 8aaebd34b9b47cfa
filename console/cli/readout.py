"""`noria readout`: what a campaign added, or what an experiment of one's own shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from console.cli.output import AsJson, answer, moment, number, plain, quote, say, table
from console.cli.place import InWorkspace
from console.wiring import open_workspace
from memory import campaigns, readouts
from memory.errors import InvalidInputError
from memory.importing.amounts import minor_digits

if TYPE_CHECKING:
    from agents.learning.experiment import ExperimentReadOut
    from agents.learning.readout import Check, MeasurementPlan

PROGRAMME = "programme"


def add_commands(app: typer.Typer) -> None:
    app.command()(readout)


def readout(
    campaign_or_file: Annotated[
        str,
        typer.Argument(help="Id of a campaign, `programme` for all marketing together, or a CSV or Parquet file."),
    ],
    arm: Annotated[str, typer.Option(help="Of a file: the column that names each contact's arm.")] = "",
    control: Annotated[str, typer.Option(help="What that column says of the control.")] = "",
    outcome: Annotated[str, typer.Option(help="The column that says whether the goal was reached.")] = "",
    value: Annotated[str, typer.Option(help="The column of money brought in.")] = "",
    at: Annotated[str, typer.Option(help="The column of when each contact entered.")] = "",
    before: Annotated[str, typer.Option(help="A column of numbers from before, to see more sharply.")] = "",
    contact: Annotated[str, typer.Option(help="The column of contact ids, to be sure that each is there once.")] = "",
    n: Annotated[
        str, typer.Option("--n", help="Rows are counts: the column of contacts; the outcome counts too.")
    ] = "",
    share: Annotated[
        list[str] | None, typer.Option(help="Planned size of an arm, as ARM=SHARE; once for every arm.")
    ] = None,
    look: Annotated[int, typer.Option(min=1, help="Which of the planned looks this is.")] = 1,
    looks: Annotated[int, typer.Option(min=1, max=20, help="How many equally spaced looks were planned.")] = 1,
    zone: Annotated[str, typer.Option(help="Time zone of dates that name none.")] = "UTC",
    currency: Annotated[str, typer.Option(help="Currency of the money, as three letters.")] = "EUR",
    peek: Annotated[
        bool, typer.Option("--peek", help="Look at a campaign now, between planned looks: can only say it harms.")
    ] = False,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print what a campaign added against its holdout, or what the experiment in a file shows, by the same rules."""
    if not arm and not Path(campaign_or_file).is_file():
        _campaign(campaign_or_file, workspace, peek=peek, as_json=as_json)
        return
    from agents.learning.experiment import read_out
    from memory.importing.experiment import ExperimentColumns, read_experiment

    for name, given in (("arm", arm), ("control", control), ("outcome", outcome)):
        if not given:
            raise InvalidInputError(
                f"--{name} is missing.",
                where=campaign_or_file,
                remedy="Say which column names the arm, which value of it is the control, and which is the outcome.",
            )
    columns = ExperimentColumns(arm=arm, outcome=outcome, value=value, at=at, before=before, contact=contact, n=n)
    if n and (alone := [name for name in ("value", "before", "contact") if getattr(columns, name)]):
        raise InvalidInputError(
            f"--{alone[0]} speaks of single contacts, --n of many at once.",
            where=campaign_or_file,
            remedy="Give one row per contact, or leave that option out.",
        )
    planned, sizes = _plan(look, looks), _shares(share)
    rows = read_experiment(_there(campaign_or_file), columns, zone=_zone(zone), currency=currency)
    found = read_out(rows, control, shares=sizes, plan=planned, look=look)

    def show() -> None:
        _show(found, Path(campaign_or_file).name, currency)

    answer(found, as_json=as_json, show=show)


def _campaign(campaign_id: str, workspace: InWorkspace, *, peek: bool, as_json: bool) -> None:
    from agents.learning.readout import ReadOut
    from agents.look import tell_looks_left
    from agents.measure import read_campaign
    from agents.programme import programme_readout

    with open_workspace(workspace) as opened:
        now, title, waits = opened.clock.now(), "All marketing together, quarter by quarter", ""
        programme = campaign_id == PROGRAMME
        with opened.store.read() as connection:
            if programme:
                rows = readouts.of_programme(connection)
            else:
                read = campaigns.get(connection, campaign_id)
                rows = readouts.of_campaign(connection, read.campaign_id)
                title, waits = (
                    f"{read.name}, {read.status}",
                    tell_looks_left(read, {row.look: row.verdict for row in rows}),
                )
        found = [(row.read_at, ReadOut.model_validate(row.body)) for row in rows]
        if peek:
            found.append(
                (now, programme_readout(opened.desk, now) if programme else read_campaign(opened.desk, campaign_id))
            )

    def show() -> None:
        say(f"[bold]{quote(title)}[/bold]")
        for at, one in found:
            name = "A peek between looks" if one.look is None else f"Look {one.look} of {one.looks_planned}"
            say(f"[bold]{name}[/bold], {moment(at)}: [bold]{one.verdict}[/bold]")
            say(f"  {quote(one.text['en'])}")
            _checks(one.checks)
        if not found:
            say("No look yet. `--peek` looks now.")
        if waits:
            say(waits)

    answer([{"read_at": at.isoformat(), **plain(one)} for at, one in found], as_json=as_json, show=show)


def _show(found: ExperimentReadOut, name: str, currency: str) -> None:
    say(f"[bold]{quote(name)}[/bold]: [bold]{found.verdict}[/bold]")
    say(f"  {quote(found.text['en'])}")
    _checks(found.checks)
    shown = [[found.control, number(found.control_contacts), number(found.control_conversions), "–", "–", "–"]]
    shown += [
        [
            one.name,
            number(one.contacts),
            number(one.conversions),
            f"{100 * one.effect:+.2f} ({100 * one.interval.low:+.2f} to {100 * one.interval.high:+.2f})",
            f"{100 * one.shrunken_effect:+.2f}",
            one.verdict,
        ]
        for one in found.arms
    ]
    table("", ["arm", "contacts", "goal", "points", "expect", "verdict"], shown, numbers=(1, 2, 3, 4))
    for one in found.arms:
        if (money := one.revenue) is not None:
            unit = 10 ** minor_digits(currency)
            low, value, high = (each / unit for each in (money.per_contact_cents.low, money.per_contact_cents.value,
                                                           money.per_contact_cents.high))  # fmt: skip
            said = money.reason if money.claim == "none" else f"{money.claim} money"
            say(f"  {quote(one.name)}: {value:+.2f} {quote(currency)} per contact ({low:+.2f} to {high:+.2f}), {said}.")
        if (sharper := one.adjusted) is not None:
            saved = f"{100 * max(sharper.variance_saved, 0):.1f} %"
            say(f"  {quote(one.name)}: what is known from before takes away {saved} of the noise.")
    if not found.shares_given:
        planned = ", ".join(f"{name} {100 * share:.1f} %" for name, share in found.shares.items())
        say(
            f"  [dim]Planned sizes were not told; taken for {quote(planned)}. `--share ARM=SHARE` says otherwise.[/dim]"
        )
    if found.limit is not None and found.verdict == "inconclusive":
        say(f"  {quote(found.limit.sentence())}")


def _checks(checks: Sequence[Check]) -> None:
    for check in checks:
        word = "[green]passed[/green]" if check.passed else "[red]failed[/red]"
        say(f"  {word} {quote(check.name)}: {quote(check.fact)}")


def _there(subject: str) -> Path:
    path = Path(subject)
    if not path.is_file():
        raise InvalidInputError("There is no such file.", where=subject, remedy="Check the path.")
    return path


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInputError(
            f"There is no time zone {name}.", where="--zone", remedy="Write it like Europe/Paris."
        ) from error


def _shares(given: Sequence[str] | None) -> dict[str, float] | None:
    if not given:
        return None
    found = {}
    for one in given:
        name, _, size = one.rpartition("=")
        try:
            found[name] = float(size)
        except ValueError as error:
            raise InvalidInputError(
                "This is no share of an arm.", where=f"--share {one}", remedy="Write it like control=0.1."
            ) from error
    return found


def _plan(look: int, looks: int) -> MeasurementPlan:
    from agents.learning.readout import MeasurementPlan

    if look > looks:
        raise InvalidInputError(
            f"Look {look} of {looks} was not planned.", where="--look", remedy="Say how many were planned with --looks."
        )
    return MeasurementPlan(looks=tuple((place + 1) / looks for place in range(looks)))
