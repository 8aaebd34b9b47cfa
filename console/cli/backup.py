"""`noria backup` and `noria restore`: a workspace in one file, and back without sending anything twice."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.output import AsJson, answer, number, plain, quote, say
from console.cli.place import InWorkspace, operator
from console.settings import SECRETS_FILE
from console.wiring import Workspace, find_workspace, open_workspace
from memory.backup import unpack_backup, write_backup
from memory.errors import BackupError

if TYPE_CHECKING:
    from tools.restore import Restored


def add_commands(app: typer.Typer) -> None:
    app.command()(backup)
    app.command()(restore)


def backup(
    file: Annotated[Path, typer.Argument(help="File to write, for example noria-2025-03-01.zip.")],
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Write the whole workspace, without its secrets, into one file; workers may go on meanwhile."""
    with open_workspace(workspace) as opened:
        outside = not opened.store.is_sqlite
        folder = opened.folder
    target = file.resolve()
    files = write_backup(folder, target, leave_out=frozenset({SECRETS_FILE}))

    def show() -> None:
        say(f"{number(files)} files of {quote(folder)} are in [bold]{quote(target)}[/bold]; secrets.toml is not.")
        if outside:
            say("[yellow]The store is a PostgreSQL database: dump it too, before this.[/yellow]")

    answer({"file": str(target), "files": files, "store_included": not outside}, as_json=as_json, show=show)


def restore(
    file: Annotated[Path | None, typer.Argument(help="File that `noria backup` wrote.")] = None,
    folder: Annotated[Path | None, typer.Argument(help="New or empty folder to restore into.")] = None,
    here: Annotated[
        bool, typer.Option("--here", help="Folder and database were put back by other means: only make them safe.")
    ] = False,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back: sending is stopped, and whatever may have left since is never sent again."""
    if here == (file is not None) or (file is None) != (folder is None):
        raise BackupError(
            "It is not clear what to restore.", remedy="Give FILE and FOLDER, or --here and the workspace alone."
        )
    if file is not None and folder is not None:
        target = folder.resolve()
        done = unpack_backup(file, target, _made_safe)
    else:
        target = find_workspace(workspace)
        done = _made_safe(target)

    def show() -> None:
        say(f"Restored in [bold]{quote(target)}[/bold]. [red]All sending is stopped.[/red]")
        say(
            f"{number(done.unknown)} messages may have left since the backup and are now unknown; "
            f"{number(done.campaigns)} campaigns ended; {number(done.proposals)} proposals voided."
        )
        say("Before `noria resume`: import the sends, unsubscribes and bounces since the backup from your provider.")

    answer({"workspace": str(target), **plain(done)}, as_json=as_json, show=show)


def _made_safe(folder: Path) -> Restored:
    from tools.restore import make_safe

    opened = Workspace(folder, os.environ)
    try:
        return make_safe(opened.workplace, actor=operator())
    finally:
        opened.close()
