"""How many contacts stand at each step of a running sequence and how many passed it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from sqlalchemy import Connection, case, func, select, union_all

from memory.campaigns import Campaign
from memory.schema import alerts, enrolments, messages
from memory.steps import AlertStep, ExitStep, SendStep, Sequence


@dataclass
class StepCount:
    """The contacts of one step; those held out are not among them."""

    here: int = 0
    passed: int = 0
    """At least so many."""
    passed_at_most: int = 0
    """More than ``passed`` where two ways leave no trace of which one was taken."""
    messages: dict[str, int] = field(default_factory=dict)
    """By state, for a send."""


@dataclass
class Progress:
    """Where everybody is who drew a sequence, in the current version of its campaign."""

    entered: int
    held_out: int
    steps: dict[str, StepCount]


def progress(connection: Connection, campaign: Campaign, sequence: Sequence) -> Progress:
    """Count the contacts of one sequence by step."""
    mine = (
        (enrolments.c.campaign_id == campaign.campaign_id)
        & (enrolments.c.version == campaign.version)
        & (enrolments.c.sequence_key == sequence.key)
    )
    arms = select(enrolments.c.in_holdout, func.count()).where(mine).group_by(enrolments.c.in_holdout)
    held: dict[bool, int] = dict(connection.execute(arms).tuples().all())
    found = Progress(held.get(False, 0), held.get(True, 0), {step.key: StepCount() for step in sequence.steps})
    states = (
        select(messages.c.step_key, messages.c.state, func.count().label("number"))
        .join(enrolments, enrolments.c.enrolment_id == messages.c.enrolment_id)
        .where(mine, enrolments.c.in_holdout.is_(False))
        .group_by(messages.c.step_key, messages.c.state)
        .order_by(messages.c.step_key, messages.c.state)
    )
    for row in connection.execute(states):
        if row.step_key in found.steps:
            found.steps[row.step_key].messages[row.state] = row.number

    # Contacts with the same traces are counted together: there are few kinds of them.
    traced = [step.key for step in sequence.steps if isinstance(step, SendStep | AlertStep)]
    traces = union_all(
        select(messages.c.enrolment_id, messages.c.step_key).where(messages.c.campaign_id == campaign.campaign_id),
        select(alerts.c.enrolment_id, alerts.c.step_key).where(alerts.c.campaign_id == campaign.campaign_id),
    ).subquery()
    marks = [
        func.max(case((traces.c.step_key == key, 1), else_=0)).label(f"mark{place}") for place, key in enumerate(traced)
    ]
    standing = (enrolments.c.state, enrolments.c.step_key, enrolments.c.exit_reason)
    each = (
        select(*standing, *marks)
        .select_from(enrolments.outerjoin(traces, traces.c.enrolment_id == enrolments.c.enrolment_id))
        .where(mine, enrolments.c.in_holdout.is_(False))
        .group_by(enrolments.c.enrolment_id, *standing)
        .subquery()
    )
    walker = _Walker(sequence)
    for row in connection.execute(select(*each.c, func.count().label("number")).group_by(*each.c)):
        seen = {key for place, key in enumerate(traced) if row[3 + place]}
        _add(found.steps, walker, row.state == "active", row.step_key, row.exit_reason, seen, row.number)
    return found


def _add(
    counts: Mapping[str, StepCount],
    walker: _Walker,
    active: bool,
    stands: str | None,
    reason: str,
    seen: set[str],
    number: int,
) -> None:
    if stands is not None and stands in counts:
        seen = seen | {stands}
    exits = [] if active else walker.exits(reason)
    way = sorted(seen, key=walker.place)
    sure, possible = walker.between(way)
    last = way[-1] if way else None
    if exits:
        surely, perhaps = walker.to_any(last, exits)
        sure, possible = sure | surely, possible | perhaps
    elif last is not None:
        # Those who still stand at a step, or left at it, have not passed it.
        sure, possible = sure - {last}, possible - {last}
        if active:
            counts[last].here += number
    for key, count in counts.items():
        count.passed += number * (key in sure)
        count.passed_at_most += number * (key in possible)


class _Walker:
    """Which steps lie between others."""

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._start = sequence.steps[0].key
        self._reach = {step.key: self._reached([step.key]) for step in sequence.steps}

    def place(self, key: str) -> int:
        """Rank of a step: fewer than that of every step that comes after it."""
        return -len(self._reach[key])

    def exits(self, reason: str) -> list[str]:
        """The exits by which somebody may have left for this reason."""
        return [step.key for step in self._sequence.steps if isinstance(step, ExitStep) and step.reason == reason]

    def between(self, way: list[str]) -> tuple[set[str], set[str]]:
        """Steps that were surely, and that were possibly, passed from the start on over these."""
        sure, possible = set(way), set(way)
        for one, other in pairwise([None, *way]):
            surely, perhaps = self.to_any(one, [str(other)])
            sure, possible = sure | surely, possible | perhaps
        return sure, possible

    def to_any(self, one: str | None, ends: Iterable[str]) -> tuple[set[str], set[str]]:
        """The same between one step (None: the door) and the first of some ends."""
        start = self._start if one is None else one
        goals = {end for end in ends if end in self._reach[start]}
        possible = {key for key in self._reach[start] if self._reach[key] & goals}
        sure = {key for key in possible if key == start or not self._reached([start], without=key) & (goals - {key})}
        return sure, possible

    def _reached(self, waiting: list[str], without: str = "") -> set[str]:
        found: set[str] = set()
        waiting = list(waiting)
        while waiting:
            key = waiting.pop()
            if key != without and key not in found:
                found.add(key)
                waiting += [one for one in self._sequence.followers(key) if one is not None]
        return found


def notes_of(found: Progress, sequence: Sequence, number: Callable[[float], str]) -> dict[str, str]:
    """A few words for each step, and under the empty key for the start."""
    notes = {"": f"{number(found.entered)} entered · {number(found.held_out)} held out"}
    for step in sequence.steps:
        count = found.steps[step.key]
        if isinstance(step, SendStep):
            parts = [f"{number(many)} {state}" for state, many in count.messages.items() if state != "planned"]
        elif count.passed == count.passed_at_most:
            parts = [f"{number(count.passed)} {'left here' if isinstance(step, ExitStep) else 'passed'}"]
        else:
            parts = [f"{number(count.passed)} to {number(count.passed_at_most)} passed"]
        if count.here:
            parts.append(f"{number(count.here)} here now")
        notes[step.key] = " · ".join(parts)
    return notes
