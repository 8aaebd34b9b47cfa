"""A layout with its copy, converted once and ready to be filled for every contact."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag
from liquid.exceptions import LiquidError
from mjml import mjml2html

from memory.bindings import BINDINGS, binding
from memory.brand import Brand, Colours, stays_on
from memory.errors import InvalidInputError
from memory.play import Play
from memory.slots import Slot, binding_slot, layout_names, layout_needs, nested, parse_layout, parse_slot
from memory.steps import Copy, SendStep
from tools.plain_text import words

_ELEMENTS: Final = frozenset(
    {
        "mjml",
        "mj-head",
        "mj-title",
        "mj-attributes",
        "mj-all",
        "mj-class",
        "mj-style",
        "mj-body",
        "mj-wrapper",
        "mj-section",
        "mj-group",
        "mj-column",
        "mj-text",
        "mj-image",
        "mj-button",
        "mj-divider",
        "mj-spacer",
    }
)
_FORBIDDEN: Final = ("script", "form", "input", "iframe", "object", "embed", "base", "link")
OWN_PAGES: Final = frozenset({"links.unsubscribe", "links.preferences", "links.confirm"})
"""Links that lead to this installation itself."""
_NO_ADDRESS: Final = re.compile(r'[\x00-\x20\\<>"]')
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
# What belongs to one contact, so that a layout may place it by itself: surely, or after asking for it.
_PLACEABLE: Final = frozenset({"product", "category", "last_order", "offer", "links"})


_Choices = tuple[tuple[str, str, str], ...]
"""Key, label and link of each choice."""


class RenderError(InvalidInputError):
    """A layout cannot be turned into a message that may leave."""

    code = "render"


@dataclass(frozen=True)
class Pattern:
    """Fixed text with gaps, alternating: fixed, slot, fixed, slot, …, fixed."""

    parts: tuple[str, ...]

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with each gap filled by the value of its slot."""
        return "".join(part if index % 2 == 0 else values[part] for index, part in enumerate(self.parts))


@dataclass(frozen=True)
class Mould:
    """A message ready to be filled: its slots, and where they stand in HTML and text."""

    slots: Mapping[str, Slot]
    html: Pattern
    text: Pattern
    links: tuple[str, ...]
    """Bindings that stand in addresses."""

    def check_links(self, values: Mapping[str, str], brand: Brand) -> None:
        """Refuse addresses off the allowed domains; Noria's own pages may be anywhere on https. Raises RenderError."""
        for name in self.links:
            address = values.get(name)
            if address is None:
                continue
            fits = leads_out(address) if name in OWN_PAGES else brand.allows_link(address)
            if not fits:
                raise RenderError(
                    "A link leads to an address that is not allowed.",
                    where=name,
                    remedy="Use https, and name the domain under link_domains in the brand file.",
                )


def make_mould(play: Play, step: SendStep, language: str, values: Collection[str] = tuple(BINDINGS)) -> Mould:
    """The mould of a step in one language, kept for the next contact. Raises RenderError or SlotError.

    What the layout asks for with `{% if … %}` and is not among the names in ``values`` is left out.
    """
    layout = play.layout(step)
    optional = set(layout_names(layout)) - set(layout_needs(layout))
    offer = "none" if play.offer is None else "code" if play.offer.code or play.offer.single_use else "label"
    return _make(
        layout,
        _Looks.of(play.brand),
        step.copies[language],
        step.link,
        tuple((choice.key, choice.labels[language], choice.link) for choice in step.choices),
        language,
        offer,
        frozenset(name for name in optional.difference(values) if _is_placeable(name)),
    )


@dataclass(frozen=True)
class _Looks:
    """What a layout takes from the brand."""

    name: str
    sender_name: str
    postal_address: str
    website: str
    logo_url: str | None
    colours: Colours
    link_domains: tuple[str, ...]

    @classmethod
    def of(cls, brand: Brand) -> _Looks:
        return cls(
            brand.name,
            brand.sender_name,
            brand.postal_address,
            brand.website,
            brand.logo_url,
            brand.colours,
            brand.link_domains,
        )

    def values(self) -> dict[str, str]:
        found = {f"brand.colours.{name}": str(value) for name, value in self.colours.model_dump().items()}
        for name in ("name", "sender_name", "postal_address", "website", "logo_url"):
            value = getattr(self, name)
            if value:
                found[f"brand.{name}"] = value
        return found


class _Marks:
    """Stand-ins for slots while MJML is converted: plain letters and digits that survive every escaping."""

    def __init__(self, seed: str, names: Iterator[str]) -> None:
        stem = f"slot{hashlib.sha256(seed.encode()).hexdigest()[:16]}n"
        self._pattern = re.compile(f"({stem}\\d+z)")
        self.marks = {name: f"{stem}{index}z" for index, name in enumerate(names)}
        self._names = {mark: name for name, mark in self.marks.items()}

    def name(self, mark: str) -> str | None:
        return self._names.get(mark)

    def pattern(self, text: str) -> Pattern:
        return Pattern(tuple(self._names.get(part, part) for part in self._pattern.split(text)))

    def used(self, text: str) -> set[str]:
        return {self._names[mark] for mark in self._pattern.findall(text)}


@lru_cache(maxsize=512)
def _make(
    source: str,
    looks: _Looks,
    copy: Copy,
    link: str,
    choices: _Choices,
    language: str,
    offer: str,
    without: frozenset[str],
) -> Mould:
    slots = {name: slot for name, slot in _slots(copy, link, choices, offer) if name not in without}
    marks = _Marks(repr((source, looks, copy, link, choices)), iter(slots))
    placed: dict[str, object] = {name: mark for name, mark in marks.marks.items() if not name.startswith("copy.body.")}
    body = [mark for name, mark in marks.marks.items() if name.startswith("copy.body.")]
    buttons = [{part: marks.marks[f"choices.{key}.{part}"] for part in ("label", "link")} for key, _, _ in choices]
    own = {"copy.language": language, "copy.body": body, "copy.choices": buttons}
    tree = nested(placed | looks.values() | own)
    html = _convert(source, tree)
    page = BeautifulSoup(html, "html.parser")
    links = _addresses(page, marks, slots, looks)
    text = words(page)
    _demand_what_the_law_wants(text, marks.used(text), slots, looks)
    used = {"copy.subject", "copy.preheader"} | marks.used(html) | marks.used(text)
    kept = {name: slot for name, slot in slots.items() if name in used}
    return Mould(kept, marks.pattern(html), marks.pattern(text), links)


def _slots(copy: Copy, link: str, choices: _Choices, offer: str) -> Iterator[tuple[str, Slot]]:
    for name in ("subject", "preheader", "headline", "button"):
        if source := getattr(copy, name):
            yield f"copy.{name}", parse_slot(source)
    for index, paragraph in enumerate(copy.body):
        yield f"copy.body.{index}", parse_slot(paragraph)
    yield "copy.link", parse_slot(link)
    for key, label, target in choices:
        yield f"choices.{key}.label", parse_slot(label)
        yield f"choices.{key}.link", parse_slot(target)
    for name in BINDINGS:
        root = name.split(".", 1)[0]
        absent = (root == "offer" and offer == "none") or (name == "offer.code" and offer == "label")
        if _is_placeable(name) and not absent:
            yield name, binding_slot(name)


def _is_placeable(name: str) -> bool:
    return name.split(".", 1)[0] in _PLACEABLE


def _convert(source: str, tree: Mapping[str, object]) -> str:
    try:
        mjml = parse_layout(source).render(**tree)
    except LiquidError as error:
        raise RenderError(
            f"The layout asks for something that is not there: {str(error).splitlines()[0]}.",
            where="layout",
            remedy="Ask first with {% if … %}; what only some contacts have comes from the copy.",
        ) from error
    strange = sorted(set(re.findall(r"<(mj[\w-]*)", mjml)) - _ELEMENTS)
    if strange:
        raise RenderError(
            f"The layout uses <{strange[0]}>, which is not one of the allowed MJML elements.",
            where="layout",
            remedy=f"Use: {', '.join(sorted(_ELEMENTS))}.",
        )
    try:
        # No web fonts: a message asks nothing of a third party when it is opened.
        return str(mjml2html(mjml, fonts={}))
    except ValueError as error:
        raise RenderError(
            f"The layout is not valid MJML: {error}.", where="layout", remedy="Close every tag."
        ) from error


def _addresses(page: BeautifulSoup, marks: _Marks, slots: Mapping[str, Slot], looks: _Looks) -> tuple[str, ...]:
    """The bindings that stand in addresses; refuses whatever else an address could be made of."""
    found: list[str] = []
    for element in page.find_all(True):
        if element.name in _FORBIDDEN or any(name.startswith("on") for name in element.attrs):
            raise RenderError(
                f"A message cannot do what <{element.name}> does here.", where="layout", remedy="Take it out."
            )
        if element.name in {"a", "img"}:
            binding = _address(element, marks, slots, looks)
            found.extend([binding] if binding else [])
    return tuple(dict.fromkeys(found))


def _address(element: Tag, marks: _Marks, slots: Mapping[str, Slot], looks: _Looks) -> str | None:
    attribute, kind = ("href", "link") if element.name == "a" else ("src", "image")
    address = str(element.get(attribute, ""))
    name = marks.name(address)
    if name is not None:
        names = slots[name].names
        found = binding(names[0]) if len(names) == 1 else None
        if found is not None and found.kind == kind and slots[name].is_bare:
            return names[0]
    elif address in {looks.website, looks.logo_url} or _fixed_address_fits(address, marks, looks):
        return None
    raise RenderError(
        f"A {'link' if kind == 'link' else 'picture'} of this message leads to no allowed address.",
        where=f"layout or link of the step, {attribute}",
        remedy="Use a binding such as {{ links.shop }}, or an https address on a domain that the brand file allows.",
    )


def _fixed_address_fits(address: str, marks: _Marks, looks: _Looks) -> bool:
    # An address put together from values could tell its target who the reader is.
    return (
        not marks.used(address)
        and address.startswith("https://")
        and stays_on(address, looks.website, looks.link_domains)
    )


def _demand_what_the_law_wants(text: str, placed: set[str], slots: Mapping[str, Slot], looks: _Looks) -> None:
    """Refuse a layout that hides copy, the postal address or the way out."""
    wanted = [name for name in slots if name.startswith(("copy.headline", "copy.body.", "copy.button", "choices."))]
    wanted += ["copy.link"] if "copy.button" in slots else []
    lacking = [name for name in (*wanted, "links.unsubscribe") if name not in placed]
    if " ".join(looks.postal_address.split()) not in " ".join(text.split()):
        lacking.append("brand.postal_address")
    if lacking:
        raise RenderError(
            f"The layout leaves out {', '.join(lacking)}.",
            where="layout",
            remedy="Every message shows its whole copy, the postal address and a visible way to unsubscribe.",
        )


@lru_cache(maxsize=64)
def leads_out(address: str) -> bool:
    """Whether an address may stand as the way out: https, or http on this machine only."""
    if _NO_ADDRESS.search(address):
        return False
    parts = urlsplit(address)
    return (parts.scheme == "https" and bool(parts.hostname)) or (
        parts.scheme == "http" and parts.hostname in _LOOPBACK
    )
