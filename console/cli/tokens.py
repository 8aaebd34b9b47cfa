"""`noria tokens`: what lets programs in."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.output import AsJson, answer, moment, plain, quote, say, table
from console.cli.place import InWorkspace, as_role
from console.tokens import DAYS, make_token
from console.wiring import open_workspace
from memory import tokens
from memory.clock import SystemClock
from memory.errors import InvalidInputError
from memory.tokens import SCOPES, Scope

commands = typer.Typer(help="Tokens by which programs use the API in somebody's name.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    app.add_typer(commands, name="tokens")


@commands.command("list")
def listing(workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print every token with its owner, scopes and end; never the token itself."""
    now = SystemClock().now()
    with open_workspace(workspace) as opened, opened.store.read() as connection:
        found = tokens.every(connection)
    rows = [
        [one.token_id, one.owner, one.label, " ".join(one.scopes), one.standing(now), moment(one.expires_at),
         moment(one.used_at)]
        for one in found
    ]  # fmt: skip

    def show() -> None:
        if not rows:
            say("No token yet. `noria tokens make NAME` makes one.")
            return
        table("Tokens", ["id", "acts as", "for", "scopes", "stands", "ends", "last used"], rows)

    answer([{**plain(one), "standing": one.standing(now)} for one in found], as_json=as_json, show=show)


@commands.command()
def make(
    name: Annotated[str, typer.Argument(help="Person in whose name the program acts, as in `noria users list`.")],
    label: Annotated[str, typer.Option("--for", help="What it is for, for example nightly import.")],
    scope: Annotated[list[str], typer.Option(help=f"What it may do, one of {', '.join(SCOPES)}; several times.")],
    days: Annotated[int, typer.Option(min=1, max=tokens.LONGEST.days, help="How long it lives.")] = DAYS,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print a new token, once; it may at most what its scopes and its owner's role let it."""
    with open_workspace(workspace) as opened:
        actor, at = as_role(opened, "admin"), SystemClock().now()
        written, kept = make_token(opened.store, name, label, _scopes(scope), days=days, actor=actor, at=at)

    def show() -> None:
        say(f"It acts as {quote(name)} until {moment(kept.expires_at)} and is shown only now:")
        say(f"  {quote(written)}")
        say(f"[dim]To take it back: noria tokens revoke {kept.token_id}[/dim]")

    answer({**plain(kept), "token": written}, as_json=as_json, show=show)


@commands.command()
def revoke(
    token_id: Annotated[str, typer.Argument(help="Id of the token, as in `noria tokens list`.")],
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Take a token back at once."""
    with open_workspace(workspace) as opened:
        actor = as_role(opened, "admin")
        with opened.store.write() as connection:
            kept = tokens.revoke(connection, token_id, actor=actor, at=SystemClock().now())
    answer(plain(kept), as_json=as_json, show=lambda: say(f"Token {quote(kept.token_id)} is taken back."))


def _scopes(given: list[str]) -> list[Scope]:
    if unknown := sorted(set(given) - set(SCOPES)):
        raise InvalidInputError(
            f"There is no scope {unknown[0]}.", where="--scope", remedy=f"There are: {', '.join(SCOPES)}."
        )
    return [one for one in SCOPES if one in given]
