"""Pictures of what was measured: each with its words, its numbers in a table, and a drawing under its own address."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert

from console.report.charts import Chart, intervals, lines_over_time
from console.report.facts import CampaignLine, Look
from console.screens.drawn import Drawings
from console.screens.measured import campaign_charts
from console.translation import translator
from memory import eval_runs
from memory.errors import NotFoundError
from memory.eval_runs import EvalRun
from memory.schema import reputation_counts
from memory.store import Store
from tests.conftest import START
from tests.console.screens.conftest import House, text_of


def test_an_interval_is_told_in_words_and_numbers_in_the_readers_language() -> None:
    rows = [("look 1", 1.25, -0.5, 3.0, "inconclusive"), ("<script>", 2.0, 1.0, 3.0, "works")]
    chart = intervals(rows, "Effet", "points", translator("fr"))
    said = "look 1 +1.25 (de -0.50 à +3.00), on ne sait pas; <script> +2.00 (de +1.00 à +3.00), elle agit"
    assert chart.alternative == f"Effet, en points : {said}."
    assert chart.columns == ("", "points", "de", "à", "verdict")
    assert chart.rows[0] == ("look 1", "+1.25", "-0.50", "+3.00", "on ne sait pas")
    assert "<script>" not in chart.svg
    assert "on ne sait pas" in chart.svg


def test_what_says_the_same_is_drawn_once_and_what_there_is_not_is_not_found() -> None:
    drawn: list[str] = []

    def draw() -> str:
        drawn.append("once")
        return "<svg/>"

    def chart(*cells: str) -> Chart:
        return Chart(title="t", alternative="a", columns=("c",), rows=(cells,), drawn=draw)

    drawings = Drawings()
    for cells in (("1",), ("1",), ("2",)):
        assert drawings.answer({"x": chart(*cells)}, "x").media_type == "image/svg+xml"
    assert len(drawn) == 2
    with pytest.raises(NotFoundError):
        drawings.answer({}, "x")


def test_a_campaign_shows_its_looks_with_their_intervals(store: Store) -> None:
    look = Look(look=1, looks_planned=2, verdict="works", difference=0.02, low=0.01, high=0.03, text="", read_at=START)
    line = CampaignLine(campaign_id="c", name="C", playbook="win_back", status="live", selected=100, reachable=80,
                        holdout=20, treated=60, written_to=55, states={}, reasons={}, looks=(look,))  # fmt: skip
    with store.read() as connection:
        charts = campaign_charts(connection, line, translator("en"))
    assert charts["looks"].rows == (("look 1", "+2.00", "+1.00", "+3.00", "works"),)
    assert charts["funnel"].rows[-1] == ("written to", "55")
    assert "shares" not in charts


def test_shares_hold_on_until_they_move() -> None:
    points = [(START, {"a": 50.0, "b": 50.0}), (START + timedelta(days=1), {"a": 70.0, "b": 20.0, "nobody": 10.0})]
    chart = lines_over_time(points, "Shares", "%", in_steps=True)
    assert chart.alternative == "Shares, in %: a from 50 to 70; b from 50 to 20; nobody from 10 to 10."
    assert chart.rows[0] == ("2025-03-03 09:00", "50", "50", "–")
    assert chart.svg.startswith("<svg")


def test_delivery_shows_how_domains_take_mail_day_by_day(house: House) -> None:
    viewer, now = house.person("viewer"), house.opened.clock.now()
    page = viewer.get("/console/delivery").text
    assert text_of(page).count("Nothing yet.") == 3
    assert "No e-mail left yet" in page
    rows = [
        {"sender": "shop.example", "domain": domain, "kind": kind, "at": now - timedelta(days=days), "messages": count}
        for domain, kind, days, count in (
            ("gmail.com", "sent", 2, 90), ("gmail.com", "refused", 2, 10), ("gmail.com", "complaint", 2, 1),
            ("web.de", "sent", 1, 50), ("gmail.com", "sent", 200, 7),
        )
    ]  # fmt: skip
    with house.opened.store.write() as connection:
        connection.execute(insert(reputation_counts), rows)
    page = viewer.get("/console/delivery").text
    assert "gmail.com from 10 to 10; web.de from 0 to 0" in page
    assert 'src="/console/delivery/bounces.svg"' in page
    assert viewer.get("/console/delivery/bounces.svg").text.startswith("<svg")
    assert viewer.get("/console/delivery/none.svg").status_code == 404


def test_forecasts_and_scores_of_the_evals_are_drawn(house: House) -> None:
    viewer, now = house.person("viewer"), house.opened.clock.now()
    page = viewer.get("/console/memory/forecasts")
    assert "too few to say how far they can be trusted" in page.text
    for name in ("outcomes", "calibration"):
        assert viewer.get(f"/console/memory/forecasts/{name}.svg").text.startswith("<svg")
    run = EvalRun(run_id="0", suite="cases", provider="rules", digest="d", passed=True, run_at=now, cases=1,
                  scores={"analyst": 0.5}, seconds=1)  # fmt: skip
    for number in (1, 2):
        assert viewer.get("/console/evals/trend-0.svg").status_code == 404
        later = {"run_id": str(number), "run_at": now + timedelta(days=number), "scores": {"analyst": number / 2}}
        with house.opened.store.write() as connection:
            eval_runs.keep(connection, run.model_copy(update=later))
    assert "analyst from 0.5 to 1" in viewer.get("/console/evals").text
    assert viewer.get("/console/evals/trend-0.svg").status_code == 200
