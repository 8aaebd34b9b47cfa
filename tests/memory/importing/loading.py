"""Import texts as files, and read the lake back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from memory.clock import ManualClock
from memory.importing.load import import_file
from memory.importing.report import ImportReport, ImportSettings
from memory.lake import Lake
from memory.store import Store

Importer = Callable[..., ImportReport]


def importer(store: Store, lake: Lake, clock: ManualClock, folder: Path) -> Importer:
    """A function that writes a text (or bytes) to a file and imports it."""

    def run(text: str | bytes, name: str = "export.csv", **options: Any) -> ImportReport:
        path = folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        settings = options.pop("settings", ImportSettings(currency="EUR"))
        return import_file(store, lake, path, settings=settings, clock=clock, **options)

    return run


def rows_of(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query over the lake."""
    found: list[tuple[Any, ...]] = lake.connect().con.execute(query).fetchall()
    return found
