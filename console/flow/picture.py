"""A flow as SVG: a box per step with the sign and colour of its kind, arrows, and yes and no at each branch."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from html import escape
from typing import Final

from console.flow.layout import Arrow, Box, Layout, columns, place
from console.flow.steps import Node

WIDTH: Final = 600
_MARGIN: Final = 16.0
_BROADEST: Final = 300.0
_NARROWEST: Final = 184.0
_SIGN: Final = 30.0
_PAD: Final = 12.0
_LINE: Final = 18.0
_SMALL: Final = 15.0
_FONT: Final = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"
_INK: Final = "#22262a"
_MUTED: Final = "#5c646b"
_PAPER: Final = "#f7f7f4"
_CARD: Final = "#ffffff"
_EDGE: Final = "#8b949c"
_COLOURS: Final = {
    "start": "#33527a",
    "send": "#1f5f8b",
    "wait": "#6a6f2f",
    "wait_window": "#6a6f2f",
    "wait_event": "#6a6f2f",
    "branch": "#7a4a94",
    "update": "#2f6f5b",
    "alert": "#b4552d",
    "exit": "#5c646b",
}
# Drawn in a square of 16 by 16, stroked in white.
_SIGNS: Final = {
    "start": "M9 1.5 L3.5 9 H8 L7 14.5 L12.5 7 H8 Z",
    "send": "M1.5 3.5 H14.5 V12.5 H1.5 Z M1.5 4 L8 9 L14.5 4",
    "wait": "M8 1.5 A6.5 6.5 0 1 1 7.99 1.5 Z M8 4.5 V8 L10.5 10",
    "wait_window": "M2 3.5 H14 V14 H2 Z M2 7 H14 M5 1.5 V4.5 M11 1.5 V4.5 M8 9 V11 L9.5 12",
    "wait_event": "M4 1.5 H12 M4 14.5 H12 M5 1.5 V4 L8 8 L11 4 V1.5 M5 14.5 V12 L8 8 L11 12 V14.5",
    "branch": "M8 14.5 V9 L3.5 5 V1.5 M8 9 L12.5 5 V1.5 M1.5 3.5 L3.5 1.5 L5.5 3.5 M10.5 3.5 L12.5 1.5 L14.5 3.5",
    "update": "M2 14 L3 10.5 L11.5 2 L14 4.5 L5.5 13 Z M9.5 4 L12 6.5",
    "alert": "M3 12 C4.5 10.5 4 8 4.2 6.5 C4.6 3.6 6 2.5 8 2.5 C10 2.5 11.4 3.6 11.8 6.5 C12 8 11.5 10.5 13 12 Z "
    "M6.5 14 H9.5 M8 1 V2.5",
    "exit": "M9.5 2 H3 V14 H9.5 M6.5 8 H14 M11.5 5.5 L14 8 L11.5 10.5",
}  # fmt: skip
_ROUND: Final = {"stroke_linecap": "round", "stroke_linejoin": "round"}
_NARROW: Final = frozenset("iIjlftr.,:;'’|!()[]{}/\\ -“”«»·\u00a0\u202f")
_WIDE: Final = frozenset("mwMW@%—…")


def draw(nodes: Mapping[str, Node], *, title: str, words: str, name: str) -> str:
    """The SVG of a flow whose nodes stand by key, the start first.

    ``words`` says the same for those who cannot see it; ``name`` keeps the ids of several pictures on a page apart.
    """
    ways = {key: [way.to for way in node.ways] for key, node in nodes.items()}
    boxes, lanes = columns(ways)
    room = (WIDTH - 2 * _MARGIN - lanes * 44 - (boxes - 1) * 24) / boxes
    width = min(max(room, _NARROWEST), _BROADEST)
    lines = {key: _lines(node, width - _SIGN - 2 * _PAD) for key, node in nodes.items()}
    layout = place(
        ways,
        lambda key: (width, sum(height for _, height, _ in lines[key]) + 2 * _PAD - 4),
        width=WIDTH,
        margin=_MARGIN,
    )
    high, wide = _n(layout.height), _n(layout.width)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="flow" role="img" aria-labelledby="{name}-t {name}-d" '
        f'viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" font-family="{_FONT}">'
    )
    parts = [
        _tag("title", title, id=f"{name}-t"),
        _tag("desc", words, id=f"{name}-d"),
        _tag("rect", class_="paper", width="100%", height="100%", rx=8, fill=_PAPER),
        *(_line(arrow) for arrow in layout.arrows),
        *(_box(nodes[key], layout.boxes[key], lines[key]) for key in nodes),
        *_answers(nodes, layout),
    ]
    return "\n".join([head, *parts, "</svg>\n"])


def _tag(_name: str, _text: str = "", **attributes: object) -> str:
    told = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_n(value) if isinstance(value, float) else value}"'
        for name, value in attributes.items()
    )
    return f"<{_name}{told}>{escape(_text)}</{_name}>"


def _lines(node: Node, room: float) -> list[tuple[str, float, str]]:
    """The lines of a box: text, height, and in which hand it is written."""
    return [
        *((line, _SMALL, "key") for line in _wrapped(node.key, room, 11) if node.key),
        *((line, _LINE, "text") for line in _wrapped(node.text, room, 13.5)),
        *((line, _SMALL + 2, "note") for line in _wrapped(node.note, room, 12) if node.note),
    ]


def _box(node: Node, box: Box, lines: list[tuple[str, float, str]]) -> str:
    colour, x, middle = _COLOURS[node.kind], box.x, box.y + box.height / 2
    radius = 15 if node.kind in ("start", "exit") else 7
    parts = [
        _tag(
            "rect", class_="card", x=x, y=box.y, width=box.width, height=box.height, rx=radius, fill=_CARD,
            stroke=colour, stroke_width=1.5,
        ),
        _tag("circle", cx=x + _PAD + 9, cy=middle, r=13, fill=colour),
        _tag(
            "path", transform=f"translate({_n(x + _PAD + 1)} {_n(middle - 8)})", d=_SIGNS[node.kind], fill="none",
            stroke="#ffffff", stroke_width=1.4, **_ROUND,
        ),
    ]  # fmt: skip
    hands: dict[str, dict[str, object]] = {
        "key": {"class_": "muted", "font_size": 11, "fill": _MUTED},
        "text": {"class_": "ink", "font_size": 13.5, "fill": _INK},
        "note": {"class_": "note", "font_size": 12, "font_weight": 600, "fill": colour},
    }
    at = box.y + _PAD - 2
    for text, height, hand in lines:
        at += height
        parts.append(_tag("text", text, x=x + _PAD + _SIGN, y=at - 4, **hands[hand]))
    return f'<g class="step {node.kind}">{"".join(parts)}</g>'


def _line(arrow: Arrow) -> str:
    (x, y), *rest = arrow.points
    path, straight = f"M{_n(x)} {_n(y)}", True
    for to_x, to_y in rest:
        # Straight beside boxes, bent only between the layers.
        half = _n((y + to_y) / 2)
        bend = "L" if straight else f"C{_n(x)} {half} {_n(to_x)} {half}"
        path += f" {bend} {_n(to_x)} {_n(to_y)}"
        x, y, straight = to_x, to_y, not straight
    head = f"M{_n(x - 4.5)} {_n(y - 8)} L{_n(x)} {_n(y - 0.5)} L{_n(x + 4.5)} {_n(y - 8)}"
    return _tag("path", class_="arrow", d=f"{path} {head}", fill="none", stroke=_EDGE, stroke_width=1.6, **_ROUND)


def _answers(nodes: Mapping[str, Node], layout: Layout) -> list[str]:
    found = []
    for arrow in layout.arrows:
        answer = nodes[arrow.source].ways[arrow.way].answer
        if answer:
            x, y = arrow.points[0]
            width = _width(answer, 12) + 14
            edge = _COLOURS["branch"]
            pill = _tag(
                "rect", class_="card", x=x - width / 2, y=y + 3, width=width, height=18, rx=9, fill=_CARD, stroke=edge
            )
            text = _tag("text", answer, class_="ink", x=x, y=y + 16, text_anchor="middle", font_size=12, fill=_INK)
            found.append(f'<g class="answer">{pill}{text}</g>')
    return found


def _wrapped(text: str, room: float, size: float) -> list[str]:
    """Text in lines that fit; a word longer than a line is broken."""
    lines = [""]
    for word in text.replace("\n", " ").split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if _width(longer, size) <= room:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if _width(lines[-1] + letter, size) > room:
                lines.append("")
            lines[-1] += letter
    return lines


def _width(text: str, size: float) -> float:
    """How broad a text is at most, in the broader ones of the fonts that may draw it."""
    return size * sum(_breadth(letter) for letter in text)


def _breadth(letter: str) -> float:
    if letter in _NARROW:
        return 0.42
    if letter in _WIDE or unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    return 0.74 if letter.isupper() else 0.62


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
