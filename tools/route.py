"""The way of one contact through a sequence: from a step onward to where it has to wait, or out."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Many
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from memory.assignment import TimeKind
from memory.play import Schedule
from memory.steps import (
    AlertStep,
    BranchStep,
    Condition,
    ExitStep,
    SendStep,
    Sequence,
    Step,
    UpdateStep,
    WaitEventStep,
    WaitStep,
    WaitWindowStep,
)
from policies.rules.send_window import next_opening

COMPLETED = "completed"
Drawn = Callable[[WaitWindowStep, TimeKind, int, Many[int]], int]
"""Of a step the own hour or weekday and those possible → the one at which the contact comes to it."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a contact comes to stand, and what is done on the way there."""

    step_key: str | None
    """None when they are out."""
    due_at: datetime | None
    """When they go on; None while they wait for their message to end."""
    exit_reason: str = ""
    passed: tuple[UpdateStep | AlertStep, ...] = ()


def walk(
    sequence: Sequence,
    after: str | None,
    at: datetime,
    *,
    holds: Callable[[Condition], bool],
    zone: tzinfo,
    own: Callable[[str], int | None] = lambda _: None,
    drawn: Drawn = lambda _step, _kind, own, _possible: own,
    schedule: Schedule | None = None,
) -> Stand:
    """Go on from the step at which a contact stood (None: from the door) until one that takes time, or out.

    ``holds`` decides branches, ``zone`` is the contact's own, ``own`` their value of a feature that names an hour or a
    weekday; it is kept within the step's window and the play's ``schedule``, and ``drawn`` may take another hour or
    weekday of those. A step that is gone ends the way.
    """
    key = sequence.steps[0].key if after is None else next(iter(sequence.followers(after)), None)
    passed: list[UpdateStep | AlertStep] = []
    # A checked sequence has no circles; the bound keeps one that nobody checked from turning for ever.
    for _ in sequence.steps:
        step = None if key is None else sequence.step(key)
        match step:
            case None:
                break
            case SendStep():
                return Stand(step.key, None, passed=tuple(passed))
            case WaitStep() | WaitEventStep():
                return Stand(step.key, at + step.duration, passed=tuple(passed))
            case WaitWindowStep():
                opens_at = _opening(_narrowed(step, own, schedule, drawn), at, zone)
                if opens_at > at:
                    return Stand(step.key, opens_at, passed=tuple(passed))
                key = sequence.followers(step.key)[0]
            case BranchStep():
                key = step.then if holds(step.condition) else step.otherwise
            case UpdateStep() | AlertStep():
                passed.append(step)
                key = sequence.followers(step.key)[0]
            case ExitStep():
                return Stand(None, None, step.reason, tuple(passed))
    return Stand(None, None, COMPLETED, tuple(passed))


def ahead(sequence: Sequence, after: str | None) -> list[Step]:
    """The steps that a contact may come to from one (None: from the door), up to and with those that take time."""
    waiting: list[str | None] = [sequence.steps[0].key] if after is None else [*sequence.followers(after)]
    found: dict[str, Step] = {}
    while waiting:
        key = waiting.pop()
        step = None if key is None or key in found else sequence.step(key)
        if step is not None:
            found[step.key] = step
            if not isinstance(step, SendStep | WaitStep | WaitEventStep):
                waiting += sequence.followers(step.key)
    return list(found.values())


def _opening(step: WaitWindowStep, at: datetime, zone: tzinfo) -> datetime:
    local = at.astimezone(zone)
    if step.from_hour <= local.hour < step.until_hour and local.weekday() in step.weekdays:
        return at
    opens_at = next_opening(local, step.from_hour, step.until_hour, frozenset(step.weekdays))
    return opens_at or at + timedelta(days=7)


def _narrowed(
    step: WaitWindowStep,
    own: Callable[[str], int | None],
    schedule: Schedule | None,
    drawn: Drawn,
) -> WaitWindowStep:
    """The contact's own hour and weekday within the window, the nearest to them, unless others are drawn.

    What is not asked for or not known stays the whole window.
    """
    hour, day = (None if name is None else own(name) for name in (step.at, step.day))
    first, last, days = step.from_hour, step.until_hour, set(step.weekdays)
    if schedule is not None:
        first, last = max(first, schedule.send_from_hour), min(last, schedule.send_until_hour)
        days &= set(schedule.weekdays)
    if first >= last or not days or (hour is None and day is None):
        return step
    if hour is not None:
        first = drawn(step, "hour", min(max(hour, first), last - 1), range(first, last))
        last = first + 1
    if day is not None:
        nearest = min(days, key=lambda one: (one - day) % 7)
        days = {drawn(step, "weekday", nearest, tuple(sorted(days)))}
    return step.model_copy(update={"from_hour": first, "until_hour": last, "weekdays": tuple(sorted(days))})
