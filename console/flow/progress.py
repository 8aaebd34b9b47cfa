"""How many contacts stand at each step of a running sequence and how many passed it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from sqlalchemy import Connection, String, case, cast, func, null, select, union_all

from console.translation import translator
from memory.campaigns import Campaign
from memory.schema import alerts, enrolments, messages
from memory.steps import AlertStep, ExitStep, SendStep, Sequence

_IN_ENGLISH: Final = translator("en")


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
    held = {bool(in_holdout): int(contacts) for in_holdout, contacts in connection.execute(arms)}
    found = Progress(held.get(False, 0), held.get(True, 0), {step.key: StepCount() for step in sequence.steps})
    states = (
        select(messages.c.step_key, messages.c.state, func.count().label("number"))
        # Not joined: no index leads from an enrolment to its messages, but one from the campaign does.
        .where(messages.c.campaign_id == campaign.campaign_id)
        .where(
            messages.c.enrolment_id.in_(
                select(enrolments.c.enrolment_id).where(mine, enrolments.c.in_holdout.is_(False))
            )
        )
        .group_by(messages.c.step_key, messages.c.state)
        .order_by(messages.c.step_key, messages.c.state)
    )
    for row in connection.execute(states):
        if row.step_key in found.steps:
            found.steps[row.step_key].messages[row.state] = row.number

    # Contacts with the same traces are counted together: there are few kinds of them.
    walker = Walker(sequence)
    standing = (enrolments.c.state, enrolments.c.step_key, enrolments.c.exit_reason)
    nothing = [cast(null(), String) for _ in standing]
    # Read one after the other and grouped: to look up the traces of each contact takes minutes for some thousands.
    rows = union_all(
        select(enrolments.c.enrolment_id, *standing, cast(null(), String).label("trace")).where(
            mine, enrolments.c.in_holdout.is_(False)
        ),
        select(messages.c.enrolment_id, *nothing, messages.c.step_key).where(
            messages.c.campaign_id == campaign.campaign_id
        ),
        select(alerts.c.enrolment_id, *nothing, alerts.c.step_key).where(alerts.c.campaign_id == campaign.campaign_id),
    ).subquery()
    marks = [
        func.max(case((rows.c.trace == key, 1), else_=0)).label(f"mark{place}")
        for place, key in enumerate(walker.traced)
    ]
    each = (
        select(*(func.max(rows.c[one.name]).label(one.name) for one in standing), *marks)
        .group_by(rows.c.enrolment_id)
        .having(func.max(rows.c.state).is_not(None))
        .subquery()
    )
    for row in connection.execute(select(*each.c, func.count().label("number")).group_by(*each.c)):
        seen = {key for place, key in enumerate(walker.traced) if row[3 + place]}
        active = row.state == "active"
        sure, possible = walker.passed(seen, row.step_key, None if active else row.exit_reason)
        for key, count in found.steps.items():
            count.here += row.number * (active and key == row.step_key)
            count.passed += row.number * (key in sure)
            count.passed_at_most += row.number * (key in possible)
    return found


class Walker:
    """Which steps of a sequence somebody passed, by what they left behind."""

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self.traced = [step.key for step in sequence.steps if isinstance(step, SendStep | AlertStep)]
        """Steps that nobody passes without a message or an alert."""
        self._after = {step.key: self._reached(step.key, set()) for step in sequence.steps}

    def passed(self, seen: Iterable[str], stands: str | None, exit_reason: str | None) -> tuple[set[str], set[str]]:
        """Steps that were surely, and that were possibly, passed.

        ``seen`` are the steps that left a trace, ``exit_reason`` is None while they are in.
        """
        marks = {one for one in (*seen, stands) if one in self._after}
        # Fewer steps come after a step than after any before it.
        way = sorted(marks, key=lambda one: -len(self._after[one]))
        legs = [([one], [other]) for one, other in pairwise([self._sequence.steps[0].key, *way])]
        exits = [step.key for step in self._sequence.steps if isinstance(step, ExitStep) and step.reason == exit_reason]
        if exits:
            legs.append((way[-1:] or [self._sequence.steps[0].key], exits))
        sure, possible = set(way), set(way)
        for [start], ends in legs:
            surely, perhaps = self._between(start, ends, set(self.traced) - marks)
            sure, possible = sure | surely, possible | perhaps
        # Who still stands at a step, or left at it, has not passed it.
        here = set() if exits else set(way[-1:])
        return sure - here, possible - here

    def _between(self, start: str, ends: Iterable[str], closed: set[str]) -> tuple[set[str], set[str]]:
        """The same between one step and the first of some ends, past no step that is closed."""
        reached = self._reached(start, closed)
        goals = reached.intersection(ends)
        possible = {key for key in reached if self._reached(key, closed) & goals}
        sure = {key for key in possible if not self._reached(start, {*closed, key}) & (goals - {key})}
        return sure, possible

    def _reached(self, start: str, closed: set[str]) -> set[str]:
        found: set[str] = set()
        waiting: list[str | None] = [start]
        while waiting:
            key = waiting.pop()
            if key is not None and key not in found and key not in closed:
                found.add(key)
                waiting += self._sequence.followers(key)
        return found


def notes_of(
    found: Progress, sequence: Sequence, number: Callable[[float], str], say: Callable[..., str] = _IN_ENGLISH
) -> dict[str, str]:
    """A few words for each step, and under the empty key for the start."""
    notes = {"": say("{n} entered · {held} held out", n=number(found.entered), held=number(found.held_out))}
    for step in sequence.steps:
        count = found.steps[step.key]
        if isinstance(step, SendStep):
            parts = [f"{number(many)} {say(state)}" for state, many in count.messages.items() if state != "planned"]
        elif count.passed == count.passed_at_most:
            n = number(count.passed)
            parts = [say("{n} left here", n=n) if isinstance(step, ExitStep) else say("{n} passed", n=n)]
        else:
            parts = [say("{n} to {most} passed", n=number(count.passed), most=number(count.passed_at_most))]
        if count.here:
            parts.append(say("{n} here now", n=number(count.here)))
        notes[step.key] = " · ".join(parts)
    return notes
