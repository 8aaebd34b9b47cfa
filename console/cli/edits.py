"""Edits on the command line: options and a file become the changes that the agents read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from memory.errors import InvalidInputError


def read_edit(file: Path | None, assignments: Sequence[str], given: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """The changes of a file, overruled by STEP.LANGUAGE.SLOT=TEXT and by options. Raises InvalidInputError for none."""
    changes = _read_file(file)
    for assignment in assignments:
        _assign(changes, assignment)
    changes.update({name: value for name, value in given.items() if value is not None})
    if not changes:
        raise InvalidInputError("Nothing to change was given.", where=where, remedy=f"See `noria {where} --help`.")
    return changes


def _read_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"It is neither YAML nor JSON: {error}.", where=str(file), remedy="Mend that place and try again."
        ) from error
    if not isinstance(found, dict):
        raise InvalidInputError(
            "The file must hold one mapping of changes.", where=str(file), remedy='For example {"holdout_share": 0.2}.'
        )
    # Through JSON, so that dates become text as they would on the command line.
    result: dict[str, Any] = json.loads(json.dumps(found, default=str))
    return result


def _assign(changes: dict[str, Any], assignment: str) -> None:
    place, equals, text = assignment.partition("=")
    step, _, rest = place.rpartition(".")
    step, _, language = step.rpartition(".")
    if not (equals and step and language and rest):
        raise InvalidInputError(
            f"{assignment!r} is not STEP.LANGUAGE.SLOT=TEXT.",
            where="--set",
            remedy="For example: --set reminder.en.subject='We miss you'.",
        )
    slot: str | list[str] = text.split("\\n") if rest == "body" else text
    changes.setdefault("copies", {}).setdefault(step, {}).setdefault(language, {})[rest] = slot
