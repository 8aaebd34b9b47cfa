"""Layouts can be read by everybody: pictures say what they show, text stands out, headings come in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bs4 import BeautifulSoup, Tag
from pydantic import Field

from memory.brand import READABLE_CONTRAST, Brand, contrast
from policies.facts import ProposalFacts
from policies.rule import Context, Parameters, Rule, Ruling, refuse

_BINDING: Final = re.compile(r"\{\{-?\s*brand\.colours\.(\w+)\s*-?\}\}")
_STYLE: Final = re.compile(r"(?:^|;)\s*(background-color|background|color)\s*:\s*([^;]+)", re.IGNORECASE)
_HEX: Final = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)
_NAMED: Final = {"white": "#ffffff", "black": "#000000", "red": "#ff0000", "gray": "#808080", "grey": "#808080"}
_PAPER: Final = "#ffffff"
_HEADINGS: Final = ("h1", "h2", "h3", "h4", "h5", "h6")


class AccessibilityLimits(Parameters):
    """How well text must stand out."""

    minimum_contrast_ratio: float = Field(default=READABLE_CONTRAST, ge=1, le=21)
    """Between text and what it stands on, as WCAG 2.2 counts it."""


def review(facts: ProposalFacts, limits: AccessibilityLimits, context: Context) -> list[Ruling]:
    play = facts.play
    said = []
    for name in play.layouts():
        # html.parser reads MJML as it stands; its conditions are text like any other.
        tree = BeautifulSoup(play.templates[name], "html.parser")
        for what, fact, limit in (
            *_silent_pictures(tree),
            *_headings(tree),
            *_pale(tree, play.brand, limits.minimum_contrast_ratio),
        ):
            said.append(refuse(f"Template {name} {what}.", fact=fact, limit=limit, part="copy"))
    return said


def _silent_pictures(tree: BeautifulSoup) -> Iterator[tuple[str, str, str]]:
    for picture in tree.find_all(["mj-image", "img"]):
        if picture.get("alt") is None:
            source = str(picture.get("src", ""))[:80]
            yield (
                "holds a picture that says nothing to who cannot see it",
                source,
                'an alt text, or alt="" for an ornament',
            )


def _headings(tree: BeautifulSoup) -> Iterator[tuple[str, str, str]]:
    levels = [int(heading.name[1]) for heading in tree.find_all(_HEADINGS)]
    for before, level in zip([0, *levels], levels, strict=False):
        if level > before + 1:
            after = f"h{level} after h{before}" if before else f"h{level} comes first"
            yield "skips a level of headings", after, "h1 first, and each next heading at most one level deeper"
            return


def _pale(tree: BeautifulSoup, brand: Brand, least: float) -> Iterator[tuple[str, str, str]]:
    defaults = _defaults(tree, brand)
    for element in tree.find_all(True):
        if any(parent.name == "mj-attributes" for parent in element.parents):
            continue
        ink = _colour(element, "color", brand)
        paper = _paper(element, brand, defaults)
        if ink is not None and paper is not None and contrast(ink, paper) < least:
            yield (
                "holds text that hardly stands out",
                f"{ink} on {paper}, contrast {contrast(ink, paper):.1f}",
                f"a contrast of {least:g}",
            )


def _defaults(tree: BeautifulSoup, brand: Brand) -> dict[str, str | None]:
    """Backgrounds that the head gives to every element of a name."""
    head = tree.find("mj-attributes")
    if not isinstance(head, Tag):
        return {}
    return {one.name: _colour(one, "background-color", brand) for one in head.find_all(True)}


def _paper(element: Tag, brand: Brand, defaults: dict[str, str | None]) -> str | None:
    """What the text of an element stands on; None where that cannot be told."""
    for one in (element, *element.parents):
        own = _colour(one, "background-color", brand)
        if own is not None or (own := defaults.get(one.name)) is not None:
            return own
        if _says(one, "background-color") or one.get("background-url"):
            return None
    return _PAPER


def _colour(element: Tag, name: str, brand: Brand) -> str | None:
    """A colour of an element as #rrggbb; None where it has none, or one that cannot be read."""
    said = _BINDING.sub(lambda found: str(getattr(brand.colours, found[1], "")), _says(element, name)).strip().lower()
    said = _NAMED.get(said, said)
    if not _HEX.fullmatch(said):
        return None
    return said if len(said) == 7 else "#" + "".join(2 * digit for digit in said[1:])


def _says(element: Tag, name: str) -> str:
    own = element.get(name)
    if isinstance(own, str):
        return own
    names = {"color"} if name == "color" else {"background-color", "background"}
    found = [value for key, value in _STYLE.findall(str(element.get("style", ""))) if key.lower() in names]
    return str(found[-1]) if found else ""


RULE = Rule(id="accessibility", parameters=AccessibilityLimits, review=review)
