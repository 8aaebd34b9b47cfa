"""Writes the report as one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict

from console.cli.output import moment, money, number
from console.effects import per_thousand
from console.flow.progress import notes_of
from console.flow.steps import capital, nodes_of
from console.report.charts import (
    Chart,
    Say,
    flow,
    forecast_against_outcome,
    funnel,
    histogram,
    in_english,
    intervals,
)
from console.report.facts import PRESSURE_DAYS, CampaignLine, FlowLine, ForecastLine, ReportFacts
from memory.step_text import tell_reentry, tell_sequence, tell_trigger

_FOLDER = Path(__file__).parents[1]
# Nine times in ten, for a normal distribution.
_NINE_IN_TEN = 1.644854


class Chapter(BaseModel):
    """A heading with paragraphs, for what a report tells beside the record: the story of a demo, say."""

    model_config = ConfigDict(frozen=True)

    title: str
    paragraphs: tuple[str, ...]


def write_report(
    facts: ReportFacts, path: Path, *, title: str, simulated: bool, chapters: tuple[Chapter, ...] = ()
) -> Path:
    """Write the page and return its path; ``simulated`` labels every number of a simulated market."""
    templates = environment()
    templates.globals.update(
        per_thousand=per_thousand, tell_sequence=tell_sequence, tell_trigger=tell_trigger, tell_reentry=tell_reentry
    )
    page = templates.get_template("report.html").render(
        title=title,
        simulated=simulated,
        facts=facts,
        chapters=chapters,
        charts=[_shown(chart) for chart in _charts(facts)],
        css=stylesheet(),
    )
    path.write_text(page, encoding="utf-8")
    return path


def environment() -> Environment:
    """Templates of pages that stand alone, with the ways in which they write numbers, money and moments."""
    found = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    found.filters.update(moment=moment, number=number, money=money, capital=capital)
    return found


def stylesheet() -> Markup:
    """The looks of such a page, to stand in it."""
    return Markup((_FOLDER / "static" / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file


def _charts(facts: ReportFacts) -> list[Chart]:
    charts = [funnel(steps_of(campaign), f"{campaign.name}: from selection to inbox") for campaign in facts.campaigns]
    charts += [_flow(line) for line in facts.flows if _branches_out(line)]
    measured = [(campaign.name, campaign.looks[-1]) for campaign in facts.campaigns if campaign.looks]
    if measured:
        rows = [(name, 100 * last.difference, 100 * last.low, 100 * last.high, last.verdict) for name, last in measured]
        charts.append(intervals(rows, "Increment against the holdout, latest look", "percentage points"))
    if facts.forecasts:
        charts.append(forecast_against_outcome([spanned(line) for line in facts.forecasts], "Forecast against outcome"))
    if facts.pressure:
        charts.append(histogram(facts.pressure, "Pressure per contact", f"most messages in any {PRESSURE_DAYS} days"))
    return charts


def _branches_out(line: FlowLine) -> bool:
    """Whether a picture says more than its funnel: with a branch, or more than one message."""
    kinds = [step.kind for step in line.sequence.steps]
    return "branch" in kinds or kinds.count("send") > 1


def _flow(line: FlowLine) -> Chart:
    notes = notes_of(line.progress, line.sequence, number)
    return flow(
        nodes_of(line.sequence, line.trigger, "en", notes),
        f"{line.campaign}: {line.sequence.title}",
        capital(tell_sequence(line.sequence, "en", line.trigger)) + ".",
        f"flow-{line.campaign_id}-{line.sequence.key}",
    )


def steps_of(campaign: CampaignLine, say: Say = in_english) -> list[tuple[str, int]]:
    """From everybody selected to everybody who was written to."""
    return [
        (say("selected"), campaign.selected),
        (say("may be written to"), campaign.reachable),
        (say("not held out"), campaign.treated),
        (say("written to"), campaign.written_to),
    ]


def spanned(line: ForecastLine) -> tuple[str, float, float, float, float]:
    """A forecast with the interval that holds nine times in ten, and what was measured, per 1,000 contacts."""
    reach, rate = _NINE_IN_TEN * line.sd, line.base_rate
    expected, low, high, measured = (
        per_thousand(effect, rate)
        for effect in (line.expected, line.expected - reach, line.expected + reach, line.measured)
    )
    return line.name, expected, low, high, measured


def _shown(chart: Chart) -> dict[str, object]:
    # The picture is our own drawing over escaped labels; everything else on the page is escaped.
    return {**chart.model_dump(exclude={"svg"}), "svg": Markup(chart.svg)}  # noqa: S704
