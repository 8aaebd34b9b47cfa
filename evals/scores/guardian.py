"""The guardian: recall and precision, on planted violations and on everybody who may not be written to."""

from __future__ import annotations

from dataclasses import dataclass, field

from evals.outcome import Outcome
from evals.scenario import Scenario
from evals.scores.score import Score


@dataclass
class Tally:
    """What should have been stopped, what was, and examples of each mistake."""

    caught: int = 0
    missed: list[str] = field(default_factory=list)
    wrongly: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return self.caught / (self.caught + len(self.missed)) if self.caught or self.missed else 1.0

    @property
    def precision(self) -> float:
        return self.caught / (self.caught + len(self.wrongly)) if self.caught or self.wrongly else 1.0


def score(scenario: Scenario, outcome: Outcome) -> Score | None:
    """The harmonic mean of recall and precision."""
    tally, looked_at = Tally(), 0
    for one in outcome.planted:
        looked_at += 1
        if one.violates:
            if set(one.violates) & set(one.objected):
                tally.caught += 1
            else:
                tally.missed.append(f"{one.name} (wanted {' or '.join(one.violates)}, got {list(one.objected)})")
        elif one.objected:
            tally.wrongly.append(f"{one.name} ({', '.join(one.objected)})")
    for playbook, stopped in _audiences(outcome).items():
        truth = outcome.truth[playbook]
        wanted = len(truth.members) - len(truth.reachable)
        looked_at += len(truth.members)
        tally.caught += min(stopped, wanted)
        tally.missed += [f"{playbook}: somebody who may not be written to"] * max(wanted - stopped, 0)
        tally.wrongly += [f"{playbook}: somebody who may be written to"] * max(stopped - wanted, 0)
    if not looked_at:
        return None
    recall, precision = tally.recall, tally.precision
    value = 2 * recall * precision / (recall + precision) if recall + precision else 0.0
    reason = f"recall {recall:.2f}, precision {precision:.2f} on {looked_at} looked at"
    if tally.missed:
        reason += f"; missed: {'; '.join(tally.missed[:4])}"
    if tally.wrongly:
        reason += f"; stopped for nothing: {'; '.join(tally.wrongly[:4])}"
    return Score(value, reason)


def _audiences(outcome: Outcome) -> dict[str, int]:
    """Playbook → how many of its segment the rules took out of the audience."""
    return {
        seen.proposal.play.playbook: sum(one.contacts for one in seen.proposal.audience.subtractions)
        for seen in outcome.proposals
    }
