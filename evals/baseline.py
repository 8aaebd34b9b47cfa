"""The committed baseline: what the suite scored when it was last agreed on, and how far it may fall."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from evals.result import AGENTS, SuiteResult
from memory.errors import InvalidInputError, NotFoundError

BASELINE = Path(__file__).parent / "baseline.json"


class Baseline(BaseModel):
    """Scores per kind of provider and case, with the fall that is tolerated and the floor under each mean."""

    model_config = ConfigDict(extra="forbid")

    suite: str = ""
    """Digest of the cases it was made with."""
    tolerances: dict[str, float] = dict.fromkeys(AGENTS, 0.0)
    """How far one case's score may fall below the baseline."""
    floors: dict[str, float] = dict.fromkeys(AGENTS, 0.95)
    """The least that the mean of a score may be, for any provider."""
    scores: dict[str, dict[str, dict[str, float]]] = {}
    """Kind of provider → case → score → value."""


def read_baseline(path: Path) -> Baseline:
    """Raises NotFoundError without the file, InvalidInputError for one that is not a baseline."""
    try:
        return Baseline.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFoundError(
            "There is no baseline.", where=str(path), remedy="`noria eval --write-baseline` makes one."
        ) from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            "This is not a baseline.", where=str(path), remedy="Restore it from version control, or write it anew."
        ) from error


def with_result(baseline: Baseline, result: SuiteResult) -> Baseline:
    """The baseline with a result as what is agreed on for its kind of provider; tolerances and floors stay."""
    scores = {
        case: {name: round(value, 6) for name, value in sorted(values.items())}
        for case, values in sorted(result.case_scores().items())
    }
    return baseline.model_copy(update={"suite": result.suite, "scores": {**baseline.scores, result.kind: scores}})


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write it so that version control shows each change on its line."""
    path.write_text(baseline.model_dump_json(indent=2) + "\n", encoding="utf-8")


def falls(result: SuiteResult, baseline: Baseline, *, whole: bool) -> list[str]:
    """Everything that is worse than agreed; ``whole`` is False when only some cases were played."""
    found = []
    agreed = baseline.scores.get(result.kind, {})
    now = result.case_scores()
    for case, scores in sorted(agreed.items()):
        if case not in now:
            if whole:
                found.append(f"{case}: the case is gone")
            continue
        for name, value in sorted(scores.items()):
            reached = now[case].get(name)
            if reached is None:
                found.append(f"{case}: {name} is no longer scored")
            elif reached < value - baseline.tolerances.get(name, 0.0) - 1e-6:
                found.append(f"{case}: {name} fell from {value:.3f} to {reached:.3f}")
    if whole:
        found += [
            f"{name}: the mean {spread.mean:.3f} is below the floor of {baseline.floors[name]:.3f}"
            for name, spread in result.spreads().items()
            if spread.mean < baseline.floors.get(name, 0.0)
        ]
    return found


def news(result: SuiteResult, baseline: Baseline) -> list[str]:
    """What is better or new, which `--write-baseline` would keep."""
    agreed = baseline.scores.get(result.kind, {})
    found = []
    for case, scores in sorted(result.case_scores().items()):
        if case not in agreed:
            found.append(f"{case}: not in the baseline yet")
            continue
        found += [
            f"{case}: {name} rose from {agreed[case][name]:.3f} to {value:.3f}"
            for name, value in sorted(scores.items())
            if name in agreed[case] and value > agreed[case][name] + 1e-6
        ]
    return found
