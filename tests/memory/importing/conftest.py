"""A store, an empty lake and a way to import a text as a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory.clock import ManualClock
from memory.lake import Lake
from memory.store import Store
from tests.memory.importing.loading import Importer, importer


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return Lake(tmp_path / "lake")


@pytest.fixture
def load(store: Store, lake: Lake, clock: ManualClock, tmp_path: Path) -> Importer:
    """Import a text into the store and lake of this test."""
    return importer(store, lake, clock, tmp_path)
