"""HTML that somebody used elsewhere, as a layout: its looks stay, its words become slots, what acts is left out."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from bs4 import BeautifulSoup, Comment, Tag
from bs4.element import NavigableString, PageElement

from memory.errors import InvalidInputError

_LOOSE: Final = (
    "script", "style", "iframe", "form", "input", "button", "object", "embed", "applet", "meta", "link", "base", "svg",
    "noscript", "video", "audio", "title",
)  # fmt: skip
_KEPT: Final = frozenset(
    {"href", "src", "alt", "style", "width", "height", "align", "valign", "bgcolor", "border", "cellpadding",
     "cellspacing", "colspan", "rowspan", "role"}
)  # fmt: skip
_HEADINGS: Final = ("h1", "h2", "h3")
_BLOCKS: Final = frozenset({"p", "li", "td", "th", "div", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "center"})
_EMPTIED: Final = (
    "p", "li", "ul", "ol", "span", "b", "strong", "em", "i", "a", "font", "h1", "h2", "h3", "h4", "h5", "h6",
)  # fmt: skip
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide|max-height\s*:\s*0", re.IGNORECASE)
_PAINTED: Final = re.compile(r"background", re.IGNORECASE)
_WAY_OUT: Final = re.compile(r"unsub|opt.?out|désabonn|desabonn|désinscri|desinscri", re.IGNORECASE)
_MERGED: Final = re.compile(r"\*\|.*?\|\*|%%.*?%%|\{\{.*?\}\}|\{%.*?%\}|\[\[.*?\]\]|\$\{.*?\}", re.DOTALL)
_BRACED: Final = re.compile(rf"{_MERGED.pattern}|[{{}}]", re.DOTALL)
_LONGEST_BUTTON: Final = 60
_LONGEST_LINE: Final = 200
_SPACES: Final = re.compile(r"\s+")
_PARAGRAPH: Final = "margin:0 0 16px;"
_SECTION: Final = '<mj-section padding="{}"><mj-column><mj-text padding="{}"{}>{}</mj-text></mj-column></mj-section>'


@dataclass(frozen=True, slots=True)
class Imported:
    """A layout and the words that stood in it."""

    mjml: str
    """With <mj-include> of the parts that every layout shares."""
    subject: str
    preheader: str
    headline: str
    body: tuple[str, ...]
    button: str
    left_out: tuple[tuple[str, int], ...]
    """What was taken out, and how often."""


def layout_from_html(html: str) -> Imported:
    """The layout that an HTML page gives. Raises InvalidInputError for one without a heading or a paragraph."""
    page = BeautifulSoup(html, "html.parser")
    left_out: Counter[str] = Counter()
    subject = _text(page.title) if page.title else ""
    preheader = _clean(page, left_out)
    heading = next((one for one in page.find_all(_HEADINGS) if _text(one)), None)
    if heading is None:
        raise _without("heading", "Mark it up as <h1>.")
    headline = _text(heading)
    button = _button(page)
    label = _text(button) if button is not None else ""
    if button is not None:
        _put(button, "{{ copy.button }}")
        button["href"] = "{{ copy.link }}"
        button.insert_before("{% if copy.button %}")
        button.insert_after("{% endif %}")
    heading.name = "h1"
    _put(heading, "{{ copy.headline }}")
    body = _take_words(page)
    root = page.body if isinstance(page.body, Tag) else page
    inner = "".join(str(child) for child in root.contents)
    return Imported(
        mjml=_mjml(inner, has_button=button is not None),
        subject=subject,
        preheader=preheader,
        headline=headline,
        body=tuple(body),
        button=label,
        left_out=tuple(sorted(left_out.items())),
    )


def _clean(page: BeautifulSoup, left_out: Counter[str]) -> str:
    """Take out what acts, watches or hides; returns the hidden words at the top, which are a preheader."""
    preheader = ""
    for comment in page.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    for element in page.find_all(_LOOSE):
        left_out[element.name] += element.name not in ("title", "meta", "style")
        element.decompose()
    for element in page.find_all(True):
        if element.decomposed:
            continue
        if element.name == "img" and _is_dot(element):
            left_out["tracking pixel"] += 1
            element.decompose()
        elif _HIDDEN.search(str(element.get("style", ""))):
            preheader = preheader or _text(element)
            element.decompose()
        elif element.name == "a" and _WAY_OUT.search(f"{element.get('href', '')} {_text(element)}"):
            # The footer that every layout shares has the way out.
            left_out["unsubscribe link"] += 1
            block = element.find_parent(["p", "td", "div"])
            (block if block is not None and _is_line(block) else element).decompose()
        else:
            left_out["script in an attribute"] += sum(name.startswith("on") for name in element.attrs)
            element.attrs = {name: value for name, value in element.attrs.items() if name in _KEPT}
            if ground := str(element.attrs.pop("bgcolor", "")):
                # As a style, which rules and mail readers both understand.
                element["style"] = f"background-color:{ground};{element.get('style', '')}"
    for string in page.find_all(string=_BRACED):
        left_out["merge tag"] += bool(_MERGED.search(string))
        string.replace_with(NavigableString(_without_braces(string)))
    for element in page.find_all(True):
        for name, value in element.attrs.items():
            element[name] = _without_braces(str(value))
    left_out += Counter()
    return preheader


def _button(page: BeautifulSoup) -> Tag | None:
    for link in page.find_all("a"):
        cell = link.find_parent("td")
        painted = _PAINTED.search(str(link.get("style", ""))) or (
            cell is not None and _text(cell) == _text(link) and _is_painted(cell)
        )
        if painted and 0 < len(_text(link)) <= _LONGEST_BUTTON:
            return link
    return None


def _take_words(page: BeautifulSoup) -> list[str]:
    """Every passage of the page, in order; where the first stood the paragraphs of a letter will stand."""
    body: list[str] = []
    for string in list(page.find_all(string=True)):
        if string.parent is None or "{" in string or not string.strip():
            continue
        block = next((one for one in string.parents if one.name in _BLOCKS), None)
        if block is None or block.decomposed:
            string.extract()
            continue
        pieces = [one for one in block.find_all(string=True) if one.find_parent(_BLOCKS) is block and "{" not in one]
        passage = _SPACES.sub(" ", "".join(pieces)).replace(" ,", ",").strip()
        if passage:
            if not body:
                _loop_at(block, pieces[0])
            body.append(passage)
        for piece in pieces:
            piece.extract()
    if not body:
        raise _without("paragraph", "Put its text into <p>.")
    for element in reversed(page.find_all(_EMPTIED)):
        if not element.find("img") and not element.get_text(strip=True):
            element.decompose()
    return body


def _loop_at(block: Tag, first: PageElement) -> None:
    loop, close = "{% for paragraph in copy.body %}", "{% endfor %}"
    if block.name == "p":
        shown = BeautifulSoup("", "html.parser").new_tag(
            "p", attrs={name: str(value) for name, value in block.attrs.items()}
        )
        shown.string = "{{ paragraph }}"
        block.insert_before(loop, shown, close)
        return
    shown = BeautifulSoup("", "html.parser").new_tag("p", attrs={"style": _PARAGRAPH})
    shown.string = "{{ paragraph }}"
    first.insert_before(loop, shown, close)


def _put(element: Tag, slot: str) -> None:
    element.clear()
    element.append(NavigableString(slot))


def _mjml(inner: str, *, has_button: bool) -> str:
    muted = ' color="{{ brand.colours.muted }}" font-size="13px"'
    preheader = _SECTION.format("16px 8px 12px", "0 24px", muted, "{{ copy.preheader }}")
    return "\n".join(
        [
            '<mjml lang="{{ copy.language }}">',
            '<mj-include path="head.mjml" />',
            '<mj-body background-color="{{ brand.colours.background }}">',
            f"{{% if copy.preheader %}}{preheader}{{% endif %}}",
            _SECTION.format("0", "0", "", inner.strip()),
            *([] if has_button else ['<mj-include path="button.mjml" />']),
            '<mj-include path="footer.mjml" />',
            "</mj-body>",
            "</mjml>",
        ]
    )


def _without_braces(text: str) -> str:
    """Without what another system would have filled in, and without what a layout would read as Liquid."""
    return _BRACED.sub("", text)


def _is_dot(image: Tag) -> bool:
    sizes = [str(image.get(name, "")).removesuffix("px").strip() for name in ("width", "height")]
    return any(size in ("0", "1") for size in sizes)


def _is_line(block: Tag) -> bool:
    """Whether a block is a short line of a footer, and not what holds the letter."""
    return block.find(_BLOCKS) is None and len(_text(block)) <= _LONGEST_LINE


def _is_painted(element: Tag) -> bool:
    return _PAINTED.search(str(element.get("style", ""))) is not None


def _text(element: Tag | None) -> str:
    return "" if element is None else _SPACES.sub(" ", element.get_text(" ")).strip()


def _without(what: str, remedy: str) -> InvalidInputError:
    return InvalidInputError(f"This page has no {what}.", where="html", remedy=f"{remedy} Then bring it in again.")
