"""`noria explain` and `noria contacts`: what is known of a person, and their rights over it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.output import AsJson, answer, moment, number, plain, quote, say, table
from console.cli.place import InWorkspace, operator
from console.wiring import Workspace, open_workspace
from memory import contacts as people
from memory import forgotten
from memory.steps import ConsentChannel

if TYPE_CHECKING:
    from tools.erase import Erased

commands = typer.Typer(
    help="Unsubscribe or erase a contact, hand out what is known of one, or make two one.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="E-mail address, an id of your CRM, or a contact id.")]


def add_commands(app: typer.Typer) -> None:
    app.command("explain")(explain_command)
    app.add_typer(commands, name="contacts")


@commands.command()
def erase(
    contacts: Annotated[list[str], typer.Argument(help="Contacts: addresses, ids of your CRM, or contact ids.")],
    taken_off: Annotated[
        bool, typer.Option("--taken-off", help="You took them off the advertising audiences yourself.")
    ] = False,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Erase contacts everywhere; numbers stay, and their names are known again only to keep them out."""
    from tools.erase import erase as erase_one

    with open_workspace(workspace) as opened:
        ids = [_find(opened, name) for name in contacts]
        done = [
            erase_one(opened.store, opened.lake, one, at=opened.clock.now(), actor=operator(), taken_off=taken_off)
            for one in ids
        ]
        outside = not opened.store.is_sqlite

    def show() -> None:
        for one in done:
            _say_erased(one)
        if outside:
            say("[yellow]The log and the backups of PostgreSQL are not Noria's: their own terms must end.[/yellow]")

    answer(plain(done), as_json=as_json, show=show)


@commands.command()
def export(
    contact: Name,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="JSON file to write, instead of printing it.")] = None,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print everything on record about one contact as JSON, for their right of access."""
    from console.dossier import dossier

    with open_workspace(workspace) as opened:
        found = plain(dossier(opened, _find(opened, contact)))
    if out is not None:
        out.write_text(json.dumps(found, ensure_ascii=False, indent=2), encoding="utf-8")
        found = {"contact_id": found["contact_id"], "file": str(out)}

    def show() -> None:
        if out is None:
            print(json.dumps(found, ensure_ascii=False, indent=2))
        else:
            say(f"Written to [bold]{quote(out)}[/bold]. Delete it once it is handed over.")

    answer(found, as_json=as_json, show=show)


@commands.command()
def merge(
    kept: Annotated[str, typer.Argument(help="The contact that stays: address or id.")],
    merged: Annotated[str, typer.Argument(help="The same person's other entry, which becomes part of it.")],
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Make two contacts one: what the first lacks comes from the second, and every name of both leads to the first."""
    from console.merging import merge_two

    with open_workspace(workspace) as opened:
        stays, gone = merge_two(opened, _find(opened, kept), _find(opened, merged), operator())

    def show() -> None:
        say(f"Contact {gone} is now part of contact [bold]{stays}[/bold].")

    answer({"kept": stays, "merged": gone}, as_json=as_json, show=show)


@commands.command()
def readmit(
    name: Annotated[str, typer.Argument(help="Address, telephone number or id that came back by itself.")],
    reason: Annotated[str, typer.Option("--reason", "-r", help="How you know; its hash goes into the journal.")],
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody who was erased, and has signed up anew, come in again; nothing of before comes back."""
    with open_workspace(workspace) as opened, opened.store.write() as connection:
        dropped = forgotten.readmit(connection, name, actor=operator(), reason=reason, at=opened.clock.now())

    def show() -> None:
        say("The next import takes them in as a new contact. Without a consent with proof they get nothing.")

    answer({"names": dropped}, as_json=as_json, show=show)


@commands.command()
def unsubscribe(
    contact: Name,
    reason: Annotated[str, typer.Option("--reason", "-r", help="How you know; its hash goes into the journal.")],
    channel: Annotated[ConsentChannel, typer.Option(help="Where they want no more marketing.")] = "email",
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Send no more marketing to somebody who said so in person; an address that is on no record is kept out too."""
    from tools.unsubscribe import unsubscribe_by_hand

    with open_workspace(workspace) as opened, opened.store.write() as connection:
        done = unsubscribe_by_hand(connection, contact, channel, actor=operator(), reason=reason, at=opened.clock.now())

    def show() -> None:
        whom = "That address" if done.contact_id is None else f"Contact {done.contact_id}"
        if not done.changed:
            say(f"{whom} got nothing on this channel any more already.")
            return
        say(f"{whom} gets no more marketing by {channel}: {number(done.cancelled)} planned messages cancelled, "
            f"{number(done.exits)} campaigns left.")  # fmt: skip

    answer(done, as_json=as_json, show=show)


def _find(opened: Workspace, name: str) -> int:
    with opened.store.read() as connection:
        return people.find(connection, name).contact_id


def _say_erased(one: Erased) -> None:
    if not one.finished:
        say(f"Contact {one.contact_id} [yellow]waits to be erased[/yellow]; nothing goes to them any more.")
        for sentence in one.waits_for:
            say(f"  {quote(sentence)}")
        say("  `noria work` goes on with it.")
        return
    say(f"Contact {one.contact_id} is [green]erased[/green]: {number(one.cancelled)} planned messages cancelled, "
        f"{number(one.stored_mails)} stored mails deleted.")  # fmt: skip
    if one.left:
        say(f"  [yellow]These name them, and only you may change them:[/yellow] {quote(', '.join(one.left))}")
    if one.backups:
        say(f"  [yellow]These backups still hold them, delete or renew:[/yellow] {quote(', '.join(one.backups))}")


def explain_command(
    contact: Annotated[str, typer.Argument(help="E-mail address, an id of your CRM, or a contact id.")],
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print preferences, features, consents, pressure, enrolments and messages of one contact."""
    from console.explain import explain

    with open_workspace(workspace) as opened:
        found = explain(opened, _find(opened, contact), depth="comparing")

    def show() -> None:
        person = found.contact
        say(f"[bold]{quote(person.first_name)} {quote(person.last_name)}[/bold] {quote(person.email or 'no address')} "
            f"[dim]contact {person.contact_id}[/dim]")  # fmt: skip
        zone, language = person.time_zone or "unknown zone", person.language or "unknown language"
        say(f"{quote(language)}, {quote(zone)}; last sign of life {moment(person.last_human_signal_at)}; "
            f"last order {moment(person.last_order_at)}")  # fmt: skip
        if found.suppressed:
            say(f"[red]Suppressed[/red]: {quote(found.suppressed)}")
        say(f"Pressure: {found.messages_in_window} messages; allowed {found.cap}")
        own = found.preferences
        topics = "every topic" if own.topics is None else f"topics {quote(', '.join(own.topics) or 'none')}"
        often = f"at most one message in {own.at_most_days} days" if own.at_most_days else "as often as it comes"
        said = "; ".join(f"{quote(key)}: {quote(answer)}" for key, answer in sorted(own.answers.items()))
        say(f"Preferences: {topics}; {often}; paused until {moment(own.paused_until)}; answers {said or 'none'}")
        consents = [[one.channel, one.purpose, one.state, moment(one.at), one.source, one.proof or "no proof"]
                    for one in found.consents]  # fmt: skip
        table("Consents", ["channel", "purpose", "state", "when", "source", "proof"], consents)
        features = [[one.name, "–" if one.value is None else one.value, one.sentence] for one in found.features]
        table("Features", ["feature", "value", "meaning"], features)
        campaigns = [[one.name, one.standing, one.reason] for one in found.campaigns]
        if campaigns:
            table("Campaigns", ["campaign", "stands", "why"], campaigns)
        messages = [[moment(one.at), one.campaign_id, one.step_key, one.state, one.reason] for one in found.messages]
        if messages:
            table("Messages", ["when", "campaign", "step", "state", "reason"], messages)

    answer(found, as_json=as_json, show=show)
