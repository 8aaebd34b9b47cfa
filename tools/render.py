"""Messages from layouts, copy and values: MJML once per text, personal values once per contact; SMS as plain text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Final

from memory.bindings import ANSWER, BINDINGS, binding
from memory.choices import in_language
from memory.errors import NoriaError
from memory.play import Play
from memory.slots import nested, parse_slot
from memory.steps import SendStep
from tools.bindings import Bindings, format_day, format_money, named_by, needed_by
from tools.mould import OWN_PAGES, RenderError, make_mould

Counted = Callable[[str, str], str]
"""Name and target of a link → the address that stands in the message."""
EXAMPLE_CODE: Final = "EXAMPLE"
_EXAMPLES: Final = {"code": EXAMPLE_CODE, "text": "Example"}
_RECORDS: Final = ("product.", "category.")
_MAY_BE_MISSING: Final = frozenset({"contact.first_name", "last_order.date"})
_CONTROLS: Final = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message as one contact will read it; a text message has its text only."""

    language: str
    subject: str
    preheader: str
    html: str
    text: str


def render(play: Play, step: SendStep, language: str, values: Bindings, counted: Counted | None = None) -> Rendered:
    """The message of a step for one contact; ``counted`` gives the address that stands for a link, to count its clicks.

    Raises MissingValueError where the text needs a value that is not there; RenderError or SlotError where the layout
    or the copy is at fault.
    """
    if step.channel == "sms":
        return _text_message(step, language, values)
    mould = make_mould(play, step, language, values.values)
    mould.check_links(values.values, play.brand)
    tree = nested(values.values)
    links = nested(_counted(values.values, counted)) if counted else tree
    trees = {name: links if slot.is_bare else tree for name, slot in mould.slots.items()}
    if counted:
        # Choices are told apart by their keys, wherever they lead.
        for choice in step.choices:
            mine = _counted(values.values, partial(_under, counted, choice.key))
            trees[f"choices.{choice.key}.link"] = nested(mine)
    plain = {name: _one_line(slot.text(trees[name])) for name, slot in mould.slots.items()}
    rich = {name: slot.html(trees[name]) for name, slot in mould.slots.items()}
    _none_empty(plain, step, language)
    return Rendered(
        language=language,
        subject=plain["copy.subject"],
        preheader=plain.get("copy.preheader", ""),
        html=mould.html.fill(rich),
        text=mould.text.fill(plain),
    )


def _text_message(step: SendStep, language: str, values: Bindings) -> Rendered:
    """Nothing but its text: each paragraph on a line of its own."""
    tree = nested(values.values)
    body = step.copies[language].body
    lines = {f"copy.body.{place}": _one_line(parse_slot(text).text(tree)) for place, text in enumerate(body)}
    _none_empty(lines, step, language)
    return Rendered(language=language, subject="", preheader="", html="", text="\n".join(lines.values()))


def _none_empty(texts: Mapping[str, str], step: SendStep, language: str) -> None:
    empty = next((name for name, text in texts.items() if not text), None)
    if empty is not None:
        raise RenderError(
            f"The slot “{empty}” comes out empty for this contact.",
            where=f"step {step.key}, {language}",
            remedy="Give the text words for contacts without that value, after {% else %}.",
        )


def rehearse(play: Play) -> list[str]:
    """Render every step in every language for a contact with a full record and for a bare one; say what goes wrong."""
    found: list[str] = []
    shown = [play.model_copy(update={"offer": offer, "tiers": ()}) for offer in play.offers or (None,)]
    for (sequence, step), one in product(play.sends(), shown):
        for language in step.copies:
            full = example(one, language)
            try:
                render(one, step, language, full)
                render(one, step, language, without_optional(one, step, full))
            except NoriaError as error:
                found.append(f"{sequence.key}, {step.key}, {language}: {error}")
    return list(dict.fromkeys(found))


def shows_offer(play: Play) -> bool:
    """Whether some message of a play speaks of its offer: the label, the code, or the day it ends."""
    return any(
        name.startswith("offer.")
        for _, step in play.sends()
        for language in step.copies
        for name in named_by(play, step, language)
    )


def largest_html_bytes(play: Play) -> int:
    """Size of a play's largest e-mail as HTML, filled with example values; 0 where none can be made."""
    sizes = [0]
    shown = [play.model_copy(update={"offer": offer, "tiers": ()}) for offer in play.offers or (None,)]
    for (_, step), one in product(play.sends(), shown):
        for language in step.copies:
            # What cannot be rendered at all is for other rules, and for the rehearsal, to say.
            with suppress(NoriaError):
                sizes.append(len(render(one, step, language, example(one, language)).html.encode()))
    return max(sizes)


def example(play: Play, language: str, *, bare: bool = False) -> Bindings:
    """Made-up values for previews and rehearsals; bare leaves out what a contact may lack."""
    written = _EXAMPLES | {
        "money": format_money(1250, "EUR", language=language),
        "date": format_day(play.schedule.starts_at, play.schedule.fallback_zone, language=language),
    }
    values = {name: written.get(binding.kind, play.brand.website) for name, binding in BINDINGS.items()}
    values |= {
        "contact.first_name": "Camille",
        "brand.name": play.brand.name,
        "brand.sender_name": play.brand.sender_name,
    }
    values |= {f"{ANSWER}{one.id}": in_language(one.choices[0].name, language) for one in play.brand.questions}
    if play.offer is None:
        values = {name: value for name, value in values.items() if not name.startswith("offer.")}
    else:
        values |= {
            "offer.label": play.offer.labels.get(language, ""),
            "offer.code": EXAMPLE_CODE if play.offer.single_use else play.offer.code,
        }
    absent = {name for name, value in values.items() if not value or (bare and _may_be_missing(name))}
    return Bindings(language, {name: value for name, value in values.items() if name not in absent})


def _under(counted: Counted, key: str, _name: str, target: str) -> str:
    return counted(key, target)


def _counted(values: Mapping[str, str], counted: Counted) -> dict[str, str]:
    """The values with links to the brand led past the counter; Noria's own pages are nobody's clicks."""
    counts = {name for name in values if name not in OWN_PAGES and (found := binding(name)) and found.kind == "link"}
    return {
        name: counted(name.removeprefix("links."), value) if name in counts else value for name, value in values.items()
    }


def without_optional(play: Play, step: SendStep, values: Bindings) -> Bindings:
    """The values that a message has for a contact of whom only the necessary is known."""
    needed = needed_by(play, step, values.language)
    kept = {
        name: value
        for name, value in values.values.items()
        if not (_may_be_missing(name) or (name.startswith(_RECORDS) and name not in needed))
    }
    return Bindings(values.language, kept)


def _may_be_missing(name: str) -> bool:
    """Whether some contacts of one audience have a value of that name and others lack it."""
    return name in _MAY_BE_MISSING or name.startswith(ANSWER)


def _one_line(text: str) -> str:
    """One line without control characters: nothing in it can end a header or start a new one.

    No-break spaces stay: French typography and amounts of money need them.
    """
    seen = text
    if not text.isprintable():
        seen = "".join(" " if unicodedata.category(character) in _CONTROLS else character for character in text)
    return re.sub(r" {2,}", " ", seen).strip(" ")
