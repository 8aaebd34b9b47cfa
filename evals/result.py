"""The result of a suite: every run with its scores and reasons, and what they come to."""

from __future__ import annotations

from statistics import mean

from pydantic import BaseModel, ConfigDict

AGENTS = ("analyst", "copywriter", "scheduler", "guardian", "end_state")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Scored(_Part):
    """A score from 0 to 1, and why."""

    value: float
    reason: str


class CaseRun(_Part):
    """One case, played once."""

    name: str
    title: str
    scores: dict[str, Scored] = {}
    """By agent, and ``end_state``; an agent that had nothing to do has none."""
    never_held: bool = False
    """Whether everything that must never happen did not happen."""
    never_reason: str = ""
    seconds: float = 0.0
    tokens: int = 0
    model_calls: int = 0
    fell_back: int = 0
    """Parts that the model was asked for and the rules had to do."""
    error: str = ""
    """Why the case could not be played or scored; empty when it could."""

    @property
    def broken(self) -> bool:
        return bool(self.error) or not self.never_held


class Spread(_Part):
    """One score over all cases and runs."""

    mean: float
    lowest_run: float
    """Mean over all cases of the worst repetition."""
    highest_run: float
    cases: int


class SuiteResult(_Part):
    """One provider on the whole suite."""

    provider: str
    """``rules``, or the name of the model."""
    kind: str
    suite: str
    """Digest of the cases."""
    repeat: int
    runs: tuple[CaseRun, ...]
    seconds: float
    """On the clock, from the first case to the last."""

    @property
    def hard_failures(self) -> list[str]:
        """What must never happen and did, and cases that broke."""
        return [f"{run.name}: {run.error or run.never_reason}" for run in self.runs if run.broken]

    @property
    def tokens(self) -> int:
        return sum(run.tokens for run in self.runs)

    @property
    def latency_seconds(self) -> float:
        """Mean over the cases, from the brief to the last step."""
        return mean(run.seconds for run in self.runs) if self.runs else 0.0

    def case_scores(self) -> dict[str, dict[str, float]]:
        """Case → score → mean over its runs."""
        found: dict[str, dict[str, list[float]]] = {}
        for run in self.runs:
            mine = found.setdefault(run.name, {})
            for name, scored in run.scores.items():
                mine.setdefault(name, []).append(scored.value)
        return {case: {name: mean(values) for name, values in scores.items()} for case, scores in found.items()}

    def spreads(self) -> dict[str, Spread]:
        """Each score over the suite, and how much it moves from one repetition to the next."""
        by_run: dict[str, list[list[float]]] = {}
        seen: dict[str, int] = {}
        for run in self.runs:
            turn = seen.get(run.name, 0)
            seen[run.name] = turn + 1
            for name, scored in run.scores.items():
                turns = by_run.setdefault(name, [[] for _ in range(self.repeat)])
                turns[min(turn, self.repeat - 1)].append(scored.value)
        found = {}
        for name in AGENTS:
            means = [mean(values) for values in by_run.get(name, []) if values]
            if means:
                every = [value for values in by_run[name] for value in values]
                cases = sum(1 for scores in self.case_scores().values() if name in scores)
                found[name] = Spread(mean=mean(every), lowest_run=min(means), highest_run=max(means), cases=cases)
        return found
