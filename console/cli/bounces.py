"""`noria bounces`: what receiving servers mail back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli.output import AsJson, answer, number, say
from console.cli.place import InWorkspace
from console.wiring import open_workspace
from memory.errors import InvalidInputError


def add_commands(app: typer.Typer) -> None:
    app.command()(bounces)


def bounces(
    maildir: Annotated[Path, typer.Argument(help="The Maildir into which mail to your return address is delivered.")],
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Read bounces, complaints and auto-replies that came by mail; what was read moves to the folder cur."""
    if not ((maildir / "new").is_dir() and (maildir / "cur").is_dir()):
        raise InvalidInputError(
            "It is no Maildir: it has no folders new and cur.",
            where=str(maildir),
            remedy="Name the folder into which your mail server or a fetcher such as mbsync delivers.",
        )
    from tools.bounce_mail import take_mail

    with open_workspace(workspace) as opened:
        taken = take_mail(opened.store, maildir, opened.clock.now())

    def show() -> None:
        say(f"{number(taken.mails)} mails read, {number(taken.events)} new events.")
        if taken.unknown:
            say(f"{number(taken.unknown)} mails report nothing on a message of this workspace; they are in cur too.")

    answer(taken, as_json=as_json, show=show)
