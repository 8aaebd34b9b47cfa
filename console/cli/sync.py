"""`noria sync` and `noria connect`: read the systems that a team already has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.importing import progress_bar
from console.cli.output import AsJson, answer, number, plain, quote, say, table
from console.cli.place import InWorkspace, operator
from console.wiring import open_workspace
from memory.errors import ConfigurationError, InvalidInputError

if TYPE_CHECKING:
    from tools.crm.preview import Preview
    from tools.crm.sync import Pulled


def add_commands(app: typer.Typer) -> None:
    app.command()(sync)
    app.command()(connect)


def sync(
    vendor: Annotated[str, typer.Argument(help="One system; all that are connected by default.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, before and after; write nothing.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Read everything once more, not only what changed.")] = False,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Read what changed in the connected systems now; the worker does it by itself every few minutes."""
    from console.sync import look
    from console.sync import sync as read

    with open_workspace(workspace) as opened:
        names = [vendor] if vendor else list(opened.settings.sync.systems)
        if not names:
            raise ConfigurationError(
                "No system is connected.", where="noria.toml, sync", remedy="Connect one: `noria connect VENDOR`."
            )
        if dry_run:
            previews = look(opened, names)
            answer(plain(previews), as_json=as_json, show=lambda: _show_previews(previews))
            return
        with progress_bar(as_json) as progress:
            found = read(opened, names, actor=operator(), again=again, progress=progress)
    answer({"pulled": plain(found)}, as_json=as_json, show=lambda: _show(found))
    if any(one.trouble for one in found):
        raise typer.Exit(1)


def connect(
    vendor: Annotated[str, typer.Argument(help="The system to connect.")],
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE of an option; what is needed and missing is asked.")
    ] = None,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Ask for what a system needs, try it, then write it down: options to noria.toml, secrets to secrets.toml."""
    from console.connect import connect_system

    given = dict(_assignment(text) for text in setting or [])
    with open_workspace(workspace) as opened:
        done = connect_system(
            opened,
            vendor,
            given,
            ask=lambda name, what: str(typer.prompt(_asking(name, what), err=True)),
            ask_secret=lambda name, what: str(typer.prompt(_asking(name, what), hide_input=True, err=True)),
        )

    def show() -> None:
        written = f"Written to {' and '.join(done.files)}." if done.files else "It was connected already."
        say(f"{quote(done.sentence)} {written}")
        say(f"Next: `noria sync {vendor} --dry-run` shows what would come in, `noria sync {vendor}` reads it now, and")
        say("`noria work` reads it from now on whenever something has changed.")

    answer(plain(done), as_json=as_json, show=show)


def _show(found: list[Pulled]) -> None:
    rows = [
        [one.system, one.thing, number(one.read), number(one.written), number(one.unchanged), number(one.set_aside),
         number(one.deleted), "another process is at it" if one.elsewhere else "yes" if one.complete else "no"]
        for one in found
    ]  # fmt: skip
    headings = ["system", "what", "read", "written", "unchanged", "set aside", "deleted", "to the end"]
    table("Read", headings, rows, numbers=[2, 3, 4, 5, 6])
    for one in found:
        for reason in one.reasons:
            where = f" in {reason.column}" if reason.column else ""
            say(f"  {one.thing}: {number(reason.rows)} set aside{quote(where)}: {quote(reason.reason)}")
        if one.trouble:
            say(f"[red]{one.system} {one.thing}[/red]: {quote(one.trouble)}")


def _show_previews(previews: dict[str, list[Preview]]) -> None:
    for system, things in previews.items():
        for one in things:
            of = f" of {number(one.total)}" if one.total else ""
            new = f", {number(one.new)} of them new" if one.kind == "contacts" else ""
            say(f"[bold]{system} {one.thing}[/bold]: looked at {number(one.read)}{of}{new}.")
            if one.trouble:
                say(f"  [red]It cannot be read[/red]: {quote(one.trouble)}")
                continue
            gone = f", {number(one.deleted)} taken out" if one.deleted else ""
            say(f"  {number(one.written)} would be written, {number(one.unchanged)} are on record already{gone}.")
            rows = [[each.id, each.field, each.before or "–", each.after] for each in one.changes]
            if rows:
                table("The first that would change", ["id", "field", "before", "after"], rows)
            for reason in one.reasons:
                where = f" in {reason.column}" if reason.column else ""
                say(f"  {number(reason.rows)} would be set aside{quote(where)}: {quote(reason.reason)}")
            if one.unread:
                say(f"  [dim]Not read: {quote(', '.join(one.unread))}. Map them in connectors/{system}.yaml.[/dim]")
    if any(one.more for things in previews.values() for one in things):
        say(
            "[dim]Only the next page of each was looked at; whoever stands on a later one counts as unknown here.[/dim]"
        )
    say("Nothing was written.")


def _asking(name: str, what: str) -> str:
    """A question in plain words, with the name under which the answer is kept."""
    return f"{what.rstrip('.')} ({name})" if what else name


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInputError(f"{text!r} is not NAME=VALUE.", where="--set", remedy="For example --set shop=maple.")
    return name, value
