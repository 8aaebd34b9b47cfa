"""What a mail may say: the words that were approved, with values from its reader's own record, and nothing else.

Read by other means than the product's own, so that a fault there is not repeated here.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date

from memory.play import Play
from memory.steps import Copy, SendStep
from tools.render import example, render

_IF = re.compile(r"\{%\s*if [\w.]+\s*%\}(.*?)(?:\{%\s*else\s*%\}(.*?))?\{%\s*endif\s*%\}", re.DOTALL)
_VALUE = re.compile(r"\{\{\s*([\w.]+)[^}]*\}\}")
_LINK = r"https?://\S+"
_URL = re.compile(r"(?:[a-z]+:)?//[^\s\"'<>()]+", re.IGNORECASE)
_UNSEEN = re.compile(r"<!--.*?-->|<style.*?</style>|<head.*?</head>|<!doctype[^>]*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_MONTHS: dict[str, tuple[str, ...]] = {
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December"),
    "fr": ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
           "décembre"),
}  # fmt: skip
_MARKUP = re.compile(r"[<>{}\[\]\\`|^~@]|\.\w{2,}|www\.|https?:|//", re.IGNORECASE)
_LONGEST_TITLE = 80


def days_written(day: date, language: str) -> list[str]:
    """A day as people write it in English or French."""
    month = _MONTHS[language][day.month - 1]
    first = f"{day.day}er" if day.day == 1 and language == "fr" else str(day.day)
    return [f"{first} {month} {day.year}", f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}"]


def names_written(raw: str) -> list[str]:
    """A first name as it may greet: only if it is made of letters and what joins them, in at most four words."""
    name = _visible(raw)
    fine = 0 < len(name) <= 40 and len(name.split()) <= 4 and all(one.isalpha() or one in " -'’." for one in name)
    return [name, name.title()] if fine and not _MARKUP.search(name) else []


def titles_written(raw: str) -> list[str]:
    """The title of a product as a sentence may hold it; none for one with markup or an address."""
    title = _visible(raw)
    if not title or _MARKUP.search(title):
        return []
    if len(title) > _LONGEST_TITLE:
        title = f"{title[:_LONGEST_TITLE].rsplit(' ', 1)[0]}…"
    return [title, title.capitalize()]


def allows(template: str, text: str, values: Mapping[str, Sequence[str]]) -> bool:
    """Whether a text is what this slot says for somebody with these values; several ways to write one are allowed."""
    return re.fullmatch(_pattern(template, values), _plain(text)) is not None


def slots_of(copy: Copy) -> list[str]:
    """Every text of a message."""
    return [one for one in (copy.subject, copy.preheader, copy.headline, *copy.body, copy.button) if one]


def previewed(play: Play, step: SendStep, language: str) -> tuple[set[str], set[str]]:
    """The lines of a message beside its copy, and every word of it, as the people who approved it were shown."""
    shown = render(play, step, language, example(play, language, bare=True))
    return {_plain(line) for line in shown.text.splitlines()}, words_in(seen_in(shown.html))


def seen_in(source: str) -> str:
    """What a reader sees of an HTML text."""
    return html.unescape(_UNSEEN.sub(" ", source))


def words_in(text: str) -> set[str]:
    """The words of a text, without its links."""
    return set(re.findall(r"\w+", _URL.sub(" ", unicodedata.normalize("NFC", text))))


def plain_lines(text: str) -> list[str]:
    """The lines of a text that say something."""
    return [line for one in text.splitlines() if (line := _plain(one))]


def _pattern(template: str, values: Mapping[str, Sequence[str]]) -> str:
    found, end = "", 0
    for match in _IF.finditer(template):
        either = _pattern_of_text(match[1], values), _pattern_of_text(match[2] or "", values)
        found += f"{_pattern_of_text(template[end : match.start()], values)}(?:{either[0]}|{either[1]})"
        end = match.end()
    return rf"\s*{found}{_pattern_of_text(template[end:], values)}\s*"


def _pattern_of_text(text: str, values: Mapping[str, Sequence[str]]) -> str:
    parts = _VALUE.split(text)
    found = ""
    for number, part in enumerate(parts):
        if number % 2 == 0:
            found += re.sub(r"(?:\\?\s)+", r"\\s+", re.escape(unicodedata.normalize("NFC", part)))
        elif part.startswith("links."):
            found += _LINK
        else:
            # A value that nobody may have matches nothing.
            found += "(?:" + "|".join(re.escape(_plain(one)) for one in values.get(part, ())) + ")" \
                if values.get(part) else "(?!)"  # fmt: skip
    return found


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _visible(raw: str) -> str:
    kept = "".join(one for one in raw if one.isspace() or not unicodedata.category(one).startswith("C"))
    return _plain(kept)
