"""Names as they may appear in a message: whatever is not plainly a name is left out."""

from __future__ import annotations

import re
import unicodedata

FIRST_NAME_LENGTH = 40
DISPLAY_NAME_LENGTH = 80

_NAME_WORDS = 4
_JOINERS = frozenset("-'’ʼ.· ")
_ADDRESS = re.compile(r"\.\w{2,}|www\.|https?:|//|@", re.IGNORECASE)
_MARKUP = frozenset("<>{}[]\\`|^~")


def first_name(raw: str) -> str | None:
    """A first name fit for a greeting, or None, which means the neutral greeting.

    Letters of any script with spaces, hyphens, apostrophes and points, at most 40 characters and four words. An
    address, markup, digits or symbols are no name.
    """
    name = _one_line(raw)
    if not name or len(name) > FIRST_NAME_LENGTH or len(name.split(" ")) > _NAME_WORDS or _ADDRESS.search(name):
        return None
    if not all(character in _JOINERS or unicodedata.category(character)[0] in "LM" for character in name):
        return None
    if not unicodedata.category(name[0]).startswith("L"):
        return None
    if len(name) > 2 and (name.isupper() or name.islower()):
        return re.sub(r"[^\W\d_]+", lambda word: word[0].capitalize(), name)
    return name


def display_name(raw: str) -> str | None:
    """The name of a product or category for a sentence, or None where it holds an address, markup or nothing.

    Names in capitals from a till become ordinary words; at most 80 characters, cut between words.
    """
    name = _one_line(raw)
    if not name or _ADDRESS.search(name.replace("w/", "")) or any(character in _MARKUP for character in name):
        return None
    if not any(unicodedata.category(character)[0] in "LN" for character in name):
        return None
    if len(name) > DISPLAY_NAME_LENGTH:
        name = f"{name[:DISPLAY_NAME_LENGTH].rsplit(' ', 1)[0]}…"
    return name.capitalize() if len(name) > 4 and name.isupper() else name


def _one_line(raw: str) -> str:
    """Composed, without control, format and unassigned characters, blanks made single."""
    composed = unicodedata.normalize("NFC", raw)
    visible = "".join(
        " " if character.isspace() or unicodedata.category(character) in {"Zl", "Zp", "Zs"} else character
        for character in composed
        if character.isspace() or not unicodedata.category(character).startswith("C")
    )
    return " ".join(visible.split())
