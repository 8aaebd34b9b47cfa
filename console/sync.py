"""Read the connected systems: what the worker does in each round, and what `noria sync` does at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from console.wiring import Workspace
from memory.errors import NoriaError
from memory.importing.report import ImportSettings, Progress
from tools.crm.connector import Connector
from tools.crm.connectors import mapping_of
from tools.crm.intake import Intake
from tools.crm.preview import Preview, preview
from tools.crm.sync import Pulled, due, pull
from tools.failure import Guard


def intake(opened: Workspace, actor: str = "worker") -> Intake:
    """Where what is read goes."""
    settings = ImportSettings(
        currency=opened.settings.currency,
        day_first=opened.settings.day_first,
        time_zone=opened.settings.fallback_zone,
    )
    return Intake(store=opened.store, lake=opened.lake, clock=opened.clock, settings=settings, actor=actor)


def sync(
    opened: Workspace, names: Sequence[str], *, actor: str, again: bool = False, progress: Progress
) -> list[Pulled]:
    """Read these systems to the end; of several, one that cannot be asked keeps no other from being read.

    Raises ConfigurationError for a single one that is not connected.
    """
    found: list[Pulled] = []
    for name in names:
        try:
            with connected(opened, name) as connector:
                mapping = mapping_of(name, opened.folder)
                found += pull(intake(opened, actor), connector, mapping, again=again, progress=progress)
        except NoriaError as error:
            if len(names) == 1:
                raise
            found.append(Pulled(system=name, thing="everything", trouble=str(error)))
    return found


def look(opened: Workspace, names: Sequence[str]) -> dict[str, list[Preview]]:
    """What reading these systems would change; nothing is written. Raises ConnectorError."""
    found = {}
    for name in names:
        with connected(opened, name) as connector:
            found[name] = preview(intake(opened), connector, mapping_of(name, opened.folder))
    return found


def sync_due(opened: Workspace, guard: Guard) -> list[Pulled]:
    """Read what is due, as long as a round may last; trouble is kept for `noria connectors` and the doctor."""
    settings = opened.settings.sync
    every, until = timedelta(minutes=settings.every_minutes), time.monotonic() + settings.round_seconds
    found: list[Pulled] = []
    for name in settings.systems:
        if due(opened.store, name, opened.clock.now(), every):
            # Whoever waits for a busy system sends nothing meanwhile.
            with guard(f"sync {name}"), connected(opened, name, patience_seconds=settings.round_seconds) as connector:
                found += pull(intake(opened), connector, mapping_of(name, opened.folder), until=until)
    return found


@contextmanager
def connected(opened: Workspace, name: str, *, patience_seconds: float = 120) -> Iterator[Connector]:
    """The way into a system, for as long as it is needed."""
    connector = opened.connector(name, patience_seconds=patience_seconds)
    try:
        yield connector
    finally:
        connector.close()


def writes_into(opened: Workspace, name: str) -> bool:
    """Whether approved steps write back to a system."""
    return any(way.kind == name for way in opened.settings.ways.values())


def can_be_asked(opened: Workspace, name: str) -> tuple[bool, str, str]:
    """Whether a system lets us in, with a sentence and the remedy; nothing is changed."""
    try:
        with connected(opened, name) as connector:
            return True, connector.check(writing=writes_into(opened, name)), ""
    except NoriaError as error:
        return False, error.what, error.remedy
