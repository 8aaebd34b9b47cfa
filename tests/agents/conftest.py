"""A planned workspace, made once: each test gets its own copy, as it would be found after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.planning import plan
from memory.store import Store
from tests.agents.world import BRIEF, World, add_offer, copy_of, fill, open_world


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a record and an offer, nothing planned yet."""
    folder = tmp_path_factory.mktemp("filled")
    store = Store(f"sqlite:///{folder / 'store.db'}")
    store.migrate()
    fill(store, folder)
    add_offer(store)
    store.close()
    return folder


@pytest.fixture(scope="session")
def planned(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same workspace with its first planning round done: proposals wait for people."""
    folder = copy_of(filled, tmp_path_factory.mktemp("planned"))
    with open_world(folder) as world:
        plan(world.threads, BRIEF)
    return folder


@pytest.fixture
def fresh(filled: Path, tmp_path: Path) -> Path:
    """A workspace folder of one's own in which nothing was planned."""
    return copy_of(filled, tmp_path / "fresh")


@pytest.fixture
def folder(planned: Path, tmp_path: Path) -> Path:
    """A workspace folder of one's own in which proposals wait."""
    return copy_of(planned, tmp_path / "workspace")


@pytest.fixture
def world(folder: Path) -> Iterator[World]:
    """A real workspace: only stored decisions of known people count."""
    with open_world(folder) as opened:
        yield opened


@pytest.fixture
def sandbox(folder: Path) -> Iterator[World]:
    """A sandbox workspace: an inbox may answer for itself."""
    with open_world(folder, sandbox=True) as opened:
        yield opened
