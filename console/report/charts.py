"""Charts as SVG, drawn where people would rather look than read; each comes with its words and its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import vl_convert
from pydantic import BaseModel, ConfigDict

from console.flow.picture import draw
from console.flow.steps import Node

INK = "#2b3036"
ACCENT = "#1f5f8b"
MUTED = "#9aa3ab"
WARM = "#b4552d"
WIDTH = 560
VERDICT_COLOURS = {"works": ACCENT, "inconclusive": MUTED, "harms": WARM, "invalid": INK}


class Chart(BaseModel):
    """A picture, the sentence that says the same, and the numbers behind it."""

    model_config = ConfigDict(frozen=True)

    title: str
    alternative: str
    svg: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def funnel(steps: Sequence[tuple[str, int]], title: str) -> Chart:
    """Bars that narrow from everybody selected to everybody who got mail."""
    data = [{"step": name, "contacts": count} for name, count in steps]
    bars = alt.Chart(_values(data)).encode(
        y=alt.Y("step:N", sort=None, title=None),
        x=alt.X("contacts:Q", title="contacts"),
    )
    picture = bars.mark_bar(color=ACCENT) + bars.mark_text(align="left", dx=4, color=INK).encode(text="contacts:Q")
    words = ", ".join(f"{name} {count}" for name, count in steps)
    return _chart(title, f"{title}: {words}.", picture, ("step", "contacts"), steps)


def intervals(rows: Sequence[tuple[str, float, float, float, str]], title: str, unit: str) -> Chart:
    """One value with its interval per row, against the line of no effect.

    Each row is (name, value, low, high, verdict).
    """
    data = [
        {"name": name, "value": value, "low": low, "high": high, "verdict": said}
        for name, value, low, high, said in rows
    ]
    source = alt.Chart(_values(data))
    name = alt.Y("name:N", sort=None, title=None)
    present = [one for one in VERDICT_COLOURS if any(said == one for *_, said in rows)]
    colours = [VERDICT_COLOURS[one] for one in present]
    colour = alt.Color("verdict:N", title=None, scale=alt.Scale(domain=present, range=colours))
    zero = alt.Chart(_values([{"x": 0}])).mark_rule(color=INK, strokeDash=[4, 3]).encode(x="x:Q")
    spans = source.mark_rule(strokeWidth=3).encode(
        y=name, x=alt.X("low:Q", title=unit), x2=alt.X2("high"), color=colour
    )
    points = source.mark_point(filled=True, size=90, opacity=1).encode(y=name, x="value:Q", color=colour)
    words = "; ".join(f"{n} {v:+.2f} (from {low:+.2f} to {high:+.2f}), {s}" for n, v, low, high, s in rows)
    return _chart(
        title,
        f"{title}, in {unit}: {words or 'nothing yet'}.",
        zero + spans + points,
        ("", unit, "from", "to", "verdict"),
        [(n, f"{v:+.2f}", f"{low:+.2f}", f"{high:+.2f}", s) for n, v, low, high, s in rows],
    )


def forecast_against_outcome(rows: Sequence[tuple[str, float, float, float, float]], title: str) -> Chart:
    """What was expected with its interval, and what was then measured, on log-odds.

    Each row is (name, expected, low, high, measured).
    """
    data = [{"name": n, "expected": e, "low": low, "high": high, "measured": m} for n, e, low, high, m in rows]
    source = alt.Chart(_values(data))
    name = alt.Y("name:N", sort=None, title=None)
    spans = source.mark_rule(strokeWidth=8, color=MUTED, opacity=0.6).encode(
        y=name, x=alt.X("low:Q", title="effect on log-odds"), x2=alt.X2("high")
    )
    expected = source.mark_tick(thickness=3, size=18, color=INK).encode(y=name, x="expected:Q")
    measured = source.mark_point(filled=True, size=110, color=WARM, opacity=1).encode(y=name, x="measured:Q")
    words = "; ".join(
        f"{n}: expected {e:+.2f} (9 times in 10 from {low:+.2f} to {high:+.2f}), measured {m:+.2f}"
        for n, e, low, high, m in rows
    )
    return _chart(
        title,
        f"{title}: {words or 'no forecast has met its outcome yet'}.",
        spans + expected + measured,
        ("", "expected", "from", "to", "measured"),
        [(n, f"{e:+.2f}", f"{low:+.2f}", f"{high:+.2f}", f"{m:+.2f}") for n, e, low, high, m in rows],
    )


def calibration(points: Sequence[tuple[float, float]], forecasts: int, title: str) -> Chart:
    """How often intervals held the outcome against how often they promised to; on the line they were honest.

    Each point is (promised, kept), both as shares.
    """
    data = [{"promised": 100 * promised, "kept": 100 * kept} for promised, kept in points]
    scale = alt.Scale(domain=[0, 100])
    line = alt.Chart(_values([{"x": 0, "y": 0}, {"x": 100, "y": 100}])).mark_line(color=MUTED, strokeDash=[4, 3])
    honest = line.encode(x=alt.X("x:Q", title="promised, %", scale=scale), y=alt.Y("y:Q", title="kept, %", scale=scale))
    seen = alt.Chart(_values(data)).mark_line(point=True, color=ACCENT).encode(x="promised:Q", y="kept:Q")
    words = ", ".join(f"{kept:.0%} where {promised:.0%} were promised" for promised, kept in points)
    return _chart(
        title,
        f"{title}, over {forecasts} forecasts: {words or 'too few forecasts have met their outcome'}.",
        honest + seen,
        ("promised", "kept"),
        [(f"{promised:.0%}", f"{kept:.0%}") for promised, kept in points],
    )


def histogram(counts: Mapping[int, int], title: str, unit: str) -> Chart:
    """How many contacts had how many of something."""
    data = [{"size": str(size), "contacts": number} for size, number in sorted(counts.items())]
    source = alt.Chart(_values(data)).encode(
        x=alt.X("size:O", sort=None, title=unit, axis=alt.Axis(labelAngle=0)),
        y=alt.Y("contacts:Q", title="contacts"),
    )
    picture = source.mark_bar(color=ACCENT, size=36) + source.mark_text(dy=-7, color=INK).encode(text="contacts:Q")
    words = ", ".join(f"{number} contacts with {size}" for size, number in sorted(counts.items()))
    return _chart(
        title,
        f"{title} ({unit}): {words or 'nobody'}.",
        picture,
        (unit, "contacts"),
        [(str(size), str(number)) for size, number in sorted(counts.items())],
    )


def flow(nodes: Mapping[str, Node], title: str, words: str, name: str) -> Chart:
    """The way through one sequence; ``name`` keeps its ids apart from those of other pictures on the page."""
    rows = tuple(
        (node.key, node.text, ", ".join(f"{way.answer} {way.to}".strip() for way in node.ways), node.note)
        for node in nodes.values()
    )
    svg = draw(nodes, title=title, words=words, name=name)
    return Chart(title=title, alternative=words, svg=svg, columns=("step", "what", "then", "contacts"), rows=rows)


def _values(rows: Sequence[Mapping[str, object]]) -> alt.Data:
    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call]  # altair leaves its schema classes untyped


def _chart(
    title: str, alternative: str, picture: alt.LayerChart, columns: tuple[str, ...], rows: Sequence[Sequence[object]]
) -> Chart:
    spec: dict[str, Any] = (
        picture.properties(width=WIDTH)
        .configure_view(stroke=None)
        .configure_axis(labelFontSize=12, titleFontSize=12, labelLimit=260, grid=False, labelColor=INK, titleColor=INK)
        .configure(background="transparent", font="sans-serif")
        .to_dict()
    )
    svg = vl_convert.vegalite_to_svg(spec)
    return Chart(
        title=title,
        alternative=alternative,
        svg=svg,
        columns=columns,
        rows=tuple(tuple(str(cell) for cell in row) for row in rows),
    )
