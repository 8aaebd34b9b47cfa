"""The closed-loop table as one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from console.report.charts import Chart, intervals
from evals.market.table import NORIA, Table

_TEMPLATE = Path(__file__).parent / "market.html"


def write_page(found: Table, path: Path) -> Path:
    """Write the page, with a chart of every difference and of every world; returns where it lies."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    charts = [(chart, Markup(chart.svg)) for chart in _charts(found)]  # noqa: S704 -- drawn here, from numbers
    kinds = [kind for kind in ("normal", "null", "harmful", "all") if kind in found.means[NORIA]]
    page = template.render(found=found, charts=charts, kinds=kinds, noria=NORIA)
    path.write_text(page, encoding="utf-8")
    return path


def _charts(found: Table) -> list[Chart]:
    unit = "cents a contact"
    differences = [
        (one.rival, one.mean_cents, one.low_cents, one.high_cents, _verdict(one.low_cents, one.high_cents))
        for one in found.against
    ]
    worlds = [
        (f"{one.kind}, {one.family} {one.seed}", one.cents[NORIA], min(others), max(others), _side(one.cents[NORIA]))
        for one in found.played
        if (others := [cents for name, cents in one.cents.items() if name != NORIA])
    ]
    return [
        intervals(differences, "Noria less each rival, with 95 % interval", unit),
        intervals(worlds, "Noria in each world, with the range of its rivals", unit),
    ]


def _verdict(low: float, high: float) -> str:
    return "works" if low > 0 else "harms" if high < 0 else "inconclusive"


def _side(cents: float) -> str:
    return "works" if cents > 0 else "harms"
