"""Runs the suite for one provider or several, and says whether the release may go out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from pydantic import BaseModel, ConfigDict

from evals.bad_models import Contender
from evals.baseline import Baseline, falls, news
from evals.engine import run_cases
from evals.result import SuiteResult
from evals.scenario import Scenario
from memory.canonical import digest


class Judged(BaseModel):
    """A result beside the baseline."""

    model_config = ConfigDict(frozen=True)

    result: SuiteResult
    falls: tuple[str, ...]
    """What is worse than agreed."""
    news: tuple[str, ...]
    """What is better or new."""

    @property
    def passed(self) -> bool:
        return not self.result.hard_failures and not self.falls


def run_suite(
    scenarios: Sequence[Scenario],
    contender: Contender,
    *,
    repeat: int = 1,
    jobs: int = 1,
    on_case: Callable[[str], None] | None = None,
) -> SuiteResult:
    """Play all cases with one provider. Rules are deterministic, so they are played once whatever ``repeat`` says."""
    started = time.monotonic()
    times = repeat if contender.kind == "model" else 1
    runs = run_cases(scenarios, contender, repeat=times, jobs=jobs, on_case=on_case)
    return SuiteResult(
        provider=contender.name,
        kind=contender.kind,
        suite=digest([scenario.model_dump(mode="json") for scenario in scenarios]),
        repeat=times,
        runs=tuple(runs),
        seconds=time.monotonic() - started,
    )


def judge(result: SuiteResult, baseline: Baseline, *, whole: bool, own: Collection[str] = ()) -> Judged:
    """Hold a result against the baseline; ``own`` are cases of a workspace, which stand in none and have to hold."""
    fell = [
        f"{case}: {name} is {value:.3f}, and a case of the workspace has to hold"
        for case, scores in sorted(result.case_scores().items())
        for name, value in sorted(scores.items())
        if case in own and value < 1
    ]
    known = [one for one in news(result, baseline) if one.partition(":")[0] not in own]
    return Judged(result=result, falls=(*falls(result, baseline, whole=whole), *fell), news=tuple(known))
