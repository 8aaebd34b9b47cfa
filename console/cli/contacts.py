"""`noria explain`: everything known about one contact, and why they are in or out."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.output import AsJson, answer, moment, quote, say, table
from console.cli.place import InWorkspace
from console.wiring import open_workspace


def add_commands(app: typer.Typer) -> None:
    app.command("explain")(explain_command)


def explain_command(
    contact: Annotated[str, typer.Argument(help="E-mail address, an id of your CRM, or a contact id.")],
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print preferences, features, consents, pressure, enrolments and messages of one contact."""
    from console.explain import explain

    with open_workspace(workspace) as opened:
        found = explain(opened, contact)

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
