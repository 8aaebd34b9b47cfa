"""YAML that people write: read strictly, and every complaint names the line it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from memory.errors import InvalidInputError

Path = Sequence[str | int]
# A tenth of the time where the library in C is there.
_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Marked:
    """The data of a YAML file, and the line on which each part of it stands."""

    data: dict[str, Any]
    root: MappingNode

    def line(self, path: Path) -> int:
        """Line (from 1) of the deepest part of a path that the file has; parts that it lacks are skipped."""
        node: Node = self.root
        line = 1
        for part in path:
            found = _child(node, part)
            if found is not None:
                key, node = found
                line = key.start_mark.line + 1
        return line


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong with a file, and the line to look at."""

    line: int
    part: str
    """Dotted path inside the file, for example `sequences.0.steps.1`."""
    what: str


def read_yaml(text: str, *, where: str) -> Marked:
    """Read one YAML mapping. Raises InvalidInputError for broken YAML, a key given twice, or anything but a mapping."""
    try:
        root, data = _parsed(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = mark.line + 1 if mark is not None else 1
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise InvalidInputError(
            f"This is not valid YAML: {problem}.",
            where=f"{where}, line {line}",
            remedy="Check the indentation, the colons and the quotes around that line.",
        ) from error
    if not isinstance(root, MappingNode) or not isinstance(data, dict):
        raise InvalidInputError(
            "The file should hold names with values, and does not.",
            where=f"{where}, line 1",
            remedy="Start from the example in the documentation.",
        )
    _refuse_twins(root, where)
    return Marked({str(key): value for key, value in data.items()}, root)


def _parsed(text: str) -> tuple[Node | None, Any]:
    try:
        return yaml.compose(text, Loader=_FAST), yaml.load(text, Loader=_FAST)  # noqa: S506 - a safe one
    except yaml.YAMLError:
        # What is wrong with a file is told in the same words wherever it is read.
        return yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)


def complaints(error: ValidationError, marked: Marked) -> list[Complaint]:
    """What a model found wrong with the data of a file, in words and with lines."""
    found = []
    for problem in error.errors(include_url=False):
        path = problem["loc"]
        name = str(path[-1]) if path else ""
        match problem["type"]:
            case "extra_forbidden":
                what = f"“{name}” is not a known setting here."
            case "missing":
                what = f"“{name}” is missing."
            case "too_long":
                most, given = problem["ctx"]["max_length"], problem["ctx"]["actual_length"]
                what = f"“{name}”: at most {most} may stand here, not {given}."
            case "too_short":
                what = f"“{name}”: at least {problem['ctx']['min_length']} must stand here."
            case _:
                message = problem["msg"].removeprefix("Value error, ")
                what = f"“{name}”: {message}." if name else f"{message}."
        found.append(Complaint(marked.line(path), ".".join(str(part) for part in path), what))
    return sorted(found, key=lambda complaint: (complaint.line, complaint.part))


def _child(node: Node, part: str | int) -> tuple[Node, Node] | None:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == str(part):
                return key, value
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _refuse_twins(node: Node, where: str) -> None:
    if isinstance(node, MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                if key.value in seen:
                    raise InvalidInputError(
                        f"“{key.value}” is given twice.",
                        where=f"{where}, line {key.start_mark.line + 1}",
                        remedy="Keep one of the two.",
                    )
                seen.add(key.value)
            _refuse_twins(value, where)
    elif isinstance(node, SequenceNode):
        for item in node.value:
            _refuse_twins(item, where)
