"""Habits of this project that no linter checks."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = ("memory", "policies", "tools", "agents", "evals", "console", "noria")
LINES = 500
LONGER = {
    "memory/migrations/versions/0001_create_the_store.py": "written by Alembic",
    "tests/policies/tables.py": "a table of facts and verdicts",
    "tests/tools/test_deliver.py": "one behaviour after the other",
}
"""Files that may be longer, and why."""
# What such a name holds is anybody's guess.
BANNED = {"utils", "helpers", "common", "base", "manager", "misc", "service", "core"}
# The brackets keep this file from being its own finding.
MACHINE_PATHS = re.compile(r"(?<![\w.~-])(?:/wor[k]/|/roo[t]/|/hom[e]/|/User[s]/|[A-Z]:\\User[s]\b)")
REGISTRY_HOSTS = re.compile(r"py[p]i\.org|pythonhoste[d]\.org|npmj[s]\.(?:org|com)|artifactor[y]|proxy\.golan[g]\.org")


def tracked(*endings: str) -> list[str]:
    """Paths of this checkout's files, as git knows them."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout: nobody can say which files belong to it")
    found = [path for path in done.stdout.splitlines() if (ROOT / path).is_file()]
    return [path for path in found if not endings or path.endswith(endings)]


def text_of(path: str) -> str:
    """The text of a file; empty for a binary one."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_no_file_outgrows_its_reader() -> None:
    long = {path for path in tracked(".py") if len(text_of(path).splitlines()) > LINES}
    assert long <= set(LONGER), f"split {sorted(long - set(LONGER))}"


def test_files_that_may_be_longer_still_need_to() -> None:
    needless = {path for path in LONGER if len(text_of(path).splitlines()) <= LINES}
    assert not needless, f"take {sorted(needless)} out of LONGER"


def test_every_name_says_what_is_inside() -> None:
    vague = [path for path in tracked() if BANNED & {Path(part).stem.strip("_") for part in Path(path).parts}]
    # The one policy pack that others extend is called what its readers call it.
    assert [path for path in vague if path != "policies/packs/base.yaml"] == []


def test_nothing_is_put_off_in_a_comment() -> None:
    later = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b")
    assert [path for path in tracked(".py") if later.search(text_of(path))] == []


def test_every_public_module_says_what_it_is_for() -> None:
    modules = [path for path in tracked(".py") if path.split("/")[0] in CODE]
    assert [path for path in modules if not ast.get_docstring(ast.parse(text_of(path)))] == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = []
    for path in tracked():
        text = text_of(path)
        found += [(path, match[0]) for pattern in (MACHINE_PATHS, REGISTRY_HOSTS) for match in pattern.finditer(text)]
    assert found == []


@pytest.mark.parametrize("text", ["/wor" + "k/main/x.py", "see /hom" + "e/ann/noria", "https://py" + "pi.org/simple"])
def test_names_of_machines_and_registries_are_recognised(text: str) -> None:
    assert MACHINE_PATHS.search(text) or REGISTRY_HOSTS.search(text)


@pytest.mark.parametrize("text", ["console/cli/x.py", "`noria work`", "/workspace/", "a/home/b", "docs/root/x"])
def test_ordinary_paths_are_not_mistaken_for_a_machine(text: str) -> None:
    assert not MACHINE_PATHS.search(text)
    assert not REGISTRY_HOSTS.search(text)


def test_templates_escape_everything() -> None:
    unescaped = re.compile(r"\|\s*safe\b|autoescape\s+(?:false|off)", re.IGNORECASE)
    templates = tracked(".html", ".mjml", ".j2", ".svg")
    assert templates
    assert [path for path in templates if unescaped.search(text_of(path))] == []


def test_the_lock_holds_hashes_and_no_addresses() -> None:
    lock = text_of("requirements.lock")
    assert "://" not in lock
    assert "--index-url" not in lock
    pinned = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)
    named = [entry for entry in pinned if re.match(r"[A-Za-z0-9]", entry)]
    assert len(named) > 100
    for entry in named:
        assert re.match(r"[\w.\[\],-]+==\S+", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]


def test_the_lock_pins_every_dependency_that_the_project_names() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    named = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    wanted = {re.split(r"[^\w.-]", one)[0].lower().replace("_", "-") for one in named}
    pinned = {
        name.lower() for name in re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==", text_of("requirements.lock"), re.MULTILINE)
    }
    assert wanted <= pinned


@pytest.mark.slow
def test_the_graph_that_is_served_can_be_imported() -> None:
    graphs = json.loads(text_of("langgraph.json"))["graphs"]
    assert graphs
    for entry in graphs.values():
        path, _, name = entry.partition(":")
        assert (ROOT / path).is_file()
        module = importlib.import_module(Path(path).with_suffix("").as_posix().replace("/", "."))
        assert hasattr(getattr(module, name), "get_graph")
