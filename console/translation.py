"""The words of the console in other languages: a gettext catalogue each, read when the first page asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po
from markupsafe import Markup, escape

_FOLDER = Path(__file__).parent / "texts"


def translator(language: str) -> Callable[..., str]:
    """Says a sentence of the console, given in English, in a language; values go where it names them in braces."""
    known = catalogue(language)

    def say(text: str, **values: Any) -> str:
        said = known.get(text) or text
        if any(isinstance(value, Markup) for value in values.values()):
            return escape(said).format(**values)
        return said.format(**values) if values else said

    return say


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Every sentence in a language by its English; empty for English itself."""
    path = _FOLDER / f"{language}.po"
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        return {str(one.id): str(one.string) for one in read_po(file, locale=language) if one.id}
