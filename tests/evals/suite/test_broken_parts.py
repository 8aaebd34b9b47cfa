"""The suite can fail: a guardian or a copywriter that is broken on purpose is noticed, and by the right score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import agents.rules
import evals.runner
import policies.guardian
import tools.audience
import tools.gate
from agents.copywriter import write_by_rules
from agents.provider import Analysis, Task, Writing
from evals.bad_models import Contender
from evals.baseline import BASELINE, falls, read_baseline
from evals.result import SuiteResult
from evals.scenario import load_cases
from evals.suite import run_suite
from memory.finding import Verdict
from memory.steps import SendStep
from policies.guardian import Review, Sieve
from policies.table import MessageTable

pytestmark = pytest.mark.slow


def played(*names: str) -> SuiteResult:
    return run_suite(load_cases(only=names), Contender())


def allow(*_facts: Any) -> Review:
    """A gate that lets everything through."""
    return Review((), Verdict.ALLOW)


def allow_all(table: MessageTable, *_: Any, **__: Any) -> Sieve:
    """The same for a whole audience."""
    return Sieve((), np.full(table.size, -1, np.int16), table.allow())


def test_a_guardian_that_lets_everybody_through_is_a_hard_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not played("suppressed_addresses").hard_failures
    monkeypatch.setattr(tools.audience, "sift_messages", allow_all)
    monkeypatch.setattr(tools.gate, "gate_message", allow)
    broken = played("suppressed_addresses")
    assert "suppressed address" in broken.hard_failures[0]
    assert broken.runs[0].scores["guardian"].value < 1


def test_a_guardian_that_does_not_read_copy_falls_below_the_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies.guardian, "_readings", lambda *_: [])
    broken = played("planted_in_french")
    assert broken.runs[0].scores["guardian"].value < 0.5
    assert any("guardian fell" in line for line in falls(broken, read_baseline(BASELINE), whole=False))


def test_a_copywriter_that_invents_prices_is_noticed_even_when_the_guardian_sleeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agents.rules, "write_by_rules", with_a_price)
    monkeypatch.setattr(policies.guardian, "_readings", lambda *_: [])
    broken = played("tiny_list_allowed")
    assert "19.99" in broken.runs[0].scores["copywriter"].reason
    assert any("copywriter fell" in line for line in falls(broken, read_baseline(BASELINE), whole=False))


def test_a_copywriter_that_invents_prices_gets_nothing_past_the_guardian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents.rules, "write_by_rules", with_a_price)
    broken = played("tiny_list_allowed")
    assert "copywriter" not in broken.runs[0].scores
    assert broken.runs[0].scores["end_state"].value < 1


def test_an_agent_that_crashes_is_a_hard_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents.rules, "write_by_rules", explode)
    assert "ZeroDivisionError" in played("tiny_list_allowed").hard_failures[0]


def test_a_case_that_cannot_be_played_is_a_hard_failure_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evals.runner, "build_world", explode)
    assert "it broke" in played("tiny_list_allowed").hard_failures[0]


def explode(*_: Any) -> Any:
    raise ZeroDivisionError("it broke")


def with_a_price(task: Task, analysis: Analysis) -> Writing:
    """The copywriter's work with a price that no record gives."""
    writing = write_by_rules(task, analysis)
    sequences = []
    for sequence in writing.sequences:
        steps = [
            step.model_copy(
                update={
                    "copies": {
                        language: copy.model_copy(update={"headline": f"{copy.headline} 19.99 €"})
                        for language, copy in step.copies.items()
                    }
                }
            )
            if isinstance(step, SendStep)
            else step
            for step in sequence.steps
        ]
        sequences.append(sequence.model_copy(update={"steps": tuple(steps)}))
    return writing.model_copy(update={"sequences": tuple(sequences)})
