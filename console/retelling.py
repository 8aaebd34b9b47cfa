"""What rules and agents say in English, told to a reader of another language: by templates, whose values stay."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import Final

from babel.dates import get_month_names
from markupsafe import Markup, escape

from agents.playbook import Playbook
from console.translation import catalogue
from policies.pack import Pack

_NAMED: Final = re.compile(r"\{\{? ?(\w+) ?\}?\}")
_NUMBER: Final = re.compile(r"[+−-]?\d{1,3}(?:\d*|(?:,\d{3})+)(?:\.\d+)?(?: ?%)?")
_LONGEST: Final = 800
"""Characters: a model may write more, which no template knows, and looking through it would take long."""
_DEPTH: Final = 3
"""A sentence in a sentence, and a phrase in that."""


class Retelling:
    """Tells sentences of one workspace in one language."""

    def __init__(self, language: str, pack: Pack, playbooks: Iterable[Playbook]) -> None:
        self._language, self._pack, self._playbooks = language, pack, playbooks

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
        return {english: said for english, said in pairs.items() if english and said}

    @cached_property
    def _templates(self) -> Sequence[tuple[re.Pattern[str], str]]:
        return [(_pattern(english), said) for english, said in self._pairs.items() if _NAMED.search(english)]

    def text(self, english: str) -> str | None:
        """The sentence in the language; None where nobody has said it so."""
        return english if self._language == "en" else self._told(english, _DEPTH)

    def __call__(self, english: str) -> Markup:
        """The sentence for a page, marked as English where it stays so."""
        found = self.text(english)
        return escape(found) if found is not None else Markup('<span lang="en">{}</span>').format(english)

    def _told(self, english: str, depth: int) -> str | None:
        if len(english) > _LONGEST:
            return None
        if english in self._pairs and not _NAMED.search(english):
            return self._pairs[english]
        for pattern, said in self._templates:
            match = pattern.fullmatch(english)
            if match is not None:
                values = {name: self._value(text, depth - 1) for name, text in match.groupdict().items()}
                return _NAMED.sub(lambda one: values.get(one[1], "–"), said)  # noqa: B023 - called before the next turn
        return None

    def _value(self, text: str, depth: int) -> str:
        parts = [self._told(one, depth) for one in text.split(", ")] if depth and text else [None]
        known = [one for one in parts if one is not None]
        # A list is told part by part: the last word of a list could be taken for the last word of a template.
        told = ", ".join(known) if len(known) == len(parts) else self._told(text, depth) if depth else None
        return told if told is not None else _in_numbers_and_dates(text, self._language)


def _pattern(template: str) -> re.Pattern[str]:
    parts = _NAMED.split(template)
    names = [f"(?P<{one}>.*?)" if place % 2 else re.escape(one) for place, one in enumerate(parts)]
    return re.compile("".join(names), re.DOTALL)


@cache
def _months(language: str) -> Mapping[str, str]:
    of = {key: get_month_names("wide", locale=key) for key in ("en", language)}
    return {of["en"][number]: of[language][number] for number in range(1, 13)}


def _in_numbers_and_dates(text: str, language: str) -> str:
    for english, said in _months(language).items():
        text = re.sub(rf"\b0?(\d\d?) {english}\b", rf"\1 {said}", text)
    return text.replace(",", "\u202f").replace(".", ",") if _NUMBER.fullmatch(text) else text


def _uncapitalised(name: str) -> str:
    """With a small first letter; an abbreviation stays as it is."""
    return name if name[:2].isupper() else name[:1].lower() + name[1:]
