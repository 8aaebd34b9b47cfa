"""The only module that knows pydantic-evals: it runs the cases, asks the scores, and keeps every run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context

from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import EvaluationReason, Evaluator, EvaluatorContext
from pydantic_evals.reporting import EvaluationReport, ReportCase

from evals.bad_models import Contender
from evals.outcome import Outcome
from evals.result import CaseRun, Scored
from evals.runner import play
from evals.scenario import Scenario
from evals.scores import analyst, copywriter, end_state, guardian, hard, scheduler
from evals.scores.score import Score

HARD = "never"
SCORES: dict[str, Callable[[Scenario, Outcome], Score | None]] = {
    "analyst": analyst.score,
    "copywriter": copywriter.score,
    "scheduler": scheduler.score,
    "guardian": guardian.score,
    "end_state": end_state.score,
    HARD: hard.score,
}


@dataclass
class ScoredBy(Evaluator[Scenario, Outcome, None]):
    """One score of ours as pydantic-evals asks for it; the hard one is an assertion."""

    score: str

    def evaluate(self, ctx: EvaluatorContext[Scenario, Outcome, None]) -> dict[str, EvaluationReason]:
        found = SCORES[self.score](ctx.inputs, ctx.output)
        if found is None:
            return {}
        value: bool | float = found.value == 1.0 if self.score == HARD else found.value
        return {self.score: EvaluationReason(value=value, reason=found.reason)}


def run_cases(
    scenarios: Sequence[Scenario],
    contender: Contender,
    *,
    repeat: int = 1,
    jobs: int = 1,
    on_case: Callable[[str], None] | None = None,
) -> list[CaseRun]:
    """Play every case, and score it; with ``jobs`` above 1 in as many processes. A case that breaks says why."""
    dataset: Dataset[Scenario, Outcome, None] = Dataset(
        name="noria",
        cases=[Case(name=scenario.name, inputs=scenario) for scenario in scenarios],
        evaluators=[ScoredBy(name) for name in SCORES],
    )
    told = on_case or (lambda _name: None)
    with ExitStack() as stack:
        pool = (
            stack.enter_context(ProcessPoolExecutor(jobs, mp_context=get_context("spawn")))
            if min(jobs, len(scenarios) * repeat) > 1
            else None
        )

        async def task(scenario: Scenario) -> Outcome:
            if pool is None:
                outcome = play(scenario, contender)
            else:
                outcome = await asyncio.get_running_loop().run_in_executor(pool, play, scenario, contender)
            told(scenario.name)
            return outcome

        # `evaluate_sync` would leave its event loop open.
        report = asyncio.run(dataset.evaluate(task, max_concurrency=jobs, progress=False, repeat=repeat))
    return _runs(report, {scenario.name: scenario.title for scenario in scenarios})


def _runs(report: EvaluationReport[Scenario, Outcome, None], titles: dict[str, str]) -> list[CaseRun]:
    runs = [_run(one, titles) for one in report.cases]
    runs += [
        CaseRun(
            name=one.source_case_name or one.name,
            title=titles[one.source_case_name or one.name],
            error=one.error_message,
        )
        for one in report.failures
    ]
    return sorted(runs, key=lambda one: one.name)


def _run(case: ReportCase[Scenario, Outcome, None], titles: dict[str, str]) -> CaseRun:
    name = case.source_case_name or case.name
    scores = {key: Scored(value=float(one.value), reason=one.reason or "") for key, one in case.scores.items()}
    never = case.assertions.get(HARD)
    broken = "; ".join(failure.error_message for failure in case.evaluator_failures)
    return CaseRun(
        name=name,
        title=titles[name],
        scores=scores,
        never_held=never is not None and never.value is True,
        never_reason=(never.reason or "") if never is not None else "not scored",
        seconds=case.output.seconds,
        tokens=case.output.tokens,
        model_calls=case.output.model_calls,
        fell_back=sum(
            "rules took over" in author.note for seen in case.output.proposals for author in seen.proposal.authors
        ),
        error=broken,
    )
