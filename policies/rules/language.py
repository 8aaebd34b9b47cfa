"""Copy is written in the language it is filed under."""

from __future__ import annotations

import re
from typing import Final

from pydantic import Field

from policies.facts import MessageFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, Wording, note, refuse
from policies.table import MessageTable, Verdicts, refuse_where
from policies.wording import plain, written

_WORD: Final = re.compile(r"[^\W\d_]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that one of the two languages uses all the time and the other never.
_MARKERS: Final[dict[str, frozenset[str]]] = {
    "en": _words(
        "the and you your yours for with we our ours is are was were have has had of to it that this these those what "
        "when will would can could do does from by at be been if so just here there how about them they than then "
        "again hello hi dear thank thanks see shop back us"
    ),
    "fr": _words(
        "le la les un une des du de et vous votre vos nous notre nos est sont était êtes avez avons pour avec dans sur "
        "par ce cette ces cet qui que quoi où quand au aux en ne pas plus bonjour merci cher chère chez il elle ils "
        "elles se sa son ses être avoir depuis toujours encore déjà voici voilà revoir à l d c n qu s j"
    ),
}


class LanguageLimits(Parameters):
    """When the check is sure of itself."""

    minimum_marker_words: int = Field(default=4, ge=1)
    """Fewer telling words than this, and it only remarks that it is unsure."""
    own_language_required: bool = False
    """Whoever reads a language in which nothing was written gets nothing, instead of the brand's language."""


def gate(facts: MessageFacts, limits: LanguageLimits, context: Context) -> Ruling | None:
    if not limits.own_language_required or not facts.reaches_contact:
        return None
    if need(facts.language_matches, "language_matches"):
        return None
    return refuse(
        "The message is not written in the contact's language.", fact="another language", limit="their own language"
    )


def sift(table: MessageTable, limits: LanguageLimits, context: Context) -> Verdicts:
    if not limits.own_language_required or not table.common.reaches_contact:
        return table.allow()
    return refuse_where(~table.column("language_matches"))


def read(wording: Wording, limits: LanguageLimits) -> list[Ruling]:
    if wording.language not in _MARKERS:
        return [
            note(
                f"Nobody but a person can judge the language of {wording.where}.",
                fact=wording.language,
                limit="checked: en, fr",
                part="copy",
            )
        ]
    counts = marker_words(" ".join(text for _, text in written(wording)))
    own = counts[wording.language]
    other = max(count for language, count in counts.items() if language != wording.language)
    fact = ", ".join(f"{count} telling words of {language}" for language, count in counts.items())
    if other >= limits.minimum_marker_words and other > own:
        return [
            refuse(
                f"The copy of {wording.where} is not in its language.", fact=fact, limit=wording.language, part="copy"
            )
        ]
    if own < limits.minimum_marker_words or other * 2 > own:
        return [
            note(f"The language of {wording.where} is hard to tell.", fact=fact, limit=wording.language, part="copy")
        ]
    return []


def marker_words(text: str) -> dict[str, int]:
    """How many telling words of each language a text holds."""
    words = _WORD.findall(plain(text))
    return {language: sum(word in markers for word in words) for language, markers in _MARKERS.items()}


RULE = Rule(id="language", parameters=LanguageLimits, gate=gate, sift=sift, read=read)
