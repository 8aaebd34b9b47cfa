"""Sets the stage: a fresh workspace with the demo shop, its clock at 1 October 2017, and a local mail server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from console.cli.importing import run_import
from console.cli.setup import make_workspace
from console.settings import SETTINGS_FILE
from console.wiring import Workspace
from evals.demo.mail_server import MailServer, mail_server
from evals.shop.export import CUT_OFF, write_shop
from memory.canonical import digest
from memory.errors import ConfigurationError
from memory.importing.folder import FolderReport
from memory.importing.report import ImportSettings, Progress, no_progress
from memory.workspace import StoreClock, set_value
from tools.drain import drain

SHOP = "shop"
"""Name of the system that the demo's ids belong to."""
_MARK = ".noria-demo"


@dataclass(frozen=True)
class Stage:
    """A workspace ready to be played on."""

    workspace: Workspace
    clock: StoreClock
    server: MailServer
    exports: Path
    imported: FolderReport | None


@contextmanager
def empty_stage(
    folder: Path, at: datetime, name: str = "Marlow & Finch (demo)", *, seed: int = 1, playbooks: Sequence[str] = ()
) -> Iterator[Stage]:
    """A workspace without data that sends to a local server; a demo folder of an earlier run is replaced.

    ``playbooks`` are those that may be proposed, all by default. Once the act is over the workspace is left to people:
    its clock runs on from there, and what is sent goes into its outbox, because the server is gone.
    """
    fresh_workspace(folder, name=name, currency="USD", zone="America/New_York")
    settings = folder / SETTINGS_FILE
    # Settings of the whole workspace stand before its sections.
    chosen = f"playbooks = {list(playbooks)}\n" if playbooks else ""
    into_the_outbox = chosen + settings.read_text(encoding="utf-8")
    with mail_server(folder / "emails") as server:
        settings.write_text(_sent_to(server.port, into_the_outbox), encoding="utf-8")
        workspace = Workspace(folder.resolve(), {})
        with workspace.store.write() as connection:
            # A real workspace draws its salt at random; here the same seed must tell the same story.
            set_value(connection, "salt", digest(["demo", seed]))
        clock = StoreClock(workspace.store)
        clock.advance_to(at)
        try:
            yield Stage(workspace, clock, server, folder / "exports", None)
            drain(workspace.store, workspace.lake)
            clock.run_on()
            settings.write_text(into_the_outbox, encoding="utf-8")
        finally:
            workspace.close()


@contextmanager
def shop_stage(
    folder: Path,
    *,
    seed: int,
    progress: Progress = no_progress,
    playbooks: Sequence[str] = (),
    leads: int = 0,
    letters: int = 0,
) -> Iterator[Stage]:
    """The same with the Complete Journey shop imported, as it stood on 1 October 2017.

    ``leads`` and ``letters`` are what its exports hold beyond the data, as ``write_shop`` says.
    """
    with empty_stage(folder, CUT_OFF, seed=seed, playbooks=playbooks) as stage:
        write_shop(stage.exports, seed=seed, leads=leads, letters=letters)
        settings = ImportSettings(
            currency="USD", day_first=False, time_zone=stage.workspace.settings.fallback_zone, source=SHOP
        )
        found = run_import(stage.workspace, stage.exports, settings, progress=progress)
        yield Stage(stage.workspace, stage.clock, stage.server, stage.exports, found)


def fresh_workspace(folder: Path, *, name: str, currency: str, zone: str) -> None:
    """Make an empty workspace; the demo's own of an earlier run is replaced. Raises ConfigurationError."""
    _clear(folder)
    make_workspace(folder, name=name, currency=currency, zone=zone)
    (folder / _MARK).touch()


def _clear(folder: Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / _MARK).exists():
        raise ConfigurationError(
            "This folder is not empty and was not made by the demo.",
            where=str(folder),
            remedy="Name another one with --folder.",
        )
    shutil.rmtree(folder)


def _sent_to(port: int, settings: str) -> str:
    """Settings with which mail goes to a server of this machine."""
    server = f'[channel.smtp]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\n'
    return settings.replace('kind = "sandbox" ', 'kind = "smtp" ') + f"\n{server}"
