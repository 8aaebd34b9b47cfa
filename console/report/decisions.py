"""Writes who was right as one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

from pathlib import Path

from agents.decision_ledger import DecisionLedger
from console.report.page import environment, stylesheet


def write_decisions(found: DecisionLedger, path: Path) -> Path:
    """Write the page and return its path."""
    page = environment().get_template("decisions.html").render(found=found, css=stylesheet())
    path.write_text(page, encoding="utf-8")
    return path
