"""`noria campaigns`: what runs, and where every message ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.cli.edits import read_edit
from console.cli.flows import campaign_flow
from console.cli.history import campaign_history
from console.cli.hours import campaign_hours, campaign_weekdays
from console.cli.output import AsJson, answer, moment, number, plain, quote, say, table
from console.cli.place import InWorkspace, operator
from console.cli.proposals import print_proposal
from console.cli.shares import campaign_shares
from console.wiring import open_workspace
from memory import campaigns, ledger, proposals
from memory.campaigns import Campaign
from tools import campaign

commands = typer.Typer(help="Print every campaign, or pause, resume or stop one.")

CampaignId = Annotated[str, typer.Argument(help="Id of the campaign, or the beginning of it.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it goes into the journal.")]


def add_commands(app: typer.Typer) -> None:
    commands.command("flow")(campaign_flow)
    commands.command("shares")(campaign_shares)
    commands.command("history")(campaign_history)
    commands.command("hours")(campaign_hours)
    commands.command("weekdays")(campaign_weekdays)
    app.add_typer(commands, name="campaigns")


@commands.callback(invoke_without_command=True)
def listing(context: typer.Context, workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print each campaign with its messages by final state and its newest read-out, or act on one."""
    if context.invoked_subcommand is not None:
        return
    from console.report.facts import read_facts

    with open_workspace(workspace) as opened, opened.store.read() as connection:
        facts = read_facts(connection)
        held = campaigns.approved_under_another(connection, opened.pack.version)

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
        for one in held:
            say(
                f"[yellow]waits[/yellow] {quote(one.campaign_id)} was approved under another policy: "
                f"`noria campaigns edit {quote(one.campaign_id)} --renew` asks for it again, as it is."
            )

    answer(
        {
            "campaigns": plain(facts.campaigns),
            "planned": facts.planned,
            "reconciled": facts.reconciled,
            "approved_under_another_policy": [one.campaign_id for one in held],
        },
        as_json=as_json,
        show=show,
    )


@commands.command()
def pause(campaign_id: CampaignId, reason: Reason = "", workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Hold back all messages of one campaign; their deadlines keep running."""
    _steer(campaign.pause, campaign_id, reason, workspace, as_json=as_json)


@commands.command()
def resume(
    campaign_id: CampaignId, reason: Reason = "", workspace: InWorkspace = None, as_json: AsJson = False
) -> None:
    """Let a paused campaign go on, if it still is what was approved."""
    _steer(campaign.resume, campaign_id, reason, workspace, as_json=as_json)


@commands.command()
def renew(
    campaign_id: CampaignId,
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Next review date, as 2026-01-31.")],
    reason: Annotated[str, typer.Option("--reason", "-r", help="What speaks for it; it goes into the journal.")],
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Let a campaign run until another review date, also one that paused because nothing shows that it works."""
    from tools import renewal

    with open_workspace(workspace) as opened, opened.store.write() as connection:
        now, day = opened.clock.now(), until.replace(tzinfo=UTC)
        found = renewal.renew(connection, opened.pack, campaign_id, until=day, at=now, actor=operator(), reason=reason)

    def show() -> None:
        say(
            f"{quote(found.name)} ({found.campaign_id}) is [bold]{found.status}[/bold] until {moment(found.review_at)}."
        )

    answer(
        {"campaign_id": found.campaign_id, "status": found.status, "review_at": found.review_at.isoformat()},
        as_json=as_json,
        show=show,
    )


@commands.command()
def stop(campaign_id: CampaignId, reason: Reason = "", workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """End one campaign for good; what has already left is still measured."""
    _steer(campaign.stop, campaign_id, reason, workspace, as_json=as_json)


@commands.command()
def edit(
    campaign_id: CampaignId,
    text: Annotated[
        list[str] | None,
        typer.Option("--set", help="STEP.LANGUAGE.SLOT=TEXT, for example reminder.en.subject='We miss you'."),
    ] = None,
    offer: Annotated[str | None, typer.Option(help="Id of an approved offer; empty takes the offer out.")] = None,
    per_day: Annotated[int | None, typer.Option(min=1, help="Contacts that may enter per day.")] = None,
    file: Annotated[Path | None, typer.Option(help="YAML or JSON file with the changes.", exists=True)] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Change nothing: have it approved again under the policy in force.")
    ] = False,
    move: Annotated[
        bool, typer.Option("--move/--stay", help="Whether contacts in flight go on in the new version.")
    ] = False,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Propose a new version of a running campaign; it takes its place once people have approved it."""
    from agents.change import propose_change

    given = {"offer_id": offer, "contacts_per_day": per_day}
    changes = {} if renew else read_edit(file, text or [], given, where="campaigns edit")
    with open_workspace(workspace) as opened, opened.threads() as threads:
        proposal_id = propose_change(
            threads, campaign_id, changes, in_flight="move" if move else "stay", actor=operator()
        )
        with opened.store.read() as connection:
            stored = proposals.get(connection, proposal_id)

    def show() -> None:
        print_proposal(stored, [])

    answer(plain(stored.proposal), as_json=as_json, show=show)


@commands.command()
def enrol(
    campaign_id: CampaignId,
    contacts: Annotated[list[str], typer.Argument(help="Contacts: ids, addresses, or names that a source uses.")],
    request_id: Annotated[
        str, typer.Option("--request-id", help="Name of this call; the same name twice counts once.")
    ] = "",
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Call contacts into a running campaign whose trigger is “api”; its own rules decide who comes in."""
    from tools.call import call_in

    with open_workspace(workspace) as opened, opened.store.write() as connection:
        at = opened.clock.now()
        done = call_in(connection, campaign_id, contacts, request_id or f"{operator()} {at.isoformat()}", at)

    def show() -> None:
        again = f" {done.repeated} had been named by the same call before." if done.repeated else ""
        say(f"{done.announced} contacts wait at the door of {done.campaign_id}.{again} `noria work` lets them in.")

    answer(plain(done), as_json=as_json, show=show)


def _steer(
    act: Callable[..., Campaign], campaign_id: str, reason: str, workspace: InWorkspace, *, as_json: bool
) -> None:
    with open_workspace(workspace) as opened, opened.store.write() as connection:
        found = act(connection, campaign_id, at=opened.clock.now(), actor=operator(), reason=reason)
        states = ledger.reconcile(connection, found.campaign_id).states
    waiting = states.get("planned", 0)

    def show() -> None:
        say(f"{quote(found.name)} ({found.campaign_id}) is [bold]{found.status}[/bold].")
        if waiting:
            say(f"{number(waiting)} messages of it are planned.")

    answer({"campaign_id": found.campaign_id, "status": found.status, "states": states}, as_json=as_json, show=show)
