"""The scheduler: send windows, room under the cap, and an experiment that the list can carry."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from zoneinfo import ZoneInfo

from evals.outcome import Outcome, SeenProposal
from evals.scenario import Scenario
from evals.scores.score import Checks, Score
from evals.truth import CAP_DAYS, CAP_MESSAGES
from memory.steps import Sequence, WaitStep

_EARLIEST, _LATEST = 8, 21
_FEWEST_PER_ARM = 50
# z for 5 % two-sided plus z for a power of 80 %.
_REACH = 1.959964 + 0.841621
# Stands for a rate that nobody knows, to which no lift can be promised.
_SMALLEST_RATE = 0.0005


def score(scenario: Scenario, outcome: Outcome) -> Score | None:
    """Every schedule and experiment, and the hour of everything that left."""
    checks = Checks()
    for seen in outcome.proposals:
        _check_window(checks, scenario, seen)
        _check_room(checks, seen)
        _check_experiment(checks, seen)
    for message in outcome.messages:
        if message.local_hour is not None:
            checks.check(
                _EARLIEST <= message.local_hour < _LATEST,
                f"contact {message.contact_id} of {message.group} got mail at {message.local_hour}:00 of their day",
            )
    return checks.score


def _check_window(checks: Checks, scenario: Scenario, seen: SeenProposal) -> None:
    proposal, schedule = seen.proposal, seen.proposal.play.schedule
    name = proposal.play.playbook
    opens = schedule.starts_at.astimezone(ZoneInfo(schedule.fallback_zone))
    checks.check(schedule.starts_at > scenario.clock, f"{name}: starts before anybody could decide")
    checks.check(schedule.starts_at <= scenario.clock + timedelta(days=10), f"{name}: starts only on {opens:%d %B}")
    checks.check(
        schedule.send_from_hour <= opens.hour < schedule.send_until_hour, f"{name}: starts at {opens:%H:%M}, closed"
    )
    checks.check(opens.weekday() in schedule.weekdays, f"{name}: starts on a {opens:%A}, closed")
    inside = _EARLIEST <= schedule.send_from_hour < schedule.send_until_hour <= _LATEST
    checks.check(inside, f"{name}: writes from {schedule.send_from_hour}:00 to {schedule.send_until_hour}:00")
    if proposal.play.offer is not None:
        last = schedule.starts_at + timedelta(days=max(_last_days(proposal.play.sequences)))
        checks.check(proposal.play.offer.ends_at > last, f"{name}: the offer ends before the last message")


def _check_room(checks: Checks, seen: SeenProposal) -> None:
    for sequence in seen.proposal.play.sequences:
        ways = _send_days(sequence)
        most = max(sum(1 for other in days if 0 <= other - day < CAP_DAYS) for days in ways for day in days)
        checks.check(most <= CAP_MESSAGES, f"{sequence.key}: {most} messages in {CAP_DAYS} days")


def _check_experiment(checks: Checks, seen: SeenProposal) -> None:
    proposal = seen.proposal
    name, play, audience = proposal.play.playbook, proposal.play, proposal.audience
    checks.check(0.05 <= play.holdout_share <= 0.5, f"{name}: holds out {play.holdout_share:.0%}")
    checks.check(play.review_days >= play.goal.window_days, f"{name}: looked at before its goal window has closed")
    low, high = play.size_band
    checks.check(low <= audience.reachable <= high, f"{name}: {audience.reachable} reachable, outside {low} to {high}")
    arms = len(play.sequences)
    expected = audience.reachable * (1 - play.holdout_share)
    checks.check(
        arms == 1 or math.floor(expected / arms) >= _FEWEST_PER_ARM - 1,
        f"{name}: {arms} arms for {expected:.0f} contacts",
    )
    limit = proposal.detection
    if audience.holdout and audience.treated:
        rate = limit.base_rate
        lift = _REACH * math.sqrt(rate * (1 - rate) * (1 / audience.holdout + 1 / audience.treated))
        stated = limit.absolute_lift
        checks.check(
            (stated is None and (rate + lift > 1 or rate <= _SMALLEST_RATE))
            or (stated is not None and abs(stated - lift) < 1e-3),
            f"{name}: says it can prove {stated}, but the list proves {lift:.4f}",
        )
    checks.check(bool(limit.sentence), f"{name}: does not say what the list can prove")


def _last_days(sequences: Iterable[Sequence]) -> list[int]:
    return [days[-1] for sequence in sequences for days in _send_days(sequence) if days]


def _send_days(sequence: Sequence) -> list[list[int]]:
    """The days of the messages on each way through a sequence."""
    ways = []
    open_ways: list[tuple[str | None, int, list[int]]] = [(sequence.steps[0].key, 0, [])]
    while open_ways:
        key, day, days = open_ways.pop()
        step = None if key is None else sequence.step(key)
        if key is None or step is None or step.kind == "exit":
            ways.append(days)
            continue
        if isinstance(step, WaitStep):
            day += step.duration.days
        elif step.kind == "send":
            days = [*days, day]
        open_ways += [(one, day, days) for one in sequence.followers(key)]
    return ways
