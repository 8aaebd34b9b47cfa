"""What is wrong with the shape of a sequence: steps nobody reaches, ways without an exit, circles, vain waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from memory.steps import (
    AlertStep,
    Channel,
    SendStep,
    Sequence,
    Step,
    UpdateStep,
    WaitEventStep,
    WaitStep,
    WaitWindowStep,
)


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong, at which step, and what to do."""

    step: str
    what: str
    remedy: str


def defects(sequence: Sequence) -> list[Defect]:
    """Everything wrong with a sequence's shape; empty for one that every contact leaves after finitely many steps."""
    found = [*_names(sequence)]
    if found:
        # The ways through it make no sense until every name leads somewhere.
        return found
    circle = _circle(sequence)
    if circle:
        return [Defect(circle, "The way leads back to this step.", "Let it lead on to a later step or to an exit.")]
    return [*_ends(sequence), *_unreached(sequence), *_waits(sequence)]


def longest_wait(sequence: Sequence) -> dict[str, timedelta]:
    """For each send, the longest that the steps before it can last; a window of the day counts as a week."""
    arrives: dict[str, timedelta] = {}
    sends: dict[str, timedelta] = {}
    for key in _in_order(sequence):
        step = sequence.step(key)
        here = arrives.get(key, timedelta())
        if isinstance(step, SendStep):
            sends[key] = here
        leaves = here + _lasts(step, longest=True)
        for one in sequence.followers(key):
            if one is not None:
                arrives[one] = max(arrives[one], leaves) if one in arrives else leaves
    return sends


def last_send(sequence: Sequence) -> timedelta:
    """After how long its last message may leave, at the latest."""
    return max(longest_wait(sequence).values(), default=timedelta())


def channels_from(sequence: Sequence, key: str | None) -> set[Channel]:
    """The channels of the messages that may still come at or after a step; None stands for the door."""
    ahead: set[str] = set()
    open_steps = [sequence.steps[0].key if key is None else key]
    while open_steps:
        one = open_steps.pop()
        if one not in ahead:
            ahead.add(one)
            open_steps += [after for after in sequence.followers(one) if after is not None]
    return {step.channel for step in sequence.steps if step.key in ahead and isinstance(step, SendStep)}


def most_sends(sequence: Sequence) -> int:
    """The messages on the way with the most of them."""
    most: dict[str | None, int] = {None: 0}
    for key in reversed(_in_order(sequence)):
        step = sequence.step(key)
        onward = max((most[one] for one in sequence.followers(key)), default=0)
        most[key] = onward + (isinstance(step, SendStep) and step.reaches_contact)
    return most[sequence.steps[0].key]


def densest(sequence: Sequence, window: timedelta) -> int:
    """The most capped messages that any way through it can bring within a rolling window, events coming at once."""
    order, most = _in_order(sequence), 0
    for place, first in enumerate(order):
        if not _capped(sequence.step(first)):
            continue
        # Counted from this message: how soon each later step can be reached with so many sent.
        soonest: dict[str, dict[int, timedelta]] = {first: {0: timedelta()}}
        for key in order[place:]:
            step = sequence.step(key)
            for sent, at in soonest.get(key, {}).items():
                if at >= window:
                    continue
                total = sent + _capped(step)
                most = max(most, total)
                leaves = at + _lasts(step, longest=False)
                for one in sequence.followers(key):
                    if one is not None:
                        known = soonest.setdefault(one, {})
                        known[total] = min(leaves, known.get(total, leaves))
    return most


def _capped(step: Step | None) -> bool:
    return isinstance(step, SendStep) and step.purpose == "marketing" and step.reaches_contact


def _names(sequence: Sequence) -> Iterator[Defect]:
    keys = [step.key for step in sequence.steps]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield Defect(key, f"Two steps are called “{key}”.", "Give each its own key.")
    for step in sequence.steps:
        for target in sequence.followers(step.key):
            if target is not None and target not in keys:
                yield Defect(step.key, f"It leads to “{target}”, and there is no such step.", "Correct the name.")


def _circle(sequence: Sequence) -> str:
    """A step that can be reached from itself; empty when there is none."""
    done: set[str] = set()
    for start in (step.key for step in sequence.steps):
        way: list[str] = []
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            key, leaving = stack.pop()
            if leaving:
                way.pop()
                done.add(key)
            elif key in way:
                return key
            elif key not in done:
                way.append(key)
                stack.append((key, True))
                stack += [(one, False) for one in sequence.followers(key) if one is not None]
    return ""


def _ends(sequence: Sequence) -> Iterator[Defect]:
    for step in sequence.steps:
        if None in sequence.followers(step.key):
            yield Defect(
                step.key, "The sequence has no exit after this step.", "End it with a step of the kind “exit”."
            )


def _unreached(sequence: Sequence) -> Iterator[Defect]:
    known = reached(sequence)
    for step in sequence.steps:
        if step.key not in known:
            yield Defect(step.key, "This step is never reached.", "Lead some step to it, or remove it.")


def _waits(sequence: Sequence) -> Iterator[Defect]:
    for key in vain_waits(sequence):
        yield Defect(key, "Nothing is done after this wait.", "Remove it.")


def reached(sequence: Sequence) -> set[str]:
    """The steps to which some way leads."""
    return set(_in_order(sequence))


def vain_waits(sequence: Sequence) -> Iterator[str]:
    """The waits after which nothing is done, and in which nobody stands on an audience either.

    Whoever is put on one is taken off it as they leave.
    """
    order = _in_order(sequence)
    listed: set[str | None] = set()
    for key in order:
        step = sequence.step(key)
        if key in listed or (isinstance(step, SendStep) and step.listing is not None and not step.takes_off):
            listed |= set(sequence.followers(key))
    acts: dict[str | None, bool] = {None: False}
    for key in reversed(order):
        step = sequence.step(key)
        after = any(acts[one] for one in sequence.followers(key))
        if isinstance(step, WaitStep | WaitWindowStep | WaitEventStep) and not after and key not in listed:
            yield key
        acts[key] = after or isinstance(step, SendStep | UpdateStep | AlertStep)


def _in_order(sequence: Sequence) -> list[str]:
    """The steps that can be reached, each before all that can follow it."""
    order: list[str] = []
    seen: set[str] = set()
    stack: list[tuple[str, bool]] = [(sequence.steps[0].key, False)]
    while stack:
        key, leaving = stack.pop()
        if leaving:
            order.append(key)
        elif key not in seen:
            seen.add(key)
            stack.append((key, True))
            stack += [(one, False) for one in sequence.followers(key) if one is not None]
    return order[::-1]


def _lasts(step: Step | None, *, longest: bool) -> timedelta:
    if isinstance(step, WaitStep):
        return step.duration
    if isinstance(step, WaitEventStep):
        return step.duration if longest else timedelta()
    if isinstance(step, WaitWindowStep):
        return timedelta(days=7) if longest else timedelta()
    return timedelta()
