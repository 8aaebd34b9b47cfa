"""The baseline: a fall fails, a rise is news, and what is gone is missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.baseline import Baseline, falls, news, read_baseline, with_result, write_baseline
from evals.result import CaseRun, Scored, SuiteResult
from memory.errors import InvalidInputError, NotFoundError


def result(*values: float, repeat: int = 1, kind: str = "rules", name: str = "a") -> SuiteResult:
    """One case whose guardian scored these values, one for each repetition."""
    runs = tuple(
        CaseRun(
            name=name,
            title="A case",
            scores={"guardian": Scored(value=value, reason="")},
            never_held=True,
        )
        for value in values
    )
    return SuiteResult(provider=kind, kind=kind, suite="s", repeat=repeat, runs=runs, seconds=1.0)


def agreed(value: float, *, tolerance: float = 0.0, floor: float = 0.0) -> Baseline:
    return Baseline(
        suite="s",
        tolerances={"guardian": tolerance},
        floors={"guardian": floor},
        scores={"rules": {"a": {"guardian": value}}},
    )


@pytest.mark.parametrize(
    ("now", "before", "tolerance", "falls_expected"),
    [
        (0.9, 1.0, 0.0, True),
        (0.9, 1.0, 0.1, False),
        (0.89, 1.0, 0.1, True),
        (1.0, 1.0, 0.0, False),
        (1.0, 0.8, 0.0, False),
    ],
)
def test_a_score_may_fall_as_far_as_its_tolerance(
    now: float, before: float, tolerance: float, falls_expected: bool
) -> None:
    assert bool(falls(result(now), agreed(before, tolerance=tolerance), whole=True)) is falls_expected


def test_a_rise_is_news_and_no_failure() -> None:
    assert news(result(1.0), agreed(0.8)) == ["a: guardian rose from 0.800 to 1.000"]
    assert news(result(0.8), agreed(0.8)) == []


def test_a_case_that_is_gone_is_missed_only_when_all_were_played() -> None:
    other = result(1.0, name="b")
    assert falls(other, agreed(1.0), whole=True) == ["a: the case is gone"]
    assert falls(other, agreed(1.0), whole=False) == []


def test_a_score_that_is_no_longer_given_is_missed() -> None:
    silent = result(1.0).model_copy(update={"runs": (CaseRun(name="a", title="A case", never_held=True),)})
    assert falls(silent, agreed(1.0), whole=True) == ["a: guardian is no longer scored"]


def test_the_floor_holds_for_a_provider_without_a_baseline() -> None:
    model = result(0.9, kind="model")
    assert falls(model, agreed(1.0, floor=0.95), whole=True)
    assert not falls(model, agreed(1.0, floor=0.85), whole=True)


def test_a_repeated_case_counts_by_its_mean_and_shows_its_spread() -> None:
    thrice = result(1.0, 0.5, 0.9, repeat=3)
    spread = thrice.spreads()["guardian"]
    assert (spread.lowest_run, round(spread.mean, 6), spread.highest_run) == (0.5, 0.8, 1.0)
    assert not falls(thrice, agreed(0.8), whole=True)


@pytest.mark.parametrize("broken", [{"never_held": False}, {"error": "KeyError"}], ids=["breach", "crash"])
def test_a_breach_and_a_crash_are_hard_failures(broken: dict[str, object]) -> None:
    run = result(1.0).runs[0].model_copy(update=broken)
    assert result(1.0).model_copy(update={"runs": (run,)}).hard_failures
    assert not result(1.0).hard_failures


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    kept = with_result(agreed(0.5, tolerance=0.02, floor=0.4), result(0.75))
    write_baseline(path, kept)
    assert read_baseline(path) == kept
    assert kept.scores == {"rules": {"a": {"guardian": 0.75}}}
    assert kept.floors == {"guardian": 0.4}


def test_a_missing_and_a_broken_baseline_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="write-baseline"):
        read_baseline(tmp_path / "none.json")
    (tmp_path / "odd.json").write_text('{"scores": 3}', encoding="utf-8")
    with pytest.raises(InvalidInputError, match="baseline"):
        read_baseline(tmp_path / "odd.json")
