"""Writes an audit as one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from console.audit.findings import Audit
from console.cli.output import moment, number
from console.report.charts import Chart, histogram

_FOLDER = Path(__file__).parents[1]


def write_audit(found: Audit, path: Path) -> Path:
    """Write the page and return its path."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(moment=moment, number=number)
    chart = _pressure(found)
    page = environment.get_template("audit.html").render(
        audit=found,
        chart=chart,
        picture=Markup(chart.svg) if chart else "",  # noqa: S704 - our own drawing over escaped labels
        css=Markup((_FOLDER / "static" / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
    )
    path.write_text(page, encoding="utf-8")
    return path


def _pressure(found: Audit) -> Chart | None:
    if not found.pressure:
        return None
    return histogram(found.pressure, "Pressure per contact", f"most messages in any {found.cap_days} days")
