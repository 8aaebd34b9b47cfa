"""Writes the account of a month as one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

from pathlib import Path

from agents.statement import Statement
from console.report.page import environment, stylesheet


def write_statement(found: Statement, path: Path) -> Path:
    """Write the page and return its path."""
    page = environment().get_template("statement.html").render(found=found, css=stylesheet())
    path.write_text(page, encoding="utf-8")
    return path
