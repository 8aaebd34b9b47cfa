"""`noria forecasts`: what was expected before each launch, what came of it, and how far forecasts can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.output import AsJson, answer, moment, quote, say, table
from console.cli.place import InWorkspace
from console.effects import per_thousand
from console.wiring import open_workspace
from memory import forecasts
from memory.proposal import is_known

if TYPE_CHECKING:
    from agents.learning.forecast import Record

_NINE_IN_TEN = 1.645


def add_commands(app: typer.Typer) -> None:
    app.command("forecasts")(listing)


def listing(
    picture: Annotated[
        Path | None, typer.Option("--picture", "-p", help="SVG file to draw the calibration into.", dir_okay=False)
    ] = None,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Print each launched forecast with what was measured, and how honest they were together."""
    from agents.learning.forecast import ForecastScore, calibration, track_record

    with open_workspace(workspace) as opened, opened.store.read() as connection:
        found = forecasts.list_forecasts(connection)
    scores = [ForecastScore.model_validate(one.score) for one in found if one.score is not None]
    record, points = track_record(scores), calibration(scores)
    if picture is not None:
        from console.report.charts import calibration as draw

        drawn = draw([(one.promised, one.kept) for one in points], len(scores), "Calibration")
        picture.write_text(drawn.svg, encoding="utf-8")

    def show() -> None:
        rows = [[one.name, *_cells(one)] for one in found]
        if not rows:
            say("No forecast yet: each proposal makes one, and its launch puts it to the test.")
            return
        table("Forecasts, additional per 1,000 contacts", ["campaign", "made", "expected (9 in 10)", "measured"], rows)
        say(_tell(record))
        if picture is not None:
            say(f"Calibration: {quote(picture)}")

    value = {"record": record, "calibration": points, "forecasts": found}
    answer(value, as_json=as_json, show=show)


def _cells(one: forecasts.FinishedForecast) -> list[str]:
    body, made = one.forecast.body, moment(one.forecast.made_at)
    middle, reach, rate = body["effect_mean"], _NINE_IN_TEN * body["effect_sd"], body["base_rate"]
    mean, low, high = (per_thousand(middle + step, rate) for step in (0.0, -reach, reach))
    expected = f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"
    measured = f"{per_thousand(one.score['observed'], rate):+.1f}" if one.score is not None else "not yet"
    if not is_known(rate):
        return [made, "unknown", "no rate to add to" if one.score is not None else "not yet"]
    return [made, expected, measured]


def _tell(record: Record) -> str:
    if record.mean_crps is None:
        return f"{record.forecasts} met their outcome: too few to say how far they can be trusted."
    said = (
        f"{record.forecasts} met their outcome: of the intervals that promise 50, 80 and 95 of 100, "
        f"{record.covered_50:.0%}, {record.covered_80:.0%} and {record.covered_95:.0%} held it."
    )
    if record.skill_against_no_effect is not None:
        said += f" Skill against “no effect” {record.skill_against_no_effect:+.0%}"
        same = record.skill_against_same_as_last
        said += f", against “as last time” {same:+.0%}." if same is not None else "."
    if (fix := record.recalibration) is not None:
        said += f" New forecasts are widened by {fix.sd_factor:.2f} and lowered by {fix.lower_mean_by:.2f}."
    return said
