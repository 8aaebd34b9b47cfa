"""The numbers and words of a playbook, read from its file and written back changed."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from agents.playbook import Playbook, Problem, inspect_playbooks, load_playbooks
from console.house import HEAD, check_house, put_in_place
from console.wiring import PACKAGED_PLAYBOOKS, Workspace
from memory.canonical import digest
from memory.errors import ConflictError, InvalidInputError, NotFoundError
from memory.features.registry import REGISTRY
from memory.journal import append
from memory.segments.grammar import parse
from memory.segments.sentence import clause

Unit = Literal["count", "percent", "number", "money", "line", "lines"]
FILE: Final = "playbook.yaml"
_LIMITS: Final = {
    "goal.window_days": "Days within which the goal counts",
    "review_days": "Days until somebody looks at it again",
    "trigger.runs_days": "Days for which it lets contacts in",
    "reentry.days": "Days before somebody may come in again",
    "limits.recent_purchase_days": "Nobody who bought in so many days",
    "limits.contacts_per_day": "Contacts a day at most",
}
_LASTING: Final = ("wait", "wait_event")
_PARTS: Final = {"days": "days", "hours": "hours", "minutes": "minutes"}
_HOURS: Final = {"from_hour": "from hour", "until_hour": "until hour"}
_ENDS: Final = {"value": "value", "low": "from", "high": "to", "window_days": "in the last days:"}
_SLOTS: Final = {
    "subject": "subject", "preheader": "preheader", "headline": "headline", "body": "body, one paragraph a line",
    "button": "button", "text": "text",
}  # fmt: skip
_WORDS: Final = ("line", "lines")
LABELS: Final = (
    *_SLOTS.values(), *_LIMITS.values(), *_ENDS.values(), *_PARTS.values(), *_HOURS.values(),
    "Share held out, in percent", "Share of contacts, in percent", "At least, of the record",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Knob:
    """One number or text of a playbook that people may change."""

    path: str
    """Where it stands in the file, for example sequences.0.steps.1.days."""
    label: str
    value: str
    unit: Unit = "count"
    about: str = ""
    """Which condition, step or measure it belongs to."""
    language: str = ""
    """In which a text is read."""

    @property
    def is_text(self) -> bool:
        """Whether it is words, not a number."""
        return self.unit in _WORDS


def source_of(opened: Workspace, playbook_id: str) -> tuple[str, Path]:
    """The file of a playbook, the team's own before the packaged one, and its folder. Raises NotFoundError."""
    if playbook_id in opened.playbooks:
        for folder in (opened.folder / "playbooks", PACKAGED_PLAYBOOKS):
            path = folder / playbook_id / FILE
            if path.is_file():
                return path.read_text(encoding="utf-8"), path.parent
    raise NotFoundError(f"Playbook {playbook_id} is not known.", remedy="The gallery shows them all.")


def knobs(body: Mapping[str, Any], language: str, currency: str) -> list[Knob]:
    """All that may be changed: numbers of the whole play, of its segment and of each sequence, and its words."""
    return [*_of_the_play(body), *_of_the_segment(body, language, currency), *_of_the_sequences(body)]


def _of_the_play(body: Mapping[str, Any]) -> Iterator[Knob]:
    for path, label in _LIMITS.items():
        value = _at(body, path)
        if value is not None:
            yield Knob(path, label, str(value))
    yield Knob("holdout_share", "Share held out, in percent", _percent(body.get("holdout_share", 0.1)), "percent")
    for name, least in body.get("requires", {}).items():
        yield Knob(f"requires.{name}", "At least, of the record", f"{least:g}", "number", name)


def _of_the_segment(body: Mapping[str, Any], language: str, currency: str) -> Iterator[Knob]:
    for path, part in _parts(body["segment"], "segment"):
        said = clause(parse(part), language, currency=currency)
        for name, label in _ENDS.items():
            value = part.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                feature = REGISTRY.get(part.get("field", ""))
                money = feature is not None and feature.unit == "cents"
                shown = f"{value / 100:.2f}" if money else f"{value:g}"
                yield Knob(f"{path}.{name}", label, shown, "money" if money else "number", said)


def _of_the_sequences(body: Mapping[str, Any]) -> Iterator[Knob]:
    for place, sequence in enumerate(body["sequences"]):
        at = f"sequences.{place}"
        yield Knob(f"{at}.share", "Share of contacts, in percent", _percent(sequence["share"]), "percent")
        for number, step in enumerate(sequence["steps"]):
            names = _PARTS if step["kind"] in _LASTING else _HOURS if step["kind"] == "wait_window" else {}
            for name, label in names.items():
                yield Knob(f"{at}.steps.{number}.{name}", label, str(step.get(name, 0)), about=step["key"])
            yield from _of_the_words(step, f"{at}.steps.{number}")


def _of_the_words(step: Mapping[str, Any], at: str) -> Iterator[Knob]:
    for language, slots in step.get("copies", {}).items():
        for slot, said in slots.items():
            lines = isinstance(said, list)
            yield Knob(
                f"{at}.copies.{language}.{slot}",
                _SLOTS.get(slot, slot),
                "\n".join(said) if lines else said,
                "lines" if lines else "line",
                step["key"],
                language,
            )


def turned(body: Mapping[str, Any], values: Mapping[str, str], kept: tuple[str, ...]) -> dict[str, Any]:
    """The file with other numbers and words and only the sequences that are kept; its version is one higher.

    Raises InvalidInputError for what is no number, or where no sequence would be left.
    """
    new: dict[str, Any] = json.loads(json.dumps(body))
    for knob in knobs(body, "en", ""):
        said = _tidy(values.get(knob.path, knob.value), knob)
        if said != knob.value:
            _put(new, knob.path, _read(said, knob))
    new["sequences"] = [one for one in new["sequences"] if one["key"] in kept]
    if not new["sequences"]:
        raise InvalidInputError("No sequence would be left.", remedy="Keep one at least.")
    new["levels"] = {key: level for key, level in new["levels"].items() if key in kept}
    return new if new == body else new | {"version": body["version"] + 1}


def read_turned(opened: Workspace, playbook_id: str, text: str, beside: Path) -> Playbook | list[Problem]:
    """The playbook of a new file, with the layouts that lie beside it, or what `noria playbook check` says of it."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / playbook_id
        shutil.copytree(beside, folder)
        (folder / FILE).write_text(text, encoding="utf-8")
        layouts = opened.folder / "playbooks" / "layouts"
        if layouts.is_dir():
            shutil.copytree(layouts, Path(made) / "layouts")
        return inspect_playbooks(Path(made)) or load_playbooks(Path(made))[playbook_id]


def foresee_playbook(
    opened: Workspace, playbook_id: str, values: Mapping[str, str], kept: tuple[str, ...]
) -> Playbook | list[Problem]:
    """The playbook as it would be with other numbers and words; nothing is written."""
    text, folder = source_of(opened, playbook_id)
    return read_turned(opened, playbook_id, _written(turned(yaml.safe_load(text), values, kept)), folder)


def change_playbook(
    opened: Workspace, playbook_id: str, values: Mapping[str, str], kept: tuple[str, ...], *, seen: str, actor: str
) -> list[Problem]:
    """Make a playbook the team's own with other numbers or words; returns what is wrong, and then nothing was changed.

    What runs goes on as it was approved. Raises ConflictError if the file is another than the one looked at.
    """
    text, folder = source_of(opened, playbook_id)
    if digest(text) != seen:
        raise ConflictError(
            "The playbook was changed since you opened this page.",
            where=f"playbook {playbook_id}",
            remedy="Open the page again, and make your change there.",
        )
    body = yaml.safe_load(text)
    changed = turned(body, values, kept)
    if changed == body:
        raise InvalidInputError("Nothing was changed.", remedy="Change something, or go back.")
    new = _written(changed)
    found = read_turned(opened, playbook_id, new, folder)
    if not isinstance(found, Playbook):
        return found
    check_house(opened)
    own = opened.folder / "playbooks" / playbook_id
    for layout in sorted(folder.glob("*.mjml")):
        if folder != own:
            put_in_place(own / layout.name, layout.read_text(encoding="utf-8"))
    put_in_place(own / FILE, new)
    with opened.store.write() as connection:
        append(
            connection,
            at=opened.clock.now(),
            actor=actor,
            action="playbook.changed",
            subject=f"playbook {playbook_id}",
            payload={"version": changed["version"], "before": seen, "after": digest(new)},
        )
    opened.take_up_house()
    return []


def _written(body: Mapping[str, Any]) -> str:
    return HEAD + yaml.safe_dump(dict(body), sort_keys=False, allow_unicode=True, width=120)


def _parts(part: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every condition of a segment, with its place in the file."""
    inner = part.get("of")
    if isinstance(inner, list):
        for place, one in enumerate(inner):
            yield from _parts(one, f"{path}.of.{place}")
    elif isinstance(inner, dict):
        yield from _parts(inner, f"{path}.of")
    else:
        yield path, part


def _at(body: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(body, list):
            body = body[int(name)]
        elif name in body:
            body = body[name]
        else:
            return None
    return body


def _put(body: Any, path: str, value: float | str | list[str]) -> None:
    parent, _, name = path.rpartition(".")
    (_at(body, parent) if parent else body)[name] = value


def _tidy(text: str, knob: Knob) -> str:
    if knob.unit != "lines":
        return text.strip()
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def _read(text: str, knob: Knob) -> float | str | list[str]:
    if knob.is_text:
        return text.splitlines() if knob.unit == "lines" else text
    return _number(text, knob)


def _number(text: str, knob: Knob) -> float:
    try:
        number = int(text) if knob.unit == "count" else float(text.replace(",", "."))
        # Neither infinity nor "nan" has a whole part.
        int(number)
    except (ValueError, OverflowError):
        what = "whole number" if knob.unit == "count" else "number"
        raise InvalidInputError(f"{text!r} is no {what}.", where=knob.path, remedy="Write digits only.") from None
    scaled = {"percent": number / 100, "money": round(number * 100)}.get(knob.unit, number)
    if knob.unit == "percent":
        return round(scaled, 6)
    return int(scaled) if scaled == int(scaled) else scaled


def _percent(share: float) -> str:
    return f"{100 * share:g}"
