"""What rules and agents say in English, told to a reader of another language: by templates, whose values stay."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

from babel.dates import get_month_names
from markupsafe import Markup, escape

from agents.playbook import Playbook
from console.translation import catalogue
from memory.play import Play
from memory.segments.grammar import parse
from memory.segments.sentence import describe
from policies.pack import Pack

_NAMED: Final = re.compile(r"\{\{? ?(\w+) ?\}?\}")
_NUMBER: Final = re.compile(r"[+−-]?\d{1,3}(?:\d*|(?:,\d{3})+)(?:\.\d+)?(?: ?%)?")
_COUNTED: Final = "n_"
"""How the names begin that stand for a number and for nothing else: short phrases would take words for their own."""
_PHRASE: Final = r"(?:(?![.!?] \S).)*?"
"""What a value is: any words, but not the sentences that follow."""
_OTHERWISE: Final = {"word": r"\w+"} | dict.fromkeys(("signal", "reasons", "sentence", "detection", "cleaning"), ".*?")
"""Names that stand for a single word, or for whole sentences."""
_END_OF_SENTENCE: Final = re.compile(r"(?<=[.!?]) (?=\S)")
_LONGEST: Final = 800
"""Characters: a model may write more, which no template knows, and looking through it would take long."""
_DEPTH: Final = 3
"""A sentence in a sentence, and a phrase in that."""


class Retelling:
    """Tells sentences of one workspace in one language."""

    def __init__(
        self, language: str, pack: Pack, playbooks: Iterable[Playbook], plays: Iterable[Play] = (), currency: str = ""
    ) -> None:
        """``plays`` are those whose audience is spoken of."""
        self._language, self._pack, self._playbooks = language, pack, playbooks
        self._plays, self._currency = plays, currency

    @cached_property
    def _pairs(self) -> Mapping[str, str]:
        """Every sentence, phrase and template that is known in the language, by its English."""
        language, pairs = self._language, dict(catalogue(f"agents.{self._language}"))
        for setting in self._pack.rules:
            said = setting.sentence.model_dump()
            pairs[said["en"]] = said.get(language, "")
        for playbook in self._playbooks:
            for words in (playbook.name, playbook.signal, playbook.why_now):
                pairs[words["en"]] = words.get(language, "")
            # Within a sentence the name has no capital.
            pairs[playbook.name["en"].lower()] = _uncapitalised(playbook.name.get(language, ""))
        for play in self._plays:
            pairs[play.audience_sentence] = describe(parse(play.audience), language, currency=self._currency)
        return {english: said for english, said in pairs.items() if english and said}

    @cached_property
    def _templates(self) -> Sequence[_Template]:
        found = [_template(english, said) for english, said in self._pairs.items() if _NAMED.search(english)]
        # What says more in its own words is the closer one.
        return sorted(found, key=lambda one: -one.weight)

    def text(self, english: str) -> str | None:
        """The sentence, sentences or list of phrases in the language; None where nobody has said it so."""
        if self._language == "en":
            return english
        if not _has_words(english):
            return _in_numbers_and_dates(english, self._language)
        if len(english) > _LONGEST:
            return None
        # One by one first: the value of a template could take in the sentences that follow it.
        sentences = [self._listed(one, _DEPTH) for one in _END_OF_SENTENCE.split(english)]
        known = [one for one in sentences if one is not None]
        return " ".join(known) if len(known) == len(sentences) else self._told(english, _DEPTH)

    def __call__(self, english: str) -> Markup:
        """The sentence for a page, marked as English where it stays so."""
        found = self.text(english)
        return escape(found) if found is not None else Markup('<span lang="en">{}</span>').format(english)

    def _told(self, english: str, depth: int) -> str | None:
        if len(english) > _LONGEST:
            return None
        if english in self._pairs and not _NAMED.search(english):
            return self._pairs[english]
        for one in self._templates:
            match = one.pattern.fullmatch(english) if one.telling in english else None
            if match is not None:
                values = {name: self._value(text, depth - 1) for name, text in match.groupdict().items()}
                return _NAMED.sub(lambda name: values.get(name[1], "–"), one.said)  # noqa: B023 - called before the next turn
        return None

    def _value(self, text: str, depth: int) -> str:
        if not depth or not _has_words(text):
            return _in_numbers_and_dates(text, self._language)
        told = self._listed(text, depth)
        return told if told is not None else _in_numbers_and_dates(text, self._language)

    def _listed(self, text: str, depth: int) -> str | None:
        # Part by part: the last word of a list could be taken for the last word of a template.
        for joint in (", ", "; "):
            parts = [self._told(one, depth) for one in text.split(joint)]
            known = [one for one in parts if one is not None]
            if len(known) == len(parts):
                return joint.join(known)
        return self._told(text, depth)


@dataclass(frozen=True)
class _Template:
    """A sentence with places for values."""

    pattern: re.Pattern[str]
    said: str
    telling: str
    """The longest of its own words, which every such sentence holds."""
    weight: int
    """How many characters are its own."""


@cache
def _template(english: str, said: str) -> _Template:
    parts = _NAMED.split(english)
    own = parts[::2]
    return _Template(
        re.compile("".join(_group(one) if place % 2 else re.escape(one) for place, one in enumerate(parts)), re.DOTALL),
        said,
        max(own, key=len),
        sum(len(one) for one in own),
    )


def _group(name: str) -> str:
    content = _NUMBER.pattern if name.startswith(_COUNTED) else _OTHERWISE.get(name, _PHRASE)
    return f"(?P<{name}>{content})"


@cache
def _months(language: str) -> Mapping[str, str]:
    of = {key: get_month_names("wide", locale=key) for key in ("en", language)}
    return {of["en"][number]: of[language][number] for number in range(1, 13)}


def _in_numbers_and_dates(text: str, language: str) -> str:
    for english, said in _months(language).items():
        text = re.sub(rf"\b0?(\d\d?) {english}\b", rf"\1 {said}", text)
    if not _NUMBER.fullmatch(text):
        return text
    return re.sub(r"(?<=\d)%", "\u202f%", text.replace(",", "\u202f").replace(".", ","))


def _has_words(text: str) -> bool:
    return any(char.isalpha() for char in text.replace("UTC", ""))


def _uncapitalised(name: str) -> str:
    """With a small first letter; an abbreviation stays as it is."""
    return name if name[:2].isupper() else name[:1].lower() + name[1:]
