"""`noria campaigns` and `noria readout`: what runs, where every message ended, and what it added."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.output import AsJson, answer, moment, number, plain, quote, say, table
from console.cli.place import InWorkspace
from console.wiring import open_workspace
from memory import campaigns as campaign_rows
from memory import readouts

PROGRAMME = "programme"


def add_commands(app: typer.Typer) -> None:
    app.command()(campaigns)
    app.command()(readout)


def campaigns(workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print each campaign with its messages by final state and its newest read-out."""
    from console.report.facts import read_facts

    with open_workspace(workspace) as opened, opened.store.read() as connection:
        facts = read_facts(connection)

    def show() -> None:
        rows = [
            [
                one.campaign_id,
                one.name,
                one.status,
                number(one.treated),
                number(one.holdout),
                ", ".join(f"{state} {number(count)}" for state, count in one.states.items()),
                f"look {one.looks[-1].look}: {one.looks[-1].verdict}" if one.looks else "–",
            ]
            for one in facts.campaigns
        ]
        if not rows:
            say("No campaign yet. Approve a proposal, then run `noria work`.")
            return
        table("Campaigns", ["id", "name", "status", "entered", "held out", "messages", "newest look"], rows)
        balance = "add up to" if facts.reconciled else "do NOT add up to"
        say(f"The states {balance} the {number(facts.planned)} sends that were intended.")

    answer(
        {"campaigns": plain(facts.campaigns), "planned": facts.planned, "reconciled": facts.reconciled},
        as_json=as_json,
        show=show,
    )


def readout(
    campaign_id: Annotated[str, typer.Argument(help="Id of the campaign, or `programme` for all marketing together.")],
    peek: Annotated[
        bool, typer.Option("--peek", help="Look now, between planned looks: can only say it harms.")
    ] = False,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print what a campaign added against its holdout, at each planned look."""
    from agents.learning.readout import ReadOut
    from agents.measure import read_campaign
    from agents.programme import programme_readout

    with open_workspace(workspace) as opened:
        now, title, waits = opened.clock.now(), "All marketing together, quarter by quarter", ""
        with opened.store.read() as connection:
            if campaign_id == PROGRAMME:
                rows = readouts.of_programme(connection)
            else:
                campaign = campaign_rows.get(connection, campaign_id)
                rows = readouts.of_campaign(connection, campaign.campaign_id)
                title, waits = (
                    f"{campaign.name}, {campaign.status}",
                    f"The last one is due on {moment(campaign.ends_at)}.",
                )
        found = [(row.read_at, ReadOut.model_validate(row.body)) for row in rows]
        if peek:
            programme = campaign_id == PROGRAMME
            found.append(
                (now, programme_readout(opened.desk, now) if programme else read_campaign(opened.desk, campaign_id))
            )

    def show() -> None:
        say(f"[bold]{quote(title)}[/bold]")
        for at, one in found:
            name = "A peek between looks" if one.look is None else f"Look {one.look} of {one.looks_planned}"
            say(f"[bold]{name}[/bold], {moment(at)}: [bold]{one.verdict}[/bold]")
            say(f"  {quote(one.text['en'])}")
            for check in one.checks:
                say(f"  {'[green]passed[/green]' if check.passed else '[red]failed[/red]'} "
                    f"{quote(check.name)}: {quote(check.fact)}")  # fmt: skip
        if not found:
            say(f"No look yet. {waits} `--peek` looks now.")

    answer([{"read_at": at.isoformat(), **plain(one)} for at, one in found], as_json=as_json, show=show)
