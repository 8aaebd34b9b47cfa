"""Charts as SVG, drawn where people would rather look than read; each comes with its words and its numbers.

Words and numbers are there at once; the picture is drawn when it is asked for, by libraries that load with the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from console.flow.picture import draw
from console.flow.steps import Node

if TYPE_CHECKING:
    import altair as alt

INK = "#2b3036"
ACCENT = "#1f5f8b"
MUTED = "#9aa3ab"
WARM = "#b4552d"
WIDTH = 560
# Browsers' own fonts are wider than the one by which labels are measured here.
_PADDING = {"left": 40, "right": 60, "top": 5, "bottom": 5}
VERDICT_COLOURS = {"works": ACCENT, "inconclusive": MUTED, "harms": WARM, "invalid": INK}
_LINES = (ACCENT, WARM, "#6a6f2f", "#7a4a94", "#2f6f5b", INK)
Say = Callable[..., str]
"""Says a sentence in the reader's language; values go where it names them in braces."""


class Chart(BaseModel):
    """A picture, the sentence that says the same, and the numbers behind it."""

    model_config = ConfigDict(frozen=True)

    title: str
    alternative: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    drawn: Callable[[], str] = Field(exclude=True, repr=False)

    @property
    def svg(self) -> str:
        """The picture, drawn anew each time."""
        return self.drawn()


def in_english(text: str, **values: Any) -> str:
    """A sentence as it stands."""
    return text.format(**values) if values else text


def funnel(steps: Sequence[tuple[str, int]], title: str, say: Say = in_english) -> Chart:
    """Bars that narrow from everybody selected to everybody who got mail."""

    def picture() -> Any:
        import altair as alt

        data = [{"step": name, "contacts": count} for name, count in steps]
        bars = alt.Chart(_values(data)).encode(
            y=alt.Y("step:N", sort=None, title=None),
            x=alt.X("contacts:Q", title=say("contacts")),
        )
        return bars.mark_bar(color=ACCENT) + bars.mark_text(align="left", dx=4, color=INK).encode(text="contacts:Q")

    words = ", ".join(f"{name} {count}" for name, count in steps)
    return _chart(title, f"{title}: {words}.", picture, (say("step"), say("contacts")), steps)


def intervals(
    rows: Sequence[tuple[str, float, float, float, str]], title: str, unit: str, say: Say = in_english
) -> Chart:
    """One value with its interval per row, against the line of no effect.

    Each row is (name, value, low, high, verdict).
    """

    def picture() -> Any:
        import altair as alt

        data = [
            {"name": name, "value": value, "low": low, "high": high, "verdict": say(said)}
            for name, value, low, high, said in rows
        ]
        source = alt.Chart(_values(data))
        name = alt.Y("name:N", sort=None, title=None)
        present = [one for one in VERDICT_COLOURS if any(said == one for *_, said in rows)]
        colours = [VERDICT_COLOURS[one] for one in present]
        scale = alt.Scale(domain=[say(one) for one in present], range=colours)
        colour = alt.Color("verdict:N", title=None, scale=scale)
        zero = alt.Chart(_values([{"x": 0}])).mark_rule(color=INK, strokeDash=[4, 3]).encode(x="x:Q")
        spans = source.mark_rule(strokeWidth=3).encode(
            y=name, x=alt.X("low:Q", title=unit), x2=alt.X2("high"), color=colour
        )
        points = source.mark_point(filled=True, size=90, opacity=1).encode(y=name, x="value:Q", color=colour)
        return zero + spans + points

    words = "; ".join(
        say("{name} {value} (from {low} to {high}), {verdict}", name=n, value=f"{v:+.2f}", low=f"{low:+.2f}",
            high=f"{high:+.2f}", verdict=say(s))
        for n, v, low, high, s in rows
    )  # fmt: skip
    return _chart(
        title,
        say("{title}, in {unit}: {words}.", title=title, unit=unit, words=words or say("nothing yet")),
        picture,
        ("", unit, say("from"), say("to"), say("verdict")),
        [(n, f"{v:+.2f}", f"{low:+.2f}", f"{high:+.2f}", say(s)) for n, v, low, high, s in rows],
    )


def forecast_against_outcome(
    rows: Sequence[tuple[str, float, float, float, float]], title: str, say: Say = in_english
) -> Chart:
    """What was expected with its interval, and what was then measured, per 1,000 contacts.

    Each row is (name, expected, low, high, measured).
    """

    def picture() -> Any:
        import altair as alt

        data = [{"name": n, "expected": e, "low": low, "high": high, "measured": m} for n, e, low, high, m in rows]
        source = alt.Chart(_values(data))
        name = alt.Y("name:N", sort=None, title=None)
        spans = source.mark_rule(strokeWidth=8, color=MUTED, opacity=0.6).encode(
            y=name, x=alt.X("low:Q", title=say("additional per 1,000 contacts")), x2=alt.X2("high")
        )
        expected = source.mark_tick(thickness=3, size=18, color=INK).encode(y=name, x="expected:Q")
        measured = source.mark_point(filled=True, size=110, color=WARM, opacity=1).encode(y=name, x="measured:Q")
        return spans + expected + measured

    words = "; ".join(
        say("{name}: expected {expected} (9 times in 10 from {low} to {high}), measured {measured}", name=n,
            expected=f"{e:+.1f}", low=f"{low:+.1f}", high=f"{high:+.1f}", measured=f"{m:+.1f}")
        for n, e, low, high, m in rows
    )  # fmt: skip
    return _chart(
        title,
        say("{title}, additional per 1,000 contacts: {words}.", title=title,
            words=words or say("no forecast has met its outcome yet")),
        picture,
        ("", say("expected"), say("from"), say("to"), say("measured")),
        [(n, f"{e:+.1f}", f"{low:+.1f}", f"{high:+.1f}", f"{m:+.1f}") for n, e, low, high, m in rows],
    )  # fmt: skip


def calibration(points: Sequence[tuple[float, float]], forecasts: int, title: str, say: Say = in_english) -> Chart:
    """How often intervals held the outcome against how often they promised to; on the line they were honest.

    Each point is (promised, kept), both as shares.
    """

    def picture() -> Any:
        import altair as alt

        data = [{"promised": 100 * promised, "kept": 100 * kept} for promised, kept in points]
        scale = alt.Scale(domain=[0, 100])
        line = alt.Chart(_values([{"x": 0, "y": 0}, {"x": 100, "y": 100}])).mark_line(color=MUTED, strokeDash=[4, 3])
        honest = line.encode(
            x=alt.X("x:Q", title=say("promised, %"), scale=scale), y=alt.Y("y:Q", title=say("kept, %"), scale=scale)
        )
        seen = alt.Chart(_values(data)).mark_line(point=True, color=ACCENT).encode(x="promised:Q", y="kept:Q")
        return honest + seen

    words = ", ".join(
        say("{kept} where {promised} were promised", kept=f"{kept:.0%}", promised=f"{promised:.0%}")
        for promised, kept in points
    )
    none = say("too few forecasts have met their outcome")
    return _chart(
        title,
        say("{title}, over {n} forecasts: {words}.", title=title, n=forecasts, words=words or none),
        picture,
        (say("promised"), say("kept")),
        [(f"{promised:.0%}", f"{kept:.0%}") for promised, kept in points],
    )


def histogram(counts: Mapping[int, int], title: str, unit: str, say: Say = in_english) -> Chart:
    """How many contacts had how many of something."""

    def picture() -> Any:
        import altair as alt

        data = [{"size": str(size), "contacts": number} for size, number in sorted(counts.items())]
        source = alt.Chart(_values(data)).encode(
            x=alt.X("size:O", sort=None, title=unit, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("contacts:Q", title=say("contacts")),
        )
        bars = source.mark_bar(color=ACCENT, size=36)
        return bars + source.mark_text(dy=-7, color=INK).encode(text="contacts:Q")

    words = ", ".join(say("{n} contacts with {size}", n=number, size=size) for size, number in sorted(counts.items()))
    return _chart(
        title,
        f"{title} ({unit}): {words or say('nobody')}.",
        picture,
        (unit, say("contacts")),
        [(str(size), str(number)) for size, number in sorted(counts.items())],
    )


def lines_over_time(
    points: Sequence[tuple[datetime, Mapping[str, float]]],
    title: str,
    unit: str,
    say: Say = in_english,
    *,
    in_steps: bool = False,
) -> Chart:
    """What several things were worth at several moments, the oldest first; ``in_steps`` where each value held on."""
    names = sorted({name for _, values in points for name in values})

    def picture() -> Any:
        import altair as alt

        data = [
            {"at": at.isoformat(), "name": name, "value": value}
            for at, values in points
            for name, value in values.items()
        ]
        source = alt.Chart(_values(data)).encode(
            x=alt.X("at:T", title=None, scale=alt.Scale(type="utc")),
            y=alt.Y("value:Q", title=unit),
            color=alt.Color("name:N", title=None, scale=alt.Scale(domain=names, range=[*_LINES][: max(len(names), 1)])),
        )
        line = source.mark_line(interpolate="step-after") if in_steps else source.mark_line()
        return line + source.mark_point(filled=True, size=50, opacity=1)

    spans = [(name, [values[name] for _, values in points if name in values]) for name in names]
    words = "; ".join(
        say("{name} from {first} to {last}", name=name, first=f"{held[0]:.3g}", last=f"{held[-1]:.3g}")
        for name, held in spans
    )
    return _chart(
        title,
        say("{title}, in {unit}: {words}.", title=title, unit=unit, words=words or say("nothing yet")),
        picture,
        (say("when"), *names),
        [
            (f"{at:%Y-%m-%d %H:%M}", *(f"{values[name]:.3g}" if name in values else "–" for name in names))
            for at, values in points
        ],
    )


def flow(nodes: Mapping[str, Node], title: str, words: str, name: str) -> Chart:
    """The way through one sequence; ``name`` keeps its ids apart from those of other pictures on the page."""
    rows = tuple(
        (node.key, node.text, ", ".join(f"{way.answer} {way.to}".strip() for way in node.ways), node.note)
        for node in nodes.values()
    )
    return Chart(
        title=title,
        alternative=words,
        columns=("step", "what", "then", "contacts"),
        rows=rows,
        drawn=lambda: draw(nodes, title=title, words=words, name=name),
    )


def _values(rows: Sequence[Mapping[str, object]]) -> alt.Data:
    import altair as alt

    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call]  # altair leaves its schema classes untyped


def _chart(
    title: str,
    alternative: str,
    picture: Callable[[], Any],
    columns: tuple[str, ...],
    rows: Sequence[Sequence[object]],
) -> Chart:
    return Chart(
        title=title,
        alternative=alternative,
        columns=columns,
        rows=tuple(tuple(str(cell) for cell in row) for row in rows),
        drawn=lambda: _svg(picture()),
    )


def _svg(picture: Any) -> str:
    import vl_convert

    spec: dict[str, Any] = (
        picture.properties(width=WIDTH)
        .configure_view(stroke=None)
        .configure_axis(labelFontSize=12, titleFontSize=12, labelLimit=260, grid=False, labelColor=INK, titleColor=INK)
        .configure(background="transparent", font="sans-serif", padding=_PADDING)
        .to_dict()
    )
    return str(vl_convert.vegalite_to_svg(spec))
