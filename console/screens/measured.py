"""What was measured, to look at: a campaign's looks, funnel and shares; forecasts; pressure and how mail is taken."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy import Connection, func, select, type_coerce
from sqlalchemy.types import BigInteger
from starlette.responses import Response

from agents.learning.forecast import ForecastScore, calibration, track_record
from console.report.charts import (
    Chart,
    Say,
    forecast_against_outcome,
    funnel,
    histogram,
    intervals,
    lines_over_time,
)
from console.report.charts import calibration as draw_calibration
from console.report.facts import PRESSURE_DAYS, CampaignLine, campaign_line, forecast_lines, pressure
from console.report.page import spanned, steps_of
from console.screens.door import Viewer
from console.screens.drawn import Drawings
from console.screens.frame import Frame
from console.translation import translator
from memory import allocations, campaigns, eval_runs, forecasts
from memory.eval_runs import EvalRun
from memory.schema import EPOCH, reputation_counts, to_micros
from tools.reputation import regard

_DAY: Final = timedelta(days=1)
_DAYS: Final = 90
_DOMAINS: Final = 5
_FORECASTS: Final = 40
_TURNED_AWAY: Final = ("refused", "bounced")


def routes(frame: Frame) -> APIRouter:
    """The pages of forecasts and of delivery, and every picture."""
    router, opened, drawings = APIRouter(), frame.opened, Drawings()

    def say(request: Request) -> Say:
        return translator(frame.language(request))

    @router.get("/campaigns/{campaign_id}/chart/{name}.svg")
    def of_campaign(request: Request, _user: Viewer, campaign_id: str, name: str) -> Response:
        with opened.store.read() as connection:
            line = campaign_line(connection, campaigns.get(connection, campaign_id))
            charts = campaign_charts(connection, line, say(request))
        return drawings.answer(charts, name)

    @router.get("/memory/forecasts")
    def expected(request: Request, _user: Viewer) -> Response:
        with opened.store.read() as connection:
            charts = forecast_charts(connection, say(request))
            record = track_record([ForecastScore.model_validate(one) for one in forecasts.scores(connection)])
        return frame.page(request, "forecasts.html", charts=charts, record=record)

    @router.get("/memory/forecasts/{name}.svg")
    def of_forecasts(request: Request, _user: Viewer, name: str) -> Response:
        with opened.store.read() as connection:
            charts = forecast_charts(connection, say(request))
        return drawings.answer(charts, name)

    @router.get("/delivery")
    def delivery(request: Request, _user: Viewer) -> Response:
        now = opened.clock.now()
        with frame.lock:
            opened.take_up_policy()
            pack = opened.pack
        with opened.store.read() as connection:
            charts = delivery_charts(connection, now, say(request))
            senders = regard(connection, pack, now)
        return frame.page(request, "delivery.html", charts=charts, senders=senders, days=_DAYS)

    @router.get("/delivery/{name}.svg")
    def of_delivery(request: Request, _user: Viewer, name: str) -> Response:
        with opened.store.read() as connection:
            charts = delivery_charts(connection, opened.clock.now(), say(request))
        return drawings.answer(charts, name)

    @router.get("/evals/{name}.svg")
    def of_evals(request: Request, _user: Viewer, name: str) -> Response:
        with opened.store.read() as connection:
            runs = eval_runs.newest(connection, eval_runs.SHOWN)
        return drawings.answer(eval_charts(runs, say(request)), name)

    return router


def campaign_charts(connection: Connection, line: CampaignLine, say: Say) -> dict[str, Chart]:
    """What can be drawn of one campaign: its looks, its funnel, and its shares where they moved."""
    found = {"funnel": funnel(steps_of(line, say), say("From selection to inbox"), say)}
    if line.looks:
        rows = [
            (
                say("look {n}", n=look.look),
                100 * look.difference,
                100 * look.low,
                100 * look.high,
                look.verdict,
            )
            for look in line.looks
        ]
        found["looks"] = intervals(rows, say("Difference to the holdout, look by look"), say("percentage points"), say)
    moved = allocations.periods(connection, line.campaign_id)
    if len(moved.since) > 1:
        of_all = [allocations.over_all(connection, line.campaign_id, shares) for shares in moved.shares]
        points = [
            (since, {name: 100 * share for name, share in shares.items()})
            for since, shares in zip(moved.since, of_all, strict=True)
        ]
        title = say("Shares of the sequences over time")
        found["shares"] = lines_over_time(points, title, say("% of those who enter"), say, in_steps=True)
    return found


def forecast_charts(connection: Connection, say: Say) -> dict[str, Chart]:
    """What was expected against what was measured, and how honest the intervals were."""
    lines = forecast_lines(connection)[-_FORECASTS:]
    scores = [ForecastScore.model_validate(one) for one in forecasts.scores(connection)]
    points = [(one.promised, one.kept) for one in calibration(scores)]
    return {
        "outcomes": forecast_against_outcome([spanned(one) for one in lines], say("Forecast against outcome"), say),
        "calibration": draw_calibration(points, len(scores), say("Calibration"), say),
    }


def delivery_charts(connection: Connection, now: datetime, say: Say) -> dict[str, Chart]:
    """How much mail people get, and how receiving domains take it, over the last days."""
    since = now - _DAYS * _DAY
    unit = say("most messages in any {n} days", n=PRESSURE_DAYS)
    turned_away, complaints = _shares_by_day(connection, since)
    return {
        "pressure": histogram(pressure(connection, since), say("Pressure per contact"), unit, say),
        "bounces": lines_over_time(turned_away, say("Mail turned away or returned, by domain"), "%", say),
        "complaints": lines_over_time(complaints, say("Complaints, by domain"), "%", say),
    }


def eval_charts(runs: list[EvalRun], say: Say) -> dict[str, Chart]:
    """Where the scores of each suite and provider go; nothing is drawn of a single run."""
    found: dict[str, Chart] = {}
    for number, line in enumerate(eval_runs.by_line(runs)):
        if len(line) > 1:
            points = [(run.run_at, {say(name): value for name, value in run.scores.items()}) for run in line[::-1]]
            title = say("Where the scores go: {provider}", provider=line[0].provider)
            found[f"trend-{number}"] = lines_over_time(points, title, say("mean score"), say)
    return found


_Points = list[tuple[datetime, dict[str, float]]]


def _shares_by_day(connection: Connection, since: datetime) -> tuple[_Points, _Points]:
    """Of the domains that most mail went to: the percentage turned away or returned, and that of complaints, by day."""
    day = type_coerce(reputation_counts.c.at, BigInteger) // to_micros(EPOCH + _DAY)
    query = (
        select(
            reputation_counts.c.domain,
            reputation_counts.c.kind,
            day.label("day"),
            func.sum(reputation_counts.c.messages).label("messages"),
        )
        .where(reputation_counts.c.at >= since)
        .group_by(reputation_counts.c.domain, reputation_counts.c.kind, day)
    )
    counts: dict[tuple[int, str], dict[str, int]] = defaultdict(dict)
    sent: dict[str, int] = defaultdict(int)
    for row in connection.execute(query):
        counts[int(row.day), row.domain][row.kind] = int(row.messages)
        sent[row.domain] += int(row.messages) if row.kind == "sent" else 0
    shown = sorted(sent, key=lambda one: (-sent[one], one))[:_DOMAINS]
    turned_away: dict[int, dict[str, float]] = defaultdict(dict)
    complaints: dict[int, dict[str, float]] = defaultdict(dict)
    for (number, domain), kinds in sorted(counts.items()):
        tried = kinds.get("sent", 0) + kinds.get("refused", 0)
        if domain in shown and tried:
            turned_away[number][domain] = 100 * sum(kinds.get(kind, 0) for kind in _TURNED_AWAY) / tried
            complaints[number][domain] = 100 * kinds.get("complaint", 0) / tried
    return (
        [(EPOCH + number * _DAY, values) for number, values in turned_away.items()],
        [(EPOCH + number * _DAY, values) for number, values in complaints.items()],
    )
