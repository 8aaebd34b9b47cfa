"""The result of the suite as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from evals.result import AGENTS, SuiteResult
from evals.suite import Judged

_TEMPLATE = Path(__file__).parent / "suite.html"


def write_page(judged: Sequence[Judged], path: Path) -> Path:
    """Write the page, with every reason and every fall; returns where it lies."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(
        judged=list(judged), agents=AGENTS, passed=all(one.passed for one in judged), fell_back=_fell_back
    )
    path.write_text(page, encoding="utf-8")
    return path


def _fell_back(result: SuiteResult) -> int:
    return sum(run.fell_back for run in result.runs)
