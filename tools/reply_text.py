"""What somebody wrote back, read by rules: their own words, and what they want, from few kinds.

The words stand in `reply_words.yaml`. What they do not cover is left to a model or to a person.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from memory.replies import Objection, Reading

LONGEST: Final = 4_000
"""Characters of an answer that are read and kept."""
_SHORT: Final = 40
_AT_THE_TOP: Final = 300
_WORDS: Final = Path(__file__).with_name("reply_words.yaml")
# From here on a mail program repeats what is answered, line by line as it was.
_QUOTE: Final = re.compile(
    r"(?:_{10,}$|-{2,} ?(?:original message|message d'origine|forwarded message|message transfere)|(?:from|de) ?: .*@)"
)
# The line above what is repeated; programs break it into up to three.
_ATTRIBUTION: Final = re.compile(r"(?:on|le) .{6,250}(?:wrote|a ecrit) ?:$")
_LINES_OF_ATTRIBUTION: Final = 3
_SIGNATURE: Final = re.compile(r"(?:--$|sent from my |envoye de mon |envoye depuis )")


@dataclass(frozen=True, slots=True)
class Read:
    """What an answer says."""

    reading: Reading
    objection: Objection = ""
    needs_person: bool = False


def own_words(text: str) -> str:
    """What somebody wrote themselves, without the message that their program repeats, and without their signature.

    What is repeated holds our own “unsubscribe”. Where it is marked line by line, what stands below it is theirs again;
    where it is not, nothing below its first line is.
    """
    lines = text[: 4 * LONGEST].replace("\x00", "").replace("\r\n", "\n").split("\n")
    flat = [_flat(line[:300]) for line in lines]
    kept: list[str] = []
    place = 0
    while place < len(lines):
        below = place + _attribution(flat[place:])
        if below > place and not _marked(flat[below:]):
            break
        place = below
        if place == len(lines) or _QUOTE.match(flat[place]) or (any(kept) and _SIGNATURE.match(flat[place])):
            break
        if not flat[place].startswith(">"):
            kept.append(lines[place].rstrip())
        place += 1
    return "\n".join(kept).strip()[:LONGEST]


def _attribution(flat: Sequence[str]) -> int:
    """How many lines from here on say who wrote what is repeated below; 0 where they say something else."""
    if not flat[0].startswith(("on ", "le ")):
        return 0
    return next(
        (n for n in range(1, _LINES_OF_ATTRIBUTION + 1) if _ATTRIBUTION.match(" ".join(flat[:n])) and n <= len(flat)), 0
    )


def _marked(flat: Sequence[str]) -> bool:
    """Whether the next line with words is marked as repeated."""
    return next((line.startswith(">") for line in flat if line), False)


def read_words(words: str, subject: str = "") -> Read:
    """What an answer says; ``unread`` where no rule understands it."""
    known = _known()
    flat = " ".join(_flat(line) for line in words.split("\n")).strip()
    plain = " ".join(re.findall(r"[a-z]+", flat))
    sentences = [one.strip() for one in re.split(r"[.!?]+", flat)]
    person = known.says("human_needed", flat)
    stops = plain in known.stops or (plain.split(" ", 1)[0] == "stop" and len(plain) < _SHORT)
    if stops or any(known.says("opt_out", one) and not known.says("stays", one) for one in sentences):
        return Read("opt_out", needs_person=person)
    if known.says("out_of_office", _flat(subject)) or known.says("out_of_office", flat[:_AT_THE_TOP]):
        return Read("out_of_office")
    if person or known.says("stays", flat):
        return Read("human_needed", needs_person=True)
    asks = "?" in flat or any(known.begins("question", one) for one in sentences)
    for kind, said in known.objections.items():
        if said.search(flat):
            return Read("objection", kind, needs_person=asks)
    if asks:
        return Read("question", needs_person=True)
    return Read("thanks") if plain in known.thanks or _is_bare(flat) else Read("unread")


def _is_bare(flat: str) -> bool:
    """Whether there is nothing but points and blanks."""
    return all(unicodedata.category(one)[0] in "PZ" for one in flat)


@dataclass(frozen=True, slots=True)
class _Known:
    """The words of the file, ready to be sought."""

    stops: frozenset[str]
    thanks: frozenset[str]
    kinds: dict[str, re.Pattern[str]]
    objections: dict[Objection, re.Pattern[str]]

    def says(self, kind: str, flat: str) -> bool:
        return self.kinds[kind].search(flat) is not None

    def begins(self, kind: str, flat: str) -> bool:
        return self.kinds[kind].match(flat) is not None


@cache
def _known() -> _Known:
    said: dict[str, Any] = yaml.safe_load(_WORDS.read_text(encoding="utf-8"))
    stops, thanks, objections = (said.pop(name) for name in ("stops", "thanks", "objections"))
    return _Known(
        frozenset(stops),
        frozenset(thanks),
        {kind: _any(lines) for kind, lines in said.items()},
        {kind: _any(lines) for kind, lines in objections.items()},
    )


def _any(lines: Sequence[str]) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(lines) + ")")


def _flat(text: str) -> str:
    """Lower case without accents, typographic apostrophes and runs of spaces; nothing invisible."""
    decomposed = unicodedata.normalize("NFKD", text.replace("\u2019", "'"))
    kept = "".join(one for one in decomposed if unicodedata.category(one)[0] not in "MC" or one == "\t")
    return " ".join(kept.casefold().split())
