"""Imports go one way, and the check that says so notices when they do not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("memory", "policies", "tools", "agents", "console", "evals", "noria")
PLANTED = {
    "memory/planted.py": "import agents.graph\nimport langgraph\n",
    "policies/planted.py": "import memory.store\nimport chromadb\n",
    "agents/planted.py": "import tools.deliver\nimport fastapi\n",
}
"""One violation of each contract."""


def contracts() -> set[str]:
    """The name of every contract."""
    parser = ConfigParser()
    parser.read(ROOT / ".importlinter")
    return {parser[part]["name"] for part in parser.sections() if part.startswith("importlinter:contract:")}


def lint(folder: Path) -> tuple[int, dict[str, str]]:
    """The exit code of the linter in a checkout, and what it says of each contract: KEPT or BROKEN."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    found = re.findall(r"^(.+?) (KEPT|BROKEN)\b.*$", done.stdout, re.MULTILINE)
    return done.returncode, {name: said for name, said in found if name in contracts()}


@pytest.mark.slow
def test_every_contract_is_kept() -> None:
    assert lint(ROOT) == (0, dict.fromkeys(contracts(), "KEPT"))


@pytest.mark.slow
def test_a_violation_of_any_contract_is_noticed(tmp_path: Path) -> None:
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for path, text in PLANTED.items():
        (tmp_path / path).write_text(text, encoding="utf-8")
    assert lint(tmp_path) == (1, dict.fromkeys(contracts(), "BROKEN"))


def test_every_folder_of_the_design_is_under_contract() -> None:
    parser = ConfigParser()
    parser.read(ROOT / ".importlinter")
    layers = parser["importlinter:contract:layers"]["layers"].split()
    assert layers == ["noria", "evals", "console", "agents", "tools", "policies", "memory"]
    assert set(parser["importlinter"]["root_packages"].split()) == set(FOLDERS) == set(layers)
