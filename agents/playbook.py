"""Playbooks: known plays as data, read from folders of YAML and MJML that people write."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from agents.playbook_check import Problem, check
from agents.playbook_model import OfferPolicy, Playbook, Prior, json_schema
from memory.errors import InvalidInputError
from memory.marked_yaml import Marked, complaints, read_yaml

__all__ = [
    "PACKAGED",
    "OfferPolicy",
    "Playbook",
    "PlaybookError",
    "Prior",
    "Problem",
    "check",
    "inspect_playbooks",
    "json_schema",
    "load_playbook",
    "load_playbooks",
    "packaged_layout",
    "with_parts",
]

PACKAGED: Final = Path(__file__).parent / "playbooks"
"""The playbooks that come with Noria."""

_FILE: Final = "playbook.yaml"
_LAYOUTS: Final = "layouts"
_INCLUDE: Final = re.compile(r'<mj-include\s+path="([a-z0-9][a-z0-9_-]*)\.mjml"\s*/>')


class PlaybookError(InvalidInputError):
    """A playbook cannot be used; every problem is listed with its file, line and remedy."""

    code = "playbook"

    @classmethod
    def of(cls, problems: list[Problem]) -> PlaybookError:
        """One error for all problems; the first gives the place."""
        first, *others = problems
        more = "".join(f"\n  {problem}" for problem in others)
        return cls(first.what, where=f"{first.file}, line {first.line}", remedy=f"{first.remedy}{more}")


def load_playbooks(folder: Path) -> dict[str, Playbook]:
    """Every playbook of a folder by id, one subfolder each. Raises PlaybookError that lists all problems."""
    found: dict[str, Playbook] = {}
    problems: list[Problem] = []
    for path in _files(folder):
        playbook, wrong = _read(path)
        problems += wrong
        if playbook is not None:
            found[playbook.id] = playbook
    if problems:
        raise PlaybookError.of(problems)
    return found


def load_playbook(folder: Path) -> Playbook:
    """The playbook in one folder. Raises PlaybookError."""
    playbook, problems = _read(folder / _FILE)
    if playbook is None or problems:
        raise PlaybookError.of(problems)
    return playbook


def inspect_playbooks(folder: Path) -> list[Problem]:
    """Everything that is wrong with the playbooks of a folder, with files and lines; empty when all can be used."""
    return [problem for path in _files(folder) for problem in _read(path)[1]]


def packaged_layout(name: str) -> str:
    """The MJML of a layout that comes with Noria, whole. Raises InvalidInputError."""
    return _assembled(name, [PACKAGED / _LAYOUTS])


def with_parts(source: str) -> str:
    """A layout with the parts that it includes, whole. Raises InvalidInputError."""
    return _INCLUDE.sub(lambda match: packaged_layout(match[1]), source)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InvalidInputError(
            "There is no such folder.", where=str(folder), remedy="Name the folder that holds the playbooks."
        )
    return [
        child / _FILE
        for child in sorted(folder.iterdir())
        if child.is_dir() and child.name != _LAYOUTS and not child.name.startswith(("_", "."))
    ]


def _read(path: Path) -> tuple[Playbook | None, list[Problem]]:
    where = f"{path.parent.name}/{path.name}"
    try:
        marked = read_yaml(path.read_text(encoding="utf-8"), where=where)
    except FileNotFoundError:
        return None, [Problem((), f"The folder holds no {_FILE}.", "Add it, or remove the folder.", where, 1)]
    except UnicodeDecodeError:
        return None, [Problem((), "The file is not UTF-8 text.", "Save it as UTF-8.", where, 1)]
    except InvalidInputError as error:
        line = int(error.where.rpartition(" ")[2])
        return None, [Problem((), error.what, error.remedy, where, line)]
    marked.data.pop("templates", None)
    try:
        bare = Playbook.model_validate(marked.data)
    except ValidationError as error:
        return None, [
            Problem(tuple(complaint.part.split(".")), complaint.what, _REMEDY, where, complaint.line)
            for complaint in complaints(error, marked)
        ]
    templates, problems = _layouts(bare, path.parent, marked, where)
    playbook = bare.model_copy(update={"templates": templates})
    if playbook.id != path.parent.name:
        problems.append(Problem(("id",), "The id differs from the folder's name.", "Make them the same."))
    problems += [problem for problem in check(playbook) if not (problem.path[-1:] == ("template",) and problems)]
    return playbook, [replace(problem, file=where, line=marked.line(problem.path)) for problem in problems]


_REMEDY: Final = "The playbook reference in the documentation lists every setting."


def _layouts(playbook: Playbook, folder: Path, marked: Marked, where: str) -> tuple[dict[str, str], list[Problem]]:
    """The layouts that a playbook uses, whole: own ones first, then those of its collection, then the packaged."""
    places = [folder, folder.parent / _LAYOUTS, PACKAGED / _LAYOUTS]
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for name in playbook.layouts():
        try:
            found[name] = _assembled(name, places)
        except InvalidInputError as error:
            problems.append(Problem(_first_use(playbook, name), error.what, error.remedy))
    return found, problems


def _assembled(name: str, places: Iterable[Path], within: tuple[str, ...] = ()) -> str:
    if name in within:
        raise InvalidInputError(
            f"The layout “{name}” includes itself.", remedy="Take one of the <mj-include> lines out."
        )
    places = list(places)
    for place in places:
        path = place / f"{name}.mjml"
        if path.is_file():
            source = path.read_text(encoding="utf-8").rstrip("\n")
            return _INCLUDE.sub(lambda match: _assembled(match[1], places, (*within, name)), source)
    raise InvalidInputError(
        f"There is no layout “{name}”.",
        remedy=f"Put {name}.mjml beside the playbook or into the folder “{_LAYOUTS}”.",
    )


def _first_use(playbook: Playbook, layout: str) -> tuple[str | int, ...]:
    for index, sequence in enumerate(playbook.sequences):
        for place, step in enumerate(sequence.steps):
            if step.kind == "send" and step.template == layout:
                return ("sequences", index, "steps", place, "template")
    return ("sequences",)
