"""Slots hold plain text: no markup, no hidden or disguised characters."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from memory.bindings import PLACEHOLDER
from policies.rule import Parameters, Rule, Ruling, Wording, refuse

_MARKUP: Final = re.compile(
    r"<[a-z!/?]|&(?:#\w+|[a-z]+);|\]\(|!\[|\[[^\]]*\]\s*:|`|\*\*|__|~~|^\s{0,3}(?:#{1,6}\s|>\s|[-*+]\s\S|={3,}|-{3,})|"
    r"javascript:|data:\w+/|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|%[0-9a-f]{2}%[0-9a-f]{2}",
    re.IGNORECASE,
)
_PULLED_APART: Final = re.compile(r"(?<![\w'’])(?:[^\W\d_][ ._*·-]){3,}[^\W\d_](?![\w'’])")
_JOINER: Final = "\u200d"
_EMOJI_STYLE: Final = "\ufe0f"


class PlainTextLimits(Parameters):
    """Nothing to set."""


def read(wording: Wording, limits: PlainTextLimits) -> list[Ruling]:
    said = []
    for slot, text in wording.slots():
        problem = character_problem(text) or markup_problem(PLACEHOLDER.sub(" ", text))
        pulled_apart = _PULLED_APART.search(text)
        if not problem and pulled_apart:
            problem = f"word pulled apart {pulled_apart[0]!r}"
        if problem:
            said.append(
                refuse(
                    f"The {slot} of {wording.where} is not plain text.",
                    fact=problem,
                    limit="plain text in one script",
                    part="copy",
                )
            )
    return said


def markup_problem(text: str) -> str:
    """Which markup stands in a text; "" for none."""
    found = _MARKUP.search(text)
    return f"markup {found[0].strip()!r}" if found else ""


def character_problem(text: str, *, latin_only: bool = True) -> str:
    """Which character hides or disguises something; "" for none. Characters are named, never shown."""
    stray = hidden_character(text)
    if stray:
        return stray
    for char in unicodedata.normalize("NFC", text):
        category = unicodedata.category(char)
        if category[0] in "LN" and unicodedata.normalize("NFKC", char) != char:
            return f"disguised character {_name(char)}"
        if category[0] == "N" and not "0" <= char <= "9":
            return f"digit of another script {_name(char)}"
        if (
            latin_only
            and category[0] == "L"
            and not unicodedata.name(char, "").startswith(("LATIN", "FEMININE", "MASC"))
        ):
            return f"letter of another script {_name(char)}"
        if category[0] in "PZ" and unicodedata.east_asian_width(char) in "WF":
            return f"sign of another script {_name(char)}"
        if category.startswith("M") and char != _EMOJI_STYLE:
            return f"stacked mark {_name(char)}"
    return ""


def hidden_character(text: str) -> str:
    """The first character that is invisible or turns the direction of writing, by name; "" for none."""
    for place, char in enumerate(text):
        category = unicodedata.category(char)
        if char == _JOINER and 0 < place < len(text) - 1 and _pictures(text[place - 1], text[place + 1]):
            continue
        if category in ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"):
            return f"hidden character {_name(char)}"
    return ""


def _pictures(before: str, after: str) -> bool:
    return (before == _EMOJI_STYLE or unicodedata.category(before) in ("So", "Sk")) and unicodedata.category(
        after
    ) == "So"


def _name(char: str) -> str:
    return f"U+{ord(char):04X} {unicodedata.name(char, 'without a name')}"


RULE = Rule(id="plain_text", parameters=PlainTextLimits, read=read, locked=True)
