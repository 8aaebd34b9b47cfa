"""The small language of copy: words, `{{ bindings }}`, and `{% if %}` for what a contact may lack."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
        self._plain = _parse(source, html=False)
        self._html = _parse(_escape_words(source), html=True)
        self.names: Final = _names(self._plain)
        """Every binding it prints or asks for, sorted."""
        self.needed: Final = tuple(name for name in self.names if name not in _guarded(source))
        """Those that no `{% if %}` and no default covers: without them the message cannot leave."""
        self.is_bare: Final = len(self.names) == 1 and re.sub(r"\s", "", source) == f"{{{{{self.names[0]}}}}}"
        """Whether it holds one binding and no word besides."""
        # The same for every contact, so it is filled once.
        self._fixed: Final = None if self.names else (_fill(self._plain, {}), _fill(self._html, {}))

    def text(self, values: Mapping[str, object]) -> str:
        """The plain words. Raises MissingValueError where a value is printed that is not there."""
        if self._fixed:
            return self._fixed[0]
        bare = self._bare(values)
        return _fill(self._plain, values) if bare is None else bare

    def html(self, values: Mapping[str, object]) -> str:
        """The same words for HTML, everything escaped. Raises MissingValueError."""
        if self._fixed:
            return self._fixed[1]
        bare = self._bare(values)
        return _fill(self._html, values) if bare is None else str(escape(bare))

    def _bare(self, values: Mapping[str, object]) -> str | None:
        """The value of a slot that holds nothing else; None where it takes the template to find it, or to miss it."""
        if not self.is_bare:
            return None
        found: object = values
        for part in self.names[0].split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found if isinstance(found, str) else None


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
