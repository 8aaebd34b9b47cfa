"""What is wrong with a playbook that is well-formed: languages, exits, records, offers and texts that do not fit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import fsum
from typing import Final

from agents.playbook_model import NUMBER, Playbook, sends_of, slots_of
from memory.bindings import binding
from memory.errors import InvalidInputError
from memory.features.registry import REGISTRY
from memory.play import RecordKind
from memory.segments.grammar import fields, parse
from memory.sequence_check import defects, last_send
from memory.slots import layout_names, parse_slot
from memory.steps import SendStep, Sequence
from memory.trigger import EventTrigger

LANGUAGES: Final = ("en", "fr")
"""Languages in which every playbook is written; it may have more."""

EXITS: Final = ("goal", "consent_withdrawn", "suppressed")
"""Conditions on which every campaign lets people out."""

WHY_NOW_FACTS: Final = frozenset({"contacts", "share", "base_rate", "window_days"})
"""Numbers that a "why now" sentence may name; the analyst fills them from its look-ups."""

_ONLY_BY_MESSAGE: Final = frozenset({"click", "reply", "unsubscribe"})

_RECORD_OF: Final[Mapping[str, RecordKind]] = {
    "product.name": "product",
    "product.price": "product",
    "product.category": "product",
    "product.image": "product",
    "links.product": "product",
    "links.reorder": "product",
    "category.name": "category",
    "links.category": "category",
}

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a playbook, where, and what to do."""

    path: Path
    """Place inside the file, for example ("sequences", 0, "steps", 1)."""
    what: str
    remedy: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.file else ".".join(str(part) for part in self.path)
        return f"{place}: {self.what} {self.remedy}"


def check(playbook: Playbook, languages: Collection[str] = LANGUAGES) -> list[Problem]:
    """Everything that would keep the play from being proposed, written or ended; empty for a sound playbook.

    Its messages have to be written in each of ``languages``.
    """
    found = [
        *_languages(playbook, languages),
        *_exits(playbook),
        *_shares(playbook),
        *_records(playbook),
        *_measured(playbook),
    ]
    for index, sequence in enumerate(playbook.sequences):
        found += _steps(playbook, sequence, ("sequences", index, "steps"))
    if not found:
        # Only sound texts and layouts can say whether they need an offer.
        found += _offers(playbook)
    return found


def _languages(playbook: Playbook, spoken: Collection[str]) -> Iterator[Problem]:
    for name in ("name", "signal", "why_now"):
        yield from _lacking(getattr(playbook, name), (name,), LANGUAGES)
    for index, sequence in enumerate(playbook.sequences):
        for place, step in enumerate(sequence.steps):
            if isinstance(step, SendStep) and step.reaches_contact:
                path = ("sequences", index, "steps", place, "copies")
                yield from _lacking(step.copies, path, spoken)
                yield from _unlike(step, path)
    for language, sentence in playbook.why_now.items():
        for name in sorted(set(NUMBER.findall(sentence)) - WHY_NOW_FACTS):
            yield Problem(
                ("why_now", language),
                f"“{{{{ {name} }}}}” is not a number that this sentence may name.",
                f"Use one of: {', '.join(sorted(WHY_NOW_FACTS))}.",
            )


def _lacking(words: Mapping[str, object], path: Path, languages: Collection[str]) -> Iterator[Problem]:
    for language in languages:
        if language not in words:
            yield Problem(path, f"The language “{language}” is missing.", f"Write it under “{language}:”.")


def _unlike(step: SendStep, path: Path) -> Iterator[Problem]:
    """What one language of a message says and another leaves out."""
    filled = {language: {slot for slot, text in copy if text} for language, copy in step.copies.items()}
    for language, slots in filled.items():
        for slot in sorted(set().union(*filled.values()) - slots):
            what = f"There is no “{slot}”, which another language has."
            yield Problem((*path, language), what, "Write it, or leave it out of all languages.")


def _exits(playbook: Playbook) -> Iterator[Problem]:
    for name in EXITS:
        if name not in playbook.exits:
            yield Problem(("exits",), f"The exit “{name}” is missing.", "Every play lets people out on it: add it.")


def _shares(playbook: Playbook) -> Iterator[Problem]:
    keys = [sequence.key for sequence in playbook.sequences]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield Problem(("sequences",), f"Two sequences are called “{key}”.", "Give each its own key.")
    total = fsum(sequence.share for sequence in playbook.sequences)
    if abs(total - 1) > 1e-9:
        yield Problem(
            ("sequences",), f"The shares of the sequences add up to {total:g}, not to 1.", "Correct the shares."
        )
    for key in sorted(set(keys) ^ set(playbook.levels)):
        what = f"The sequence “{key}” has no level" if key in keys else f"“{key}” is not a sequence"
        yield Problem(("levels",), f"{what}.", f"Name one level of “{playbook.lever}” for each sequence.")


def _measured(playbook: Playbook) -> Iterator[Problem]:
    if playbook.goal.event in _ONLY_BY_MESSAGE:
        yield Problem(
            ("goal", "event"),
            f"Whoever gets no message can never reach a “{playbook.goal.event}”.",
            "Choose something that people also do by themselves.",
        )
    if not playbook.holdout_share and any(step.purpose == "marketing" for step in playbook.sends()):
        yield Problem(
            ("holdout_share",),
            "Without a holdout nothing can be learned.",
            "Give a share; only plays whose every message is transactional hold nobody out.",
        )


def _records(playbook: Playbook) -> Iterator[Problem]:
    asked = fields(parse(playbook.segment))
    for kind, feature in playbook.records.items():
        path = ("records", kind)
        if feature not in REGISTRY or REGISTRY[feature].kind != "text":
            yield Problem(path, f"“{feature}” is not a feature that names a {kind}.", "Choose one from the registry.")
        elif feature not in asked:
            yield Problem(
                path,
                f"The segment lets in contacts without a “{feature}”.",
                f"Add {{type: not, of: {{type: missing, field: {feature}}}}} to the segment.",
            )


def _steps(playbook: Playbook, sequence: Sequence, path: Path) -> Iterator[Problem]:
    places = {step.key: index for index, step in enumerate(sequence.steps)}
    if not sends_of(sequence):
        yield Problem(path, "This sequence sends nothing.", "Add a step of the kind “send”.")
    wrong = defects(sequence)
    for defect in wrong:
        yield Problem((*path, places[defect.step]), defect.what, defect.remedy)
    for index, step in enumerate(sequence.steps):
        if isinstance(step, SendStep):
            yield from _texts(playbook, step, (*path, index))
    latest = timedelta() if wrong else last_send(sequence)
    if latest >= timedelta(days=playbook.goal.window_days):
        yield Problem(
            path,
            "The last message leaves after the goal's window has closed.",
            "Shorten the waits or lengthen goal.window_days.",
        )


def _texts(playbook: Playbook, step: SendStep, path: Path) -> Iterator[Problem]:
    for place, text in slots_of(step).items():
        here = (*path, *(int(part) if part.isdecimal() else part for part in place.split(".")))
        try:
            names = parse_slot(text).names
        except InvalidInputError as error:
            yield Problem(here, error.what, error.remedy)
            continue
        yield from _unsupported(playbook, step, names, here)
        if here[-1] == "link":
            slot = parse_slot(text)
            target = binding(names[0]) if slot.is_bare else None
            if target is None or target.kind != "link" or target.name == "links.unsubscribe":
                yield Problem(here, "The button must lead to one link.", "Write one binding such as {{ links.shop }}.")
    if not step.template:
        return
    here = (*path, "template")
    source = playbook.templates.get(step.template)
    if source is None:
        yield Problem(
            here,
            f"There is no layout “{step.template}”.",
            f"Put {step.template}.mjml beside the playbook or into the folder “layouts”.",
        )
        return
    try:
        names = layout_names(source)
        if step.choices and "copy.choices" not in names:
            yield Problem(here, f"Layout “{step.template}” shows no choices.", "Use the layout “choices”.")
        yield from _unsupported(playbook, step, names, here)
    except InvalidInputError as error:
        yield Problem(here, f"Layout “{step.template}”: {error.what}", error.remedy)


def _unsupported(playbook: Playbook, step: SendStep, names: tuple[str, ...], path: Path) -> Iterator[Problem]:
    """Bindings for which the play has no record to read."""
    given = playbook.trigger.records if isinstance(playbook.trigger, EventTrigger) else {}
    for name in names:
        root = name.split(".", 1)[0]
        kind = _RECORD_OF.get(name)
        if kind is not None and kind not in {*playbook.records, *given, *step.records}:
            yield Problem(
                path,
                f"“{{{{ {name} }}}}” needs a {kind}, and the play names none.",
                f"Name the feature that holds it under records.{kind}, or the event's property under trigger.records.",
            )
        if name == "last_order.product_name" and playbook.records.get("product") != "last_product_id":
            yield Problem(
                path,
                f"“{{{{ {name} }}}}” needs the product of the last order.",
                "Write records: {product: last_product_id}.",
            )
        if root == "offer" and playbook.offer.use == "none":
            yield Problem(
                path,
                f"“{{{{ {name} }}}}” speaks of an offer, and the play uses none.",
                "Set offer.use, or change the text.",
            )


def _offers(playbook: Playbook) -> Iterator[Problem]:
    needing = [playbook.needs_offer(sequence) for sequence in playbook.sequences]
    if playbook.offer.use == "optional" and all(needing):
        yield Problem(("offer", "use"), "No sequence can run without an offer.", "Set it to “required”.")
    if playbook.offer.use != "none" and not any(needing):
        yield Problem(("offer", "use"), "No message speaks of the offer.", "Set it to “none”, or use the offer.")
