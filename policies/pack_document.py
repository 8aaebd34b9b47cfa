"""A pack file merged with those it extends: what it says, where each value stands, and what is wrong with it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from memory.errors import InvalidInputError
from memory.marked_yaml import Marked, read_yaml
from policies.rules import RULES
from policies.strictness import GRAVITY, strictest

Path = tuple[str | int, ...]
_TOP = ("schema_version", "name", "extends", "sentence", "rules")
OF_A_RULE = ("enabled", "severity", "sentence", "source", "parameters")


class PackError(InvalidInputError):
    """A policy pack does not say what it must."""

    code = "policy.pack"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a pack file."""

    depth: int
    """0 in the file itself, 1 in the one it extends, …"""
    file: str
    line: int
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.what} {self.remedy}"


@dataclass(slots=True)
class Document:
    """A merged file: its value, the files it came from (its own first), and what is wrong with it."""

    value: dict[str, Any]
    layers: list[tuple[str, Marked]]
    problems: list[Problem] = field(default_factory=list)

    def sorted_problems(self) -> list[Problem]:
        """The problems of the file itself first, then those of the files that it extends, each from the top."""
        return sorted(self.problems, key=lambda problem: (problem.depth, problem.line))

    @property
    def own(self) -> dict[str, Any]:
        """The rules as the file itself sets them, without those of the packs that it extends."""
        rules = self.layers[0][1].data.get("rules")
        return rules if isinstance(rules, dict) else {}

    @property
    def extends_several(self) -> bool:
        """Whether the file joins the rules of more than one pack."""
        extends = self.layers[0][1].data.get("extends")
        return isinstance(extends, list) and len(set(extends)) > 1

    def sets(self, path: Path) -> bool:
        """Whether the file itself says something at a path."""
        return _has(self.layers[0][1].data, path)

    def complain(self, path: Path, what: str, remedy: str) -> None:
        """Note a problem at the deepest part of a path that a file has."""
        for length in range(len(path), -1, -1):
            for place, (file, marked) in enumerate(self.layers):
                if _has(marked.data, path[:length]):
                    self.problems.append(Problem(place, file, marked.line(path[:length]), what, remedy))
                    return

    def blame(self, error: ValidationError, path: Path) -> None:
        """Note everything that a model found wrong below a path."""
        for detail in error.errors(include_url=False, include_context=False):
            spot = (*path, *detail["loc"])
            name = ".".join(str(part) for part in spot if part != "parameters") or "pack"
            message = detail["msg"].removeprefix("Value error, ")
            remedy = {"extra_forbidden": "Remove it, or correct its name.", "missing": "Add it."}.get(detail["type"])
            self.complain(spot, f"{name}: {message}.", remedy or "Correct the value.")


def load_document(text: str, where: str, parents: Mapping[str, str], chain: tuple[str, ...] = ()) -> Document:
    """Read a pack file and those it extends. Raises InvalidInputError where the YAML itself cannot be read."""
    marked = read_yaml(text, where=where)
    document = Document(marked.data, [(where, marked)])
    _check_head(document)
    extends = document.value.get("extends")
    if extends is None:
        return document
    place = f"{where}, line {marked.line(('extends',))}"
    names = extends if isinstance(extends, list) and extends else [extends]
    found = []
    for name in dict.fromkeys(str(one) for one in names):
        if name in chain or name == document.value.get("name"):
            raise PackError(
                "The packs extend each other in a circle.", where=place, remedy="Let one of them stand alone."
            )
        if name not in parents:
            known = ", ".join(sorted(parents)) or "none"
            raise PackError(f"There is no pack {name!r} to extend.", where=place, remedy=f"Known packs: {known}.")
        found.append(load_document(parents[name], f"{name}.yaml", parents, (*chain, name)))
    if len(found) > 1:
        for parent in found:
            _check_rules(parent)
    for parent in found:
        document.layers += parent.layers
        document.problems += [replace(problem, depth=problem.depth + 1) for problem in parent.problems]
    below = found[0].value
    if len(found) > 1 and not any(parent.problems for parent in found):
        below = {**below, "rules": _joined(document, [parent.value["rules"] for parent in found])}
    document.value = _merge(below, document.value)
    return document


def _joined(document: Document, several: list[dict[str, Any]]) -> dict[str, Any]:
    """The rules of several packs, of each the strictest setting; what cannot hold together is a problem of the file."""
    rules = {}
    for rule_id in RULES:
        set_by = [one[rule_id] for one in several if rule_id in one]
        if not set_by:
            continue
        rules[rule_id] = strictest(rule_id, set_by)
        own = _merge(rules[rule_id], document.own.get(rule_id, {}))["parameters"]
        try:
            RULES[rule_id].parameters.model_validate(own)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_context=False):
                name = ".".join((rule_id, *(str(part) for part in detail["loc"])))
                document.complain(
                    ("extends",),
                    f"The packs contradict each other in {name}: {detail['msg'].removeprefix('Value error, ')}.",
                    "Set it in this pack, or extend fewer of them.",
                )
            # Said once, where it can be mended.
            rules[rule_id] = set_by[0]
    return rules


def _check_rules(document: Document) -> None:
    """What must be right with each rule of a pack before it can be joined with others."""
    for rule_id, body in document.value["rules"].items():
        path = ("rules", rule_id)
        sentence = body.get("sentence")
        if not (isinstance(sentence, dict) and all(isinstance(sentence.get(one), str) for one in ("en", "fr"))):
            document.complain((*path, "sentence"), f"The rule {rule_id} has no sentence in en and fr.", "Add it.")
        if not isinstance(body.get("source"), str):
            document.complain((*path, "source"), f"The rule {rule_id} has no source.", "Add it.")
        if body.get("severity", "serious") not in GRAVITY:
            document.complain((*path, "severity"), f"{rule_id} has no such severity.", f"Write {', '.join(GRAVITY)}.")
        try:
            strictly(RULES[rule_id].parameters, body.get("parameters") or {})
        except ValidationError as error:
            document.blame(error, (*path, "parameters"))


def strictly(kind: type[BaseModel], value: Any) -> Any:
    """Validate without bending: JSON's strict mode takes lists for tuples but never "3" or true for 3."""
    return kind.model_validate_json(json.dumps(value, default=str), strict=True)


def _check_head(document: Document) -> None:
    value = document.value
    for key in value:
        if key not in _TOP:
            document.complain((key,), f"There is no key {key}.", suggest(key, _TOP))
    version = value.get("schema_version")
    if version != 1 or isinstance(version, bool):
        newer = isinstance(version, int) and version > 1
        document.complain(
            ("schema_version",),
            f"The pack's schema_version is {version!r}.",
            "Install a newer release of Noria." if newer else "Write `schema_version: 1`.",
        )
    rules = value.get("rules", {})
    if not isinstance(rules, dict):
        document.complain(("rules",), "rules is not a mapping of rule ids.", "Write one key per rule under `rules:`.")
        value["rules"] = rules = {}
    for rule_id, body in list(rules.items()):
        if rule_id not in RULES:
            document.complain(("rules", rule_id), f"There is no rule {rule_id}.", suggest(rule_id, tuple(RULES)))
            del rules[rule_id]
        elif not isinstance(body, dict):
            document.complain(
                ("rules", rule_id), f"The rule {rule_id} is not a mapping.", f"It may have: {', '.join(OF_A_RULE)}."
            )
            del rules[rule_id]


def _has(value: Any, path: Path) -> bool:
    for part in path:
        if isinstance(value, dict) and str(part) in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return False
    return True


def _merge(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {key: _merge(below.get(key), above[key]) if key in above else below[key] for key in {**below, **above}}
    return above


def suggest(word: str, known: tuple[str, ...]) -> str:
    """What to do about a word that is not known."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]}?" if close else f"It may be: {', '.join(known)}."
