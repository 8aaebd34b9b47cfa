"""Writes an audit as one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from console.audit.findings import Audit
from console.report.charts import Chart, histogram
from console.report.page import environment, stylesheet


def write_audit(found: Audit, path: Path) -> Path:
    """Write the page and return its path."""
    chart = _pressure(found)
    page = (
        environment()
        .get_template("audit.html")
        .render(
            audit=found,
            chart=chart,
            picture=Markup(chart.svg) if chart else "",  # noqa: S704 - our own drawing over escaped labels
            css=stylesheet(),
        )
    )
    path.write_text(page, encoding="utf-8")
    return path


def _pressure(found: Audit) -> Chart | None:
    if not found.pressure:
        return None
    return histogram(found.pressure, "Pressure per contact", f"most messages in any {found.cap_days} days")
