"""What the documents say is what there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from console.cli import app
from console.settings import SECRET_NAMES, Settings
from evals.cli import add_commands
from memory.clock import ManualClock
from memory.importing.vocabulary import FIELDS
from memory.lake import Lake
from memory.quality import assess
from memory.store import Store
from tools.channels.vendors import VENDORS
from tools.crm.connectors import SYSTEMS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FOLDERS = ("memory", "policies", "tools", "agents", "evals", "console", "noria", "tests", "docs")
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command below one, with its full name."""
    if path:
        yield " ".join(path), command
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, (*path, name))


def commands() -> dict[str, Any]:
    """Every command of the console and of the evals."""
    others = typer.Typer(add_completion=False)
    # With a callback even a single command stays below its group.
    others.callback()(lambda: None)
    add_commands(others)
    return {name: command for part in (app, others) for name, command in walk(typer.main.get_command(part))}


def sections() -> dict[str, str]:
    """The part of commands.md about each command."""
    parts = re.split(r"^#{2,3} `noria ([^`]+)`$", text_of("commands.md"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def flags(command: Any) -> set[str]:
    return {
        flag
        for one in command.params
        if one.param_type_name == "option"
        for flag in (*one.opts, *one.secondary_opts)
        if flag != "--help"
    }


def test_every_command_is_described_and_no_other() -> None:
    assert set(sections()) == set(commands())


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_option_of_a_command_is_described_and_no_other(name: str) -> None:
    command = commands()[name]
    rows = re.findall(r"^\| (.+?) \|", sections().get(name, ""), flags=re.MULTILINE)
    described = {flag for row in rows for flag in re.findall(r"`(--?[a-z-]+)`", row)}
    shown = set() if hasattr(command, "commands") and not command.invoke_without_command else flags(command)
    assert described == shown
    arguments = {one.name.upper() for one in command.params if one.param_type_name == "argument"}
    assert arguments == {word for row in rows for word in re.findall(r"`([A-Z_]+)`", row)}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    # In code only: a sentence may begin with Noria and any verb.
    named = re.findall(r"(?:^|`|bin/)noria ([a-z]+)(?: ([a-z]+))?", text, re.MULTILINE)
    known = commands()
    assert {first for first, _ in named} <= {name.split()[0] for name in known}
    groups = {name.split()[0] for name in known if " " in name}
    assert [pair for pair in named if pair[1] and pair[0] in groups and " ".join(pair) not in known] == []


def settings_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        inner = next((one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)), None)
        if inner is None:
            yield prefix + name
        else:
            yield from settings_of(inner, f"{prefix}{name}.")


def test_every_setting_is_described_and_no_other() -> None:
    rows = re.search(r"^## Settings$(.+?)^## ", text_of("operators.md"), re.MULTILINE | re.DOTALL)
    assert rows is not None
    named = re.findall(r"^\| `([\w.…]+)` \|", rows[1], re.MULTILINE)
    # What every channel has is written once for all of them.
    ways = ("channel", "channels.sms", "channels.audience", "channels.crm")
    described = {name.replace("…", way) for name in named for way in ways}
    # And what every provider of mail has, once for all of those.
    providers = [one.name for one in VENDORS.values() if one.carries == "email"]
    described = {name.replace("PROVIDER", provider) for name in described for provider in providers}
    assert described == set(settings_of(Settings))


def test_every_provider_has_a_page_and_its_row_in_the_table() -> None:
    text = text_of("connectors/README.md")
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\| \[.+$", text, re.MULTILINE)
    ]
    assert rows == [
        [
            f"[{one.title}]({one.name}.md)",
            one.carries,
            str(one.per_request),
            one.idempotency or "no",
            one.test_mode or "no",
            one.proof,
            ", ".join(one.reports),
        ]
        for one in VENDORS.values()
    ]
    for one in VENDORS.values():
        page = (ROOT / one.page).read_text(encoding="utf-8")
        assert f"`{one.key_name}`" in page
        assert f"`{one.webhook_name}`" in page
        assert f"/v1/providers/{one.name}" in page


def test_every_system_has_a_page_and_its_row_in_the_table() -> None:
    rows = re.findall(r"^\| \[.+$", text_of("connectors/systems.md"), re.MULTILINE)
    assert [[cell.strip() for cell in row.strip("|").split("|")] for row in rows] == [
        [
            f"[{one.title}]({one.name}.md)",
            ", ".join(one.things) or "what is mapped",
            ", ".join(one.deletes) or "no",
            "discovered" if one.discovers else "no",
            ", ".join(one.writes) or "no",
            one.limits or "no",
        ]
        for one in SYSTEMS.values()
    ]
    for one in SYSTEMS.values():
        page = (ROOT / one.page).read_text(encoding="utf-8")
        assert all(f"`{name}`" in page for name in one.secrets)
        assert f"[sync.{one.name}" in page


def test_every_secret_is_named() -> None:
    assert all(f"`{name}`" in text_of("operators.md") for name in SECRET_NAMES)


def error_codes() -> set[str]:
    """The stable code of every error class."""
    found = set()
    for folder in FOLDERS[:7]:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.ClassDef) and node.name.endswith("Error")):
                    continue
                for line in node.body:
                    if isinstance(line, ast.Assign | ast.AnnAssign) and isinstance(line.value, ast.Constant):
                        target = line.targets[0] if isinstance(line, ast.Assign) else line.target
                        if isinstance(target, ast.Name) and target.id == "code":
                            found.add(str(line.value.value))
    return found


def test_every_error_code_is_explained_and_no_other() -> None:
    rows = text_of("operators.md").rsplit("| code |", 1)[1]
    assert set(re.findall(r"^\| `([\w.]+)` \|", rows, re.MULTILINE)) == error_codes()


def test_every_measure_of_the_record_is_explained(store: Store, tmp_path: Path, clock: ManualClock) -> None:
    page = text_of("operators.md")
    assert [
        name for name in assess(store, Lake(tmp_path / "lake"), clock.now()).measures if f"`{name}`" not in page
    ] == []


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_every_field_of_an_import_is_named_and_no_other(kind: str) -> None:
    row = next(line for line in text_of("importing.md").splitlines() if line.startswith(f"| {kind} |"))
    assert set(re.findall(r"`(\w+)`", row)) == set(FIELDS[kind])  # type: ignore[index]  # pytest gives a plain str


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as links spell them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        if not place.exists() or (anchor and anchor not in anchors(place)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_path_that_is_named_exists(page: Path) -> None:
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./*<>-]*)`", page.read_text(encoding="utf-8"))
    # A name in angle brackets, or of one's own, stands for what a reader would write; _app is made in the wheel.
    fixed = [path for path in named if "<" not in path and "/my_" not in path and path != "noria/_app"]
    assert [path for path in fixed if not any(ROOT.glob(path.rstrip("/")))] == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)", page.read_text(encoding="utf-8"))
        waiting += [(page.parent / link).resolve() for link in links if not link.startswith("http")]
    assert set(PAGES) <= seen
