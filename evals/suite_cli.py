"""`noria eval`: plays the suite, prints it with reasons, cost and latency, and fails where nothing may be released."""

from __future__ import annotations

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from console.cli.output import AsJson, console, errors, plain, quote, say, table
from console.cli.place import InWorkspace
from evals.baseline import BASELINE, Baseline, read_baseline, with_result, write_baseline
from evals.result import AGENTS
from memory.errors import ConfigurationError

if TYPE_CHECKING:
    from evals.bad_models import Contender
    from evals.scenario import Scenario
    from evals.suite import Judged


_HEADINGS = ("analyst", "copy", "sched.", "guard.", "end", "never", "s", "tokens")
"""Of the scores in the order of AGENTS, then of what follows them."""


class Providers(StrEnum):
    """Who is scored."""

    RULES = "rules"
    MODEL = "model"


def eval_command(
    context: typer.Context,
    case: Annotated[list[str] | None, typer.Option(help="Only this case; may be given again.")] = None,
    provider: Annotated[
        Providers | None,
        typer.Option(help="Only this provider; rules, and the model if one is configured, by default."),
    ] = None,
    base_url: Annotated[
        str, typer.Option(envvar="NORIA_MODEL_BASE_URL", help="Address of an OpenAI-compatible model, ending in /v1.")
    ] = "",
    model: Annotated[str, typer.Option(envvar="NORIA_MODEL_NAME", help="Its name.")] = "",
    structured_output: Annotated[
        str, typer.Option(envvar="NORIA_MODEL_STRUCTURED_OUTPUT", help="json_schema, function_calling or json_mode.")
    ] = "json_schema",
    repeat: Annotated[int, typer.Option(min=1, help="How often a model plays each case; shows the spread.")] = 1,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 for one per core, at most 4.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write everything as JSON.", dir_okay=False)] = None,
    html: Annotated[Path | None, typer.Option(help="Write a self-contained page.", dir_okay=False)] = None,
    baseline: Annotated[Path, typer.Option(help="What the results are held against.", dir_okay=False)] = BASELINE,
    write: Annotated[bool, typer.Option("--write-baseline", help="Agree on these results.")] = False,
    workspace: InWorkspace = None,
    as_json: AsJson = False,
) -> None:
    """Score every agent on the suite of cases. Fails on what must never happen, and on a fall below the baseline.

    In a workspace its own cases are played too, under its policy, and each has to hold; the result of the whole suite
    is kept there for the console. The key of a model is read
    from NORIA_MODEL_API_KEY.
    """
    if context.invoked_subcommand is not None:
        return
    from evals.scenario import chosen, load_cases
    from evals.suite import judge, run_suite

    contenders = _contenders(provider, base_url, model, structured_output)
    own = [] if write else _own_cases(workspace)
    scenarios = chosen([*load_cases(), *own], case or ())
    agreed = Baseline() if write and not baseline.exists() else read_baseline(baseline)
    processes = min(jobs or min(os.cpu_count() or 1, 4), len(scenarios))
    judged = []
    for contender in contenders:
        done = _Counter(contender.name, len(scenarios), quiet=as_json)
        result = run_suite(scenarios, contender, repeat=repeat, jobs=processes, on_case=done)
        judged.append(judge(result, agreed, whole=not case, own=[one.name for one in own]))
    if write:
        if case:
            raise ConfigurationError("A baseline is made of all cases.", where="--case", remedy="Leave --case out.")
        if failures := [line for one in judged for line in one.result.hard_failures]:
            raise ConfigurationError(
                "What must never happen did, so this cannot be the baseline.",
                where=failures[0],
                remedy="Mend it first.",
            )
        for one in judged:
            agreed = with_result(agreed, one.result)
        write_baseline(baseline, agreed)
        judged = [judge(one.result, agreed, whole=True) for one in judged]
    report = _report(judged)
    if not case:
        from evals.keeping import keep_judged

        keep_judged(workspace, judged)
    if out is not None:
        out.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    if html is not None:
        from evals.suite_page import write_page

        write_page(judged, html)
    if as_json:
        print(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        _show(judged)
    if not report["passed"]:
        raise typer.Exit(1)


def _own_cases(workspace: Path | None) -> list[Scenario]:
    """The cases of the workspace that one stands in, each under its policy; none outside of a workspace."""
    from console.candidates import CASES
    from console.wiring import nearest_workspace, open_workspace
    from evals.scenario import load_cases, under

    folder = workspace or nearest_workspace()
    if folder is None or not (folder / CASES).is_dir():
        return []
    with open_workspace(folder) as opened:
        return [under(one, opened.pack) for one in load_cases(folder / CASES)]


class _Counter:
    """Says how far it is, on standard error and only to people."""

    def __init__(self, provider: str, cases: int, *, quiet: bool) -> None:
        self._provider, self._cases, self._done = provider, cases, 0
        self._quiet = quiet or not sys.stderr.isatty()

    def __call__(self, case: str) -> None:
        self._done += 1
        if not self._quiet:
            errors.print(f"[dim]{quote(self._provider)}: {self._done} of {self._cases} {quote(case)}[/dim]")


def _contenders(provider: Providers | None, base_url: str, model: str, structured_output: str) -> list[Contender]:
    from evals.bad_models import Contender

    rules = Contender()
    if bool(base_url) != bool(model):
        raise ConfigurationError(
            "A model needs an address and a name.",
            where="--base-url" if model else "--model",
            remedy="Set NORIA_MODEL_BASE_URL and NORIA_MODEL_NAME, and NORIA_MODEL_API_KEY if it asks for a key.",
        )
    if not base_url:
        if provider is Providers.MODEL:
            raise ConfigurationError(
                "No model is configured.",
                where="--provider model",
                remedy="Set NORIA_MODEL_BASE_URL and NORIA_MODEL_NAME, and NORIA_MODEL_API_KEY if it asks for a key.",
            )
        return [rules]
    from pydantic import ValidationError

    from agents.model import ModelSettings

    try:
        settings = ModelSettings.model_validate(
            {
                "base_url": base_url,
                "model": model,
                "structured_method": structured_output,
                "api_key": os.environ.get("NORIA_MODEL_API_KEY") or "none",
            }
        )
    except ValidationError as error:
        raise ConfigurationError(
            f"The model's settings are wrong: {error.errors()[0]['msg']}.", where="--structured-output"
        ) from error
    scored = Contender(kind="model", settings=settings)
    return [scored] if provider is Providers.MODEL else [rules] if provider is Providers.RULES else [rules, scored]


def _report(judged: list[Judged]) -> dict[str, Any]:
    return {
        "passed": all(one.passed for one in judged),
        "providers": [
            {
                **plain(one.result),
                "passed": one.passed,
                "hard_failures": one.result.hard_failures,
                "falls": list(one.falls),
                "news": list(one.news),
                "scores": {name: plain(spread) for name, spread in one.result.spreads().items()},
                "tokens": one.result.tokens,
                "latency_seconds": one.result.latency_seconds,
            }
            for one in judged
        ],
    }


def _show(judged: list[Judged]) -> None:
    for one in judged:
        result = one.result
        console.print(_cases(one))
        for run in result.runs:
            for name, scored in run.scores.items():
                if scored.value < 1:
                    say(f"  {quote(run.name)}, {name}: {quote(scored.reason)}")
    means = [
        [
            one.result.provider,
            *(_spread(one, name) for name in AGENTS),
            f"{one.result.latency_seconds:.1f}",
            one.result.tokens,
            sum(run.fell_back for run in one.result.runs),
        ]
        for one in judged
    ]
    table("Providers", ["provider", *_HEADINGS[:5], "s", "tokens", "by rules"], means)
    for one in judged:
        for line in one.result.hard_failures:
            say(f"[red]Must never happen, and did[/red]: {quote(line)}")
        for line in one.falls:
            say(f"[red]Worse than agreed[/red]: {quote(line)}")
        for line in one.news:
            say(f"[dim]New or better: {quote(line)}[/dim]")
        verdict = "[green]passed[/green]" if one.passed else "[red]failed[/red]"
        say(f"{quote(one.result.provider)}: {len(one.result.runs)} runs in {one.result.seconds:.0f} s, {verdict}")


def _cases(one: Judged) -> Table:
    """A line for each run, narrow enough for eighty columns; long names are cut rather than folded."""
    shown = Table(title=quote(one.result.provider), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column("case", no_wrap=True, overflow="ellipsis", max_width=max(console.width - 60, 16))
    for heading in _HEADINGS:
        shown.add_column(heading, justify="right", no_wrap=True, min_width=max(len(heading), 4))
    for run in one.result.runs:
        marks = [f"{run.scores[name].value:.2f}" if name in run.scores else "–" for name in AGENTS]
        never = "[red]BROKEN[/red]" if run.broken else "held"
        shown.add_row(quote(run.name), *marks, never, f"{run.seconds:.1f}", str(run.tokens))
    return shown


def _spread(one: Judged, name: str) -> str:
    spread = one.result.spreads().get(name)
    if spread is None:
        return "–"
    between = f" ({spread.lowest_run:.3f}–{spread.highest_run:.3f})" if one.result.repeat > 1 else ""
    return f"{spread.mean:.3f}{between}"
