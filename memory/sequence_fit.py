"""A sequence as it runs where some channels are missing: without their messages, and without what served only those."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from memory.sequence_check import reached, vain_waits
from memory.steps import LONGEST, BranchStep, ExitStep, HasAgreed, SendStep, Sequence, Step, WaitStep


def fit(sequence: Sequence, channels: Collection[str]) -> Sequence:
    """The sequence without the messages on other channels; itself where it has none, or nothing would be left to send.

    A branch whose ways have become one goes with them, so does a wait after which nothing is done; waits that have come
    to stand in a row become one.
    """
    lost = [step.key for step in sequence.steps if isinstance(step, SendStep) and step.channel not in channels]
    if not lost or len(lost) == sum(isinstance(step, SendStep) for step in sequence.steps):
        return sequence
    return without(_with(sequence, [_decided(step, channels) for step in sequence.steps]), lost)


def without(sequence: Sequence, keys: Iterable[str]) -> Sequence:
    """The sequence without some of its messages, and without what served only those."""
    for key in keys:
        sequence = _without(sequence, key)
    while idle := _idle(sequence):
        sequence = _without(sequence, idle)
    kept = reached(sequence)
    sequence = _with(sequence, [step for step in sequence.steps if step.key in kept])
    return _in_one(sequence)


def shape(sequence: Sequence) -> list[dict[str, object]]:
    """What its steps do, whatever they are called: two sequences of one shape do the same."""
    places = {step.key: index for index, step in enumerate(sequence.steps)}
    return [
        {**step.model_dump(exclude={"key", "next", "then", "otherwise"}),
         "followers": [None if one is None else places.get(one) for one in sequence.followers(step.key)]}
        for step in sequence.steps
    ]  # fmt: skip


def _decided(step: Step, channels: Collection[str]) -> Step:
    """Where there is no such channel, nobody can be reached on it, whatever they agreed to."""
    if (
        isinstance(step, BranchStep)
        and isinstance(step.condition, HasAgreed)
        and step.condition.channel not in channels
    ):
        return step.model_copy(update={"then": step.otherwise})
    return step


def _idle(sequence: Sequence) -> str:
    """A step that changes nothing: a branch with one way, or a wait after which nothing is done."""
    for step in sequence.steps:
        if isinstance(step, BranchStep) and step.then == step.otherwise:
            return step.key
    return next(iter(vain_waits(sequence)), "")


def _without(sequence: Sequence, key: str) -> Sequence:
    """Whatever led to a step leads to the one after it."""
    after = sequence.followers(key)[0]
    steps: list[Step] = []
    for step in sequence.steps:
        if step.key == key:
            continue
        if isinstance(step, BranchStep):
            changes = {name: after for name in ("then", "otherwise") if getattr(step, name) == key}
        elif not isinstance(step, ExitStep) and key in sequence.followers(step.key):
            changes = {"next": after}
        else:
            changes = {}
        steps.append(step.model_copy(update=changes))
    return _with(sequence, steps)


def _in_one(sequence: Sequence) -> Sequence:
    """Each wait that only ever follows another one is part of it."""
    for step in sequence.steps:
        after = next(iter(sequence.followers(step.key)), None)
        second = None if after is None else sequence.step(after)
        leading = [one.key for one in sequence.steps if after in sequence.followers(one.key)]
        if not isinstance(step, WaitStep) or not isinstance(second, WaitStep) or leading != [step.key]:
            continue
        total = step.duration + second.duration
        if total <= LONGEST:
            rest = total - timedelta(days=total.days)
            parts = {"days": total.days, "hours": rest.seconds // 3600, "minutes": rest.seconds // 60 % 60}
            joined = _without(sequence, second.key)
            steps = [one.model_copy(update=parts) if one.key == step.key else one for one in joined.steps]
            return _in_one(_with(joined, steps))
    return sequence


def _with(sequence: Sequence, steps: list[Step]) -> Sequence:
    """These steps, each naming the next one only where that is not the one below it."""
    told: list[Step] = []
    for place, step in enumerate(steps):
        below = steps[place + 1].key if place + 1 < len(steps) else None
        named = getattr(step, "next", None)
        told.append(step.model_copy(update={"next": None}) if named is not None and named == below else step)
    return sequence.model_copy(update={"steps": tuple(told)})
