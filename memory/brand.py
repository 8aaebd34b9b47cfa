"""The brand file: who speaks, how it looks and sounds, filled in once by a team."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints, ValidationError, model_validator

from memory.choices import Question, Topic, twice
from memory.errors import InvalidInputError
from memory.marked_yaml import complaints, read_yaml

Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
# Nobody can own these domains (RFC 2606).
_RESERVED = re.compile(r"[@.]example\.(com|net|org)$", re.IGNORECASE)
_WHO = ("name", "sender_name", "sender_address", "reply_to", "postal_address", "website")
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Colours(BaseModel):
    """Colours of every message, as #rrggbb."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    primary: Colour = "#1f5f8b"
    on_primary: Colour = "#ffffff"
    background: Colour = "#f4f4f1"
    surface: Colour = "#ffffff"
    text: Colour = "#22262a"
    muted: Colour = "#5c646b"


class Voice(BaseModel):
    """How the brand sounds; the copywriter follows it, the guardian checks the banned words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tone: tuple[str, ...] = ("warm", "plain", "brief")
    formal_french: bool = True
    """True says "vous", false says "tu"."""
    banned_words: tuple[str, ...] = ()


class ApprovedFact(BaseModel):
    """A claim that copy may make, in the words of each language, and who vouches for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    texts: dict[Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")], Text] = Field(min_length=1)
    approved_by: Text
    valid_until: date | None = None
    """Last day on which it may be said."""


class Brand(BaseModel):
    """Name, sender, address, looks and voice; part of every approved play."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Text
    sender_name: Text
    sender_address: EmailStr
    reply_to: EmailStr | None = None
    postal_address: Text
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = "en"
    """Language of messages to contacts whose own is unknown, or in which nothing was written."""
    website: Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]
    logo_url: Annotated[str, StringConstraints(pattern=r"^https://[^\s]+$")] | None = None
    link_domains: tuple[str, ...] = ()
    """Domains that links may point to, besides the website's own."""
    colours: Colours = Field(default_factory=Colours)
    voice: Voice = Field(default_factory=Voice)
    facts: tuple[ApprovedFact, ...] = ()
    topics: tuple[Topic, ...] = Field(default=(), max_length=20)
    """What messages are about; contacts choose among them."""
    questions: tuple[Question, ...] = Field(default=(), max_length=10)
    """What contacts may tell about themselves."""

    @model_validator(mode="after")
    def _ids_differ(self) -> Brand:
        for what, ids in (
            ("topic", [one.id for one in self.topics]),
            ("question", [one.id for one in self.questions]),
            *((f"answer to {one.id}", [choice.id for choice in one.choices]) for one in self.questions),
        ):
            if double := twice(ids):
                raise ValueError(f"the {what} {double} stands there twice")
        return self

    def left_from(self, example: Brand) -> tuple[str, ...]:
        """What was not filled in yet: who writes, and claims nobody here made, that still say what an example says."""
        left = {name for name in _WHO if getattr(self, name) and getattr(self, name) == getattr(example, name)}
        if _RESERVED.search(self.sender_address):
            left.add("sender_address")
        claims = (f"facts.{fact.id}" for fact in self.facts if fact in example.facts)
        return (*(name for name in _WHO if name in left), *claims)

    def allows_link(self, address: str) -> bool:
        """Whether a link stays on the website or on one of the allowed domains (or a subdomain of them)."""
        return stays_on(address, self.website, self.link_domains)


@lru_cache(maxsize=1024)
def stays_on(address: str, website: str, link_domains: tuple[str, ...]) -> bool:
    """Whether an http(s) address is on the website's domain, on one of the named domains, or below them."""
    host = _host(address)
    named = (_host(website), *(domain.lower().strip(".") for domain in link_domains))
    domains = [domain.removeprefix("www.") for domain in named if domain]
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


# WCAG 2.2, success criterion 1.4.3 (AA): text of normal size.
READABLE_CONTRAST = 4.5

_PAIRS = (("text", "surface"), ("text", "background"), ("muted", "surface"), ("muted", "background"))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two #rrggbb colours, from 1 (the same) to 21 (black on white); WCAG 2.2, relative luminance."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def load_brand(text: str, where: str) -> Brand:
    """Read a brand file. Raises InvalidInputError with the line, what is wrong and what to do."""
    marked = read_yaml(text, where=where)
    try:
        brand = Brand.model_validate(marked.data)
    except ValidationError as error:
        found = complaints(error, marked)
        raise InvalidInputError(
            " ".join(
                complaint.what if len(found) == 1 else f"Line {complaint.line}: {complaint.what}" for complaint in found
            ),
            where=f"{where}, line {found[0].line}",
            remedy="The documentation of the brand file lists every setting with an example.",
        ) from error
    _refuse_pale_text(brand.colours, marked.line(("colours",)), where)
    return brand


def _refuse_pale_text(colours: Colours, line: int, where: str) -> None:
    for ink, paper in (*_PAIRS, ("on_primary", "primary")):
        ratio = contrast(getattr(colours, ink), getattr(colours, paper))
        if ratio < READABLE_CONTRAST:
            better = max(("#000000", "#ffffff"), key=lambda colour: contrast(colour, getattr(colours, paper)))
            raise InvalidInputError(
                f"“{ink}” on “{paper}” is hard to read: contrast {ratio:.1f}, and {READABLE_CONTRAST} is needed.",
                where=f"{where}, line {line}",
                remedy=f"Choose a “{ink}” with more contrast; {better} would do.",
            )


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[start : start + 2], 16) / 255) for start in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _host(address: str) -> str:
    # Browsers and Python disagree on what a backslash or a blank in an address means: neither belongs in a link.
    if any(character <= " " or character == "\\" for character in address):
        return ""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").lower().strip(".")
    except ValueError:
        return ""
    return host if parts.scheme in {"http", "https"} and not parts.username else ""
