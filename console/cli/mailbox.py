"""`noria mailbox`: what comes back by mail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli.output import AsJson, answer, number, say
from console.cli.place import InWorkspace
from console.wiring import open_workspace
from memory.errors import ConfigurationError, InvalidInputError


def add_commands(app: typer.Typer) -> None:
    app.command()(mailbox)


def mailbox(
    maildir: Annotated[
        Path | None,
        typer.Argument(
            help="A Maildir into which mail to your return address is delivered; the one in noria.toml by default."
        ),
    ] = None,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Read bounces, complaints, auto-replies and answers that came by mail; none is read twice."""
    if maildir is not None and not ((maildir / "new").is_dir() and (maildir / "cur").is_dir()):
        raise InvalidInputError(
            "It is no Maildir: it has no folders new and cur.",
            where=str(maildir),
            remedy="Name the folder into which your mail server or a fetcher such as mbsync delivers.",
        )
    with open_workspace(workspace) as opened:
        taken = opened.take_mail(maildir)
    if taken is None:
        raise ConfigurationError(
            "No mailbox is set.",
            where="noria.toml, [mailbox]",
            remedy='Set url = "imaps://USER@HOST/INBOX" or maildir = "/var/mail/noria", or name a Maildir here.',
        )

    def show() -> None:
        say(f"{number(taken.mails)} mails read, {number(taken.events)} new events.")
        if taken.unknown:
            say(f"{number(taken.unknown)} mails are about no message of this workspace; they are marked as read too.")
        if taken.unreadable:
            say(f"[yellow]{number(taken.unreadable)} mails could not be read; look at them yourself.[/yellow]")

    answer(taken, as_json=as_json, show=show)
