"""The small language of copy: words, `{{ bindings }}`, and `{% if %}` for what a contact may lack."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from liquid import BoundTemplate, Environment, FalsyStrictUndefined
from liquid.exceptions import LiquidError, UndefinedError
from markupsafe import escape

from memory.bindings import BINDINGS, FILTERS, binding
from memory.errors import InvalidInputError, NoriaError

_COPY_TAGS: Final = frozenset({"content", "output", "illegal", "if", "unless"})
_LAYOUT_TAGS: Final = _COPY_TAGS | {"for"}
_MARKUP: Final = re.compile(r"(\{\{.*?\}\}|\{%.*?%\})", re.DOTALL)
_MARK: Final = "\ue000"
"""Stands around the number of a value where it belongs among the words; no text uses it."""
_GUARDED: Final = re.compile(
    r"\{%-?\s*(?:if|elsif|unless)\s+(?P<asked>[\w.]+)\s*-?%\}|\{\{-?\s*(?P<backed>[\w.]+)\s*\|\s*default:"
)
_NAME = r"[a-z_]+(?:\.[a-z_]+)+"
# Closed on purpose: whoever wrote a copy, person or model, can print a binding or ask whether it is there, no more.
_ALLOWED: Final = re.compile(
    rf"\{{\{{-?\s*{_NAME}\s*(?:\|\s*default:\s*(?:\"[^\"<>&{{}}]*\"|'[^'<>&{{}}]*')\s*)?-?\}}\}}"
    rf"|\{{%-?\s*(?:(?:if|elsif|unless)\s+{_NAME}|else|endif|endunless)\s*-?%\}}"
)


class SlotError(InvalidInputError):
    """A text or layout cannot be read: broken Liquid, a forbidden tag or filter, or an unknown binding."""

    code = "slot"


class MissingValueError(NoriaError):
    """A message needs a value that the record does not have for this contact."""

    code = "missing_value"

    @property
    def binding(self) -> str:
        """The binding without a value, for example `product.name`."""
        return self.where


class Slot:
    """One text with bindings, ready to be filled for many contacts."""

    def __init__(self, source: str) -> None:
        self.source = source
        plain = _parse(source, html=False)
        self.names: Final = _names(plain)
        """Every binding it prints or asks for, sorted."""
        self.needed: Final = tuple(name for name in self.names if name not in _guarded(source))
        """Those that no `{% if %}` and no default covers: without them the message cannot leave."""
        self.is_bare: Final = len(self.names) == 1 and re.sub(r"\s", "", source) == f"{{{{{self.names[0]}}}}}"
        """Whether it holds one binding and no word besides."""
        self._plain = _Form(plain, self.names, source)
        self._html = _Form(_parse(_escape_words(source), html=True), self.names, source)

    def text(self, values: Mapping[str, object]) -> str:
        """The plain words. Raises MissingValueError where a value is printed that is not there."""
        return self._plain.fill(values, str)

    def html(self, values: Mapping[str, object]) -> str:
        """The same words for HTML, everything escaped. Raises MissingValueError."""
        return self._html.fill(values, escape)


class _Form:
    """A template whose words depend only on which values are there: each such case is filled once, with marks."""

    def __init__(self, template: BoundTemplate, names: tuple[str, ...], source: str) -> None:
        self._template = template
        self._names = names
        self._paths = [name.split(".") for name in names]
        self._cases: dict[tuple[bool, ...], list[str]] = {}
        # Words that look like a mark would be taken for one.
        self._is_markable = _MARK not in source

    def fill(self, values: Mapping[str, object], write: Callable[[str], str]) -> str:
        """The words with each value written in. Raises MissingValueError."""
        found = [_look_up(values, path) for path in self._paths]
        # Only the template itself can tell what to make of an empty value, or of one that is no text.
        if not (self._is_markable and all(one is None or (isinstance(one, str) and one) for one in found)):
            return _fill(self._template, values)
        there = tuple(one is not None for one in found)
        parts = self._cases.get(there)
        if parts is None:
            marks = {name: f"{_MARK}{at}{_MARK}" for at, name in enumerate(self._names) if there[at]}
            parts = self._cases[there] = _fill(self._template, nested(marks)).split(_MARK)
        return "".join(part if at % 2 == 0 else write(str(found[int(part)])) for at, part in enumerate(parts))


@lru_cache(maxsize=4096)
def parse_slot(source: str) -> Slot:
    """Read one text slot of a copy. Raises SlotError, also for a binding that copy may not name."""
    for markup in _MARKUP.findall(source):
        if not _ALLOWED.fullmatch(markup):
            raise SlotError(
                f"“{markup}” is more than copy may do.",
                where=_excerpt(source),
                remedy="Copy prints {{ name }} or asks {% if name %} … {% else %} … {% endif %}, nothing else.",
            )
    slot = Slot(source)
    for name in slot.names:
        found = binding(name)
        if found is None or not found.in_copy:
            raise SlotError(
                f"“{{{{ {name} }}}}” is not a value that copy may name.",
                where=_excerpt(source),
                remedy=f"Use one of: {', '.join(sorted(key for key, binding in BINDINGS.items() if binding.in_copy))}.",
            )
    return slot


@lru_cache(maxsize=256)
def binding_slot(name: str) -> Slot:
    """A slot that holds one binding and nothing else, as a layout places it."""
    assert name in BINDINGS
    return Slot(f"{{{{ {name} }}}}")


@lru_cache(maxsize=256)
def parse_layout(source: str) -> BoundTemplate:
    """Read the Liquid of an MJML layout: loops and conditions over slots, looks and bindings. Raises SlotError."""
    template = _parse(source, html=True, layout=True)
    for name in _names(template):
        if name not in BINDINGS:
            raise SlotError(
                f"“{{{{ {name} }}}}” is not a value that a layout may name.",
                where="layout",
                remedy=f"Use one of: {', '.join(sorted(BINDINGS))}.",
            )
    return template


def nested(values: Mapping[str, object]) -> dict[str, object]:
    """Values by dotted name as the tree that Liquid reads."""
    tree: dict[str, object] = {}
    for name, value in values.items():
        *parents, leaf = name.split(".")
        branch = tree
        for parent in parents:
            found = branch.setdefault(parent, {})
            assert isinstance(found, dict)
            branch = found
        branch[leaf] = value
    return tree


@lru_cache(maxsize=512)
def layout_names(source: str) -> tuple[str, ...]:
    """Every binding that a layout names, sorted. Raises SlotError."""
    return _names(parse_layout(source))


@lru_cache(maxsize=512)
def layout_needs(source: str) -> tuple[str, ...]:
    """Those of them that no `{% if %}` covers. Raises SlotError."""
    guarded = _guarded(source)
    return tuple(name for name in layout_names(source) if name not in guarded)


def _parse(source: str, *, html: bool, layout: bool = False) -> BoundTemplate:
    try:
        return _environment(html=html, layout=layout).from_string(source)
    except LiquidError as error:
        raise SlotError(
            f"This text cannot be read: {_first_line(error)}.",
            where=_excerpt(source),
            remedy="Write values as {{ name }}, and what may be missing between {% if name %} and {% endif %}.",
        ) from error


@lru_cache(maxsize=4)
def _environment(*, html: bool, layout: bool) -> Environment:
    environment = Environment(undefined=FalsyStrictUndefined, autoescape=html, strict_filters=True)
    tags = _LAYOUT_TAGS if layout else _COPY_TAGS
    environment.tags = {name: tag for name, tag in environment.tags.items() if name in tags}
    environment.filters = {name: rule for name, rule in environment.filters.items() if name in FILTERS}
    return environment


def _names(template: BoundTemplate) -> tuple[str, ...]:
    return tuple(
        sorted(
            {
                ".".join(str(segment) for segment in variable.segments)
                for found in template.analyze(include_partials=False).globals.values()
                for variable in found
            }
        )
    )


def _fill(template: BoundTemplate, values: Mapping[str, object]) -> str:
    try:
        return str(template.render(**values))
    except UndefinedError as error:
        name = _missing(_first_line(error).split(" ", 1)[0].strip("'"), template)
        raise MissingValueError(
            f"The record has no value for “{name}”.",
            where=name,
            remedy="Complete the record, or write a text that does without it.",
        ) from error
    except LiquidError as error:
        raise SlotError(f"This text cannot be filled: {_first_line(error)}.") from error


def _look_up(values: Mapping[str, object], path: Sequence[str]) -> object:
    found: object = values
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _guarded(source: str) -> set[str]:
    return {match["asked"] or match["backed"] for match in _GUARDED.finditer(source)}


def _missing(found: str, template: BoundTemplate) -> str:
    if binding(found) is not None:
        return found
    return next((name for name in _names(template) if name.startswith(f"{found}.")), found)


def _escape_words(source: str) -> str:
    return "".join(part if _MARKUP.fullmatch(part) else str(escape(part)) for part in _MARKUP.split(source) if part)


def _first_line(error: LiquidError) -> str:
    return str(error).splitlines()[0].rstrip(".")


def _excerpt(source: str) -> str:
    words = " ".join(source.split())
    return f"“{words[:60]}{'…' if len(words) > 60 else ''}”"
