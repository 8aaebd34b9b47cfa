"""The account of a month as people read it: at the terminal, as JSON and as a page."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.learning.intervals import Estimate
from agents.statement import Gain, Guardrail, Statement
from console.cli import app
from console.cli.output import money
from console.cli.statement import show
from console.report.statement import write_statement
from tests.agents.test_programme import QUARTER_END
from tests.agents.trial import START
from tests.console.conftest import Run

GAIN = Gain(
    kind="margin",
    total_cents=Estimate(value=120_000, low=-30_000, high=270_000),
    orders=Estimate(value=60, low=-15, high=135),
    confidence=0.95,
    outside=80,
    marketed=3_920,
    since=START,
)
MARCH = Statement(
    month="2025-03",
    since=START,
    until=QUARTER_END,
    is_over=True,
    currency="EUR",
    gain=GAIN,
    why_no_gain="",
    sent={"email": 4_000},
    message_cost_cents=400,
    discount_cents=5_000,
    discounted_orders=10,
    model_tokens=0,
    model_calls=0,
    decisions=4,
    people=2,
    minutes=37,
    guardrails=(
        Guardrail(
            rule="recent_purchase",
            sentence="Who <b>just</b> bought is left alone.",
            messages=40,
            forgone_cents=Estimate(value=1_200, low=-300, high=2_700),
        ),
    ),
    digest="d" * 64,
)


def test_a_workspace_without_campaigns_says_that_there_is_nothing_to_measure(run: Run) -> None:
    found = run("statement")
    assert found["month"] == "2025-02"
    assert found["gain"] is None
    assert "No campaign ran in February 2025, so there is nothing to measure." in found["why_no_gain"]


def test_at_the_terminal_and_as_a_page(shop: Path, tmp_path: Path) -> None:
    page = tmp_path / "february.html"
    result = CliRunner().invoke(app, ["statement", "--html", str(page), "--workspace", str(shop)])
    assert result.exit_code == 0
    assert "Gained      not known" in result.stdout
    assert "Not known" in page.read_text(encoding="utf-8")


def test_the_page_tells_the_interval_says_that_it_holds_zero_and_needs_nothing_else(tmp_path: Path) -> None:
    page = write_statement(MARCH, tmp_path / "march.html").read_text(encoding="utf-8")
    assert "€1,200.00 margin" in page
    assert "-€300.00 to" in page
    assert "proves neither gain nor loss" in page
    assert "&lt;b&gt;just&lt;/b&gt;" in page
    assert "http" not in page.split("</style>")[1]


@pytest.mark.parametrize(("begins", "told"), [(timedelta(0), False), (timedelta(days=9), True)])
def test_a_gain_that_is_counted_from_later_than_the_month_began_says_from_when(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, begins: timedelta, *, told: bool
) -> None:
    found = MARCH.model_copy(update={"gain": GAIN.model_copy(update={"since": START + begins})})
    show(found)
    page = write_statement(found, tmp_path / "march.html").read_text(encoding="utf-8")
    for said in (capsys.readouterr().out, page):
        assert ("when the first campaign of the month began" in said) is told


def test_a_gain_beyond_chance_is_not_called_unproven(tmp_path: Path) -> None:
    sure = GAIN.model_copy(update={"total_cents": Estimate(value=120_000, low=30_000, high=270_000)})
    page = write_statement(MARCH.model_copy(update={"gain": sure}), tmp_path / "march.html").read_text(encoding="utf-8")
    assert "proves neither" not in page


def test_a_month_that_proves_nothing_says_so_at_the_terminal_and_puts_no_price_on_a_rule(
    capsys: pytest.CaptureFixture[str],
) -> None:
    [rule] = MARCH.guardrails
    show(MARCH.model_copy(update={"guardrails": (rule.model_copy(update={"messages": 1, "forgone_cents": None}),)}))
    said = capsys.readouterr().out
    assert "95% interval: it proves neither gain nor loss" in said
    assert "1 message; what they would have brought: not known" in said
    assert "about 37 minutes of 2 people; 4 decisions" in said
    sure = GAIN.model_copy(update={"total_cents": Estimate(value=120_000, low=30_000, high=270_000)})
    show(MARCH.model_copy(update={"gain": sure}))
    said = capsys.readouterr().out
    assert "neither" not in said
    assert "40 messages; what they would have brought: as average messages €12.00 (-€3.00 to €27.00)" in said


def test_money_is_written_in_the_units_of_its_currency() -> None:
    assert (money(1_250, "EUR"), money(1_250, "JPY"), money(1_250, "KWD")) == ("€12.50", "¥1,250", "KWD1.250")
