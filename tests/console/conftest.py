"""A workspace with a small shop, and the command line over it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.cli.setup import make_workspace
from console.wiring import Workspace
from memory.errors import NoriaError
from memory.workspace import StoreClock
from tests.console.shop import NOW, write_exports

Run = Callable[..., Any]
BRIEF = (
    "--metric", "orders", "--intention", "bring customers back", "--owner", "marie",
    "--stop-rule", "complaints above 0.1 %", "--decision", "whether to keep it",
)  # fmt: skip


def run_in(folder: Path) -> Run:
    """The command line on one workspace: returns what --json prints; raises what the command raised."""

    def run(*words: str, fails: bool = False) -> Any:
        result = CliRunner().invoke(app, [*words, "--workspace", str(folder), "--json"])
        if isinstance(result.exception, NoriaError):
            raise result.exception
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert (result.exit_code != 0) == fails, result.output
        return json.loads(result.stdout)

    return run


@pytest.fixture(scope="session")
def _shop_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_workspace(tmp_path_factory.mktemp("shop"), name="Shop", currency="EUR", zone="Europe/Paris")
    workspace = Workspace(folder, {})
    StoreClock(workspace.store).advance_to(NOW)
    workspace.close()
    run_in(folder)("import", str(write_exports(tmp_path_factory.mktemp("exports"))))
    return folder


@pytest.fixture
def shop(tmp_path: Path, _shop_workspace: Path) -> Path:
    """A workspace at 3 March 2025 in which a small shop was imported."""
    return Path(shutil.copytree(_shop_workspace, tmp_path / "shop"))


@pytest.fixture
def run(shop: Path) -> Run:
    """The command line on that workspace."""
    return run_in(shop)


@pytest.fixture(scope="session")
def _planned_workspace(tmp_path_factory: pytest.TempPathFactory, _shop_workspace: Path) -> Path:
    folder = Path(shutil.copytree(_shop_workspace, tmp_path_factory.mktemp("planned") / "shop"))
    run_in(folder)("plan", *BRIEF)
    return folder


@pytest.fixture
def proposed(tmp_path: Path, _planned_workspace: Path) -> Path:
    """The same workspace with a round of proposals that nobody decided on yet."""
    return Path(shutil.copytree(_planned_workspace, tmp_path / "proposed"))
