"""`noria users`: who may sign in to the console."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.output import AsJson, answer, moment, quote, say, table
from console.cli.place import InWorkspace, as_role
from console.wiring import open_workspace
from memory import users as people
from memory.clock import SystemClock
from memory.role import Role

commands = typer.Typer(help="Who may sign in to the console.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name to sign in with, for example marie.")]


def add_commands(app: typer.Typer) -> None:
    app.add_typer(commands, name="users")


@commands.command("list")
def listing(workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Print everybody who may sign in, with role and second factor."""
    with open_workspace(workspace) as opened, opened.store.read() as connection:
        found = people.everyone(connection)
    rows = [[one.name, one.role, one.standing, "yes" if one.second_factor else "no", moment(one.created_at)]
            for one in found]  # fmt: skip

    def show() -> None:
        if not rows:
            say("Nobody yet. `noria serve` prints the link by which the first admin comes in.")
            return
        table("Users", ["name", "role", "stands", "second factor", "since"], rows)

    value = [
        {"name": one.name, "role": one.role, "standing": one.standing, "second_factor": bool(one.second_factor)}
        for one in found
    ]
    answer(value, as_json=as_json, show=show)


@commands.command()
def invite(
    name: Name,
    role: Annotated[Role, typer.Option(help="What they may do.")] = "operator",
    url: Annotated[str, typer.Option(help="Address at which people reach the console.")] = "http://127.0.0.1:8321",
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print a one-time link by which somebody sets a password; for whoever is in already, a new role and password."""
    from console.sign_in import INVITATION
    from console.sign_in import invite as invite_one

    with open_workspace(workspace) as opened:
        token = invite_one(opened.store, name, role, actor=as_role(opened, "admin"), at=SystemClock().now())
    link = f"{url.rstrip('/')}/console/welcome/{token}"

    def show() -> None:
        hours = int(INVITATION.total_seconds() // 3600)
        say(f"{quote(name)} is invited as [bold]{role}[/bold]. The link works once, for {hours} hours:")
        say(f"  {quote(link)}")

    answer({"name": name, "role": role, "link": link}, as_json=as_json, show=show)


@commands.command()
def revoke(name: Name, workspace: InWorkspace = None, as_json: AsJson = False) -> None:
    """Shut somebody out at once; what they said stays on record, their approvals no longer count."""
    with open_workspace(workspace) as opened:
        actor = as_role(opened, "admin")
        with opened.store.write() as connection:
            people.revoke(connection, name, actor=actor, at=SystemClock().now())
    answer({"name": name, "standing": "revoked"}, as_json=as_json, show=lambda: say(f"{quote(name)} is shut out."))
