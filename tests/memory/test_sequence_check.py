"""The shape of sequences: what the checks say agrees with walking every way, step by step."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.sequence_check import defects, densest, longest_wait, most_sends
from memory.steps import BranchStep, ExitStep, SendStep, Sequence, Step, WaitEventStep, WaitStep, WaitWindowStep
from tests.memory.sequences import any_sequence, branch, leave, send, sequence, wait

ACTS = ("send", "update", "alert")

Way = tuple[Step, ...]


def ways(of: Sequence) -> tuple[list[Way], bool]:
    """Every way from the first step, cut off when longer than there are steps; True if each ends in an exit."""
    keys = [step.key for step in of.steps]
    found: list[Way] = []
    sound = True
    waiting: list[Way] = [(of.steps[0],)]
    while waiting:
        way = waiting.pop()
        at = way[-1]
        if isinstance(at, ExitStep):
            found.append(way)
            continue
        place = keys.index(at.key) + 1
        if isinstance(at, BranchStep):
            onward = [at.then, at.otherwise]
        else:
            onward = [at.next or (keys[place] if place < len(keys) else "")]
        if len(way) == len(keys) or "" in onward:
            sound = False
            found.append(way)
            continue
        waiting += [(*way, of.steps[keys.index(key)]) for key in onward]
    return found, sound


def lasts(step: Step, *, longest: bool) -> timedelta:
    if isinstance(step, WaitStep) or (longest and isinstance(step, WaitEventStep)):
        return timedelta(days=step.days, hours=step.hours, minutes=step.minutes)
    return timedelta(weeks=1) if longest and isinstance(step, WaitWindowStep) else timedelta()


def sent_at(way: Way, *, longest: bool) -> list[tuple[SendStep, timedelta]]:
    """The messages on one way, each with the time that the steps before it last."""
    found, now = [], timedelta()
    for step in way:
        if isinstance(step, SendStep):
            found.append((step, now))
        now += lasts(step, longest=longest)
    return found


def in_vain(of: Sequence, found: list[Way]) -> set[str]:
    """Waits after which nothing is done on any way, and before which nobody comes onto an audience."""
    waits = {step.key for step in of.steps if step.kind in ("wait", "wait_window", "wait_event")}
    useful = {
        step.key
        for way in found
        for place, step in enumerate(way)
        if any(later.kind in ACTS for later in way[place + 1 :])
        or any(isinstance(one, SendStep) and one.listing and one.listing.action == "add" for one in way[:place])
    }
    return waits - useful


@given(any_sequence())
def test_a_sequence_is_sound_exactly_when_every_way_ends_and_every_step_is_on_one(of: Sequence) -> None:
    found, sound = ways(of)
    on_some_way = {step.key for way in found for step in way}
    walked = sound and on_some_way == {step.key for step in of.steps} and not in_vain(of, found)
    assert (defects(of) == []) == walked


@given(any_sequence(forward=True))
def test_unreached_steps_and_vain_waits_are_named_and_no_others(of: Sequence) -> None:
    found, sound = ways(of)
    assert sound
    on_some_way = {step.key for way in found for step in way}
    told = defects(of)
    assert {one.step for one in told if "never reached" in one.what} == {one.key for one in of.steps} - on_some_way
    assert {one.step for one in told if "after this wait" in one.what} == in_vain(of, found) & on_some_way


@given(any_sequence(forward=True))
def test_the_wait_before_each_send_is_that_of_its_longest_way(of: Sequence) -> None:
    walked: dict[str, timedelta] = {}
    for way in ways(of)[0]:
        for step, at in sent_at(way, longest=True):
            walked[step.key] = max(at, walked.get(step.key, at))
    assert longest_wait(of) == walked


@given(any_sequence(forward=True))
def test_the_most_sends_are_those_of_the_fullest_way(of: Sequence) -> None:
    walked = [[step for step, _ in sent_at(way, longest=False) if step.reaches_contact] for way in ways(of)[0]]
    assert most_sends(of) == max(map(len, walked))


@given(any_sequence(forward=True), st.integers(1, 200))
def test_the_densest_window_is_the_fullest_on_any_way(of: Sequence, hours: int) -> None:
    window = timedelta(hours=hours)
    walked = 0
    for way in ways(of)[0]:
        sent = sent_at(way, longest=False)
        times = [at for step, at in sent if step.purpose == "marketing" and step.reaches_contact]
        walked = max([walked, *(sum(at <= other < at + window for other in times) for at in times)])
    assert densest(of, window) == walked


def test_where_two_ways_meet_the_one_with_fewer_but_later_messages_counts_too() -> None:
    # Two at the start, or one just before the ways meet: only that one is still near the two at the end.
    of = sequence(
        branch("which", "early", "one_day"),
        send("early"),
        send("early_again"),
        wait("some_hours", hours=20, next="meet"),
        wait("one_day", days=1),
        send("late"),
        wait("meet", hours=10),
        send("last"),
        send("last_again"),
        leave(),
    )
    assert densest(of, timedelta(hours=24)) == 3
    assert densest(of, timedelta(hours=31)) == 4


@pytest.mark.parametrize(
    ("steps", "at", "says"),
    [
        ((send("a"), send("a"), leave()), "a", "Two steps are called"),
        ((send("a", next="b"), leave()), "a", "no such step"),
        ((branch("a", "end", "nowhere"), leave()), "a", "no such step"),
        ((send("a", next="b"), send("b", next="a")), "a", "leads back"),
        ((send("a"),), "a", "no exit after"),
        ((send("a"), leave(), send("b"), leave("b_end")), "b", "never reached"),
        ((send("a"), wait("b", days=1), leave()), "b", "Nothing is done after"),
    ],
)
def test_each_defect_names_its_step_and_what_to_do(steps: tuple[dict[str, object], ...], at: str, says: str) -> None:
    told = defects(sequence(*steps))
    assert at in [one.step for one in told if says in one.what]
    assert all(one.remedy for one in told)
