"""The analyst: every number against the truth of the world, and every piece of evidence against its look-up."""

from __future__ import annotations

import re

from evals.outcome import Outcome, SeenProposal, Truth
from evals.scenario import Scenario
from evals.scores.score import Checks, Score

_SMALLEST_RATE = 0.0005
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def score(scenario: Scenario, outcome: Outcome) -> Score | None:
    """Segment size, reachable contacts and base rate; evidence that exists and says what it cites."""
    checks = Checks()
    if outcome.questions:
        return None
    seen = {one.proposal.play.playbook: one for one in outcome.proposals}
    for playbook, truth in sorted(outcome.truth.items()):
        if playbook in seen:
            _check_numbers(checks, playbook, seen[playbook], truth)
            _check_evidence(checks, playbook, seen[playbook])
        elif playbook in outcome.withheld:
            # At least two must be reachable, or there is nothing to compare.
            sentence = outcome.withheld[playbook]
            if sentence.startswith("Nobody shows"):
                checks.equal(f"{playbook}: contacts who show the signal", len(truth.members), 0)
            elif " may be written to" in sentence:
                numbers = [int(found) for found in _NUMBER.findall(sentence)[:2]]
                checks.equal(f"{playbook}: selected and reachable", numbers, [len(truth.members), len(truth.reachable)])
    return checks.score


def _check_numbers(checks: Checks, playbook: str, seen: SeenProposal, truth: Truth) -> None:
    proposal = seen.proposal
    audience, forecast = proposal.audience, proposal.forecast
    checks.equal(f"{playbook}: selected", audience.selected, len(truth.members))
    checks.equal(f"{playbook}: reachable", audience.reachable, len(truth.reachable))
    taken_out = sum(one.contacts for one in audience.subtractions)
    checks.equal(f"{playbook}: selected minus reasons", audience.selected - taken_out, audience.reachable)
    checks.equal(f"{playbook}: held out plus treated", audience.holdout + audience.treated, audience.reachable)
    rate = truth.base_reached / truth.base_contacts if truth.base_contacts else 0.0
    rate = min(max(rate, _SMALLEST_RATE), 1 - _SMALLEST_RATE)
    checks.check(
        abs(forecast.base_rate - rate) < 1e-5, f"{playbook}: base rate is {forecast.base_rate:.4f}, not {rate:.4f}"
    )
    quantiles = [value for _, value in sorted((float(key), one) for key, one in forecast.incremental_quantiles.items())]
    checks.check(quantiles == sorted(quantiles), f"{playbook}: the quantiles of the forecast are out of order")
    checks.check(
        quantiles[0] <= forecast.incremental_mean <= quantiles[-1],
        f"{playbook}: the mean {forecast.incremental_mean:.2f} lies outside its own interval",
    )


def _check_evidence(checks: Checks, playbook: str, seen: SeenProposal) -> None:
    checks.check(bool(seen.proposal.evidence), f"{playbook}: there is no evidence")
    for one in seen.proposal.evidence:
        checks.check(one.lookup_id in seen.lookups, f"{playbook}: evidence cites {one.lookup_id}, which never ran")
