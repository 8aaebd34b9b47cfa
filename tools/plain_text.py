"""The text part of a message: the words of its HTML, in the same order."""

from __future__ import annotations

import re
from typing import Final

from bs4 import BeautifulSoup, Comment, Tag
from bs4.element import NavigableString

_BLOCKS: Final = frozenset(
    {"p", "div", "table", "tbody", "tr", "td", "th", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "hr"}
)


def words(page: BeautifulSoup) -> str:
    """The words of a page as plain text: a blank line between blocks, addresses under their labels."""
    blocks: list[str] = []
    line: list[str] = []

    def flush() -> None:
        lines = [part.strip() for part in re.sub(r" +", " ", "".join(line)).split("\n")]
        line.clear()
        if any(lines):
            blocks.append("\n".join(part for part in lines if part))

    def walk(element: Tag) -> None:
        for child in element.children:
            if isinstance(child, Comment):
                continue
            if isinstance(child, NavigableString):
                line.append(re.sub(r"[ \t\r\n]+", " ", str(child)))
            elif isinstance(child, Tag):
                visit(child)

    def visit(element: Tag) -> None:
        if element.name in {"style", "title", "head", "script"}:
            return
        if element.name == "br":
            line.append("\n")
        elif element.name == "img":
            line.append(str(element.get("alt", "")))
        elif element.name == "a":
            walk(element)
            line.append(f"\n{element.get('href', '')}\n")
        elif element.name in _BLOCKS:
            flush()
            walk(element)
            flush()
        else:
            walk(element)

    body = page.body
    if isinstance(body, Tag):
        visit(body)
    flush()
    return "\n\n".join(blocks) + "\n"
