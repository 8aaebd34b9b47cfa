"""Variations of a sequence that works: each changes one thing, so that a test of it says something about that thing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from memory.sequence_check import defects, most_sends
from memory.sequence_fit import shape, without
from memory.steps import LONGEST, Copy, SendStep, Step, WaitStep, WaitWindowStep
from memory.steps import Sequence as PlaySequence

Lever = Literal["creative_angle", "cadence", "delay", "hour", "weekday"]
_SOONEST: Final = timedelta(minutes=10)
_LONGEST_KEY: Final = 63
EXPLORED: Final = 0.2
"""Of those at their own hour, or on their own weekday, so many get another one, as in the packaged newsletter."""


class Variation(BaseModel):
    """A sequence that differs from a known one in one thing."""

    model_config = ConfigDict(frozen=True)

    sequence: PlaySequence
    lever: Lever
    sentence: str
    """What is different."""


def variations(
    one: PlaySequence, *, hours: tuple[int, int], weekdays: Sequence[int], known: Sequence[PlaySequence]
) -> list[Variation]:
    """What could be tried beside a sequence, the most telling first; none that does what a known one does already.

    The order is that of what public tests found to move most (Upworthy: words by 0.2 on log-odds; carts: the delay),
    and ``hours`` and ``weekdays`` are the send window. Keys and titles say what each changes; shares are those of the
    sequence.
    """
    shapes = [shape(other) for other in known]
    found: list[Variation] = []
    for lever, name, sentence, steps in _tries(one, hours, weekdays):
        key = f"{one.key[: _LONGEST_KEY - len(name) - 1]}_{name}"
        if any(other.key == key for other in known):
            continue
        varied = one.model_copy(update={"key": key, "title": f"{one.title}; {sentence}", "steps": tuple(steps)})
        if defects(varied) or shape(varied) in shapes:
            continue
        shapes.append(shape(varied))
        found.append(Variation(sequence=varied, lever=lever, sentence=sentence))
    return found


def _tries(
    one: PlaySequence, hours: tuple[int, int], weekdays: Sequence[int]
) -> Iterator[tuple[Lever, str, str, Sequence[Step]]]:
    """Lever, name, what is different, and the steps."""
    first = next((place for place, step in enumerate(one.steps) if isinstance(step, SendStep)), None)
    if first is None:
        return
    opening = next((step for step in one.steps[:first] if isinstance(step, WaitStep)), None)
    send = one.steps[first]
    assert isinstance(send, SendStep)
    if plain := _plain(send):
        yield "creative_angle", "plain", "its headline as subject", _put(one, send.key, plain)
    if opening is not None and opening.duration / 2 >= _SOONEST:
        yield "delay", "sooner", "the first wait half as long", _put(one, opening.key, _wait(opening, 0.5))
    if opening is not None and opening.duration * 2 <= LONGEST:
        yield "delay", "later", "the first wait twice as long", _put(one, opening.key, _wait(opening, 2))
    if most_sends(one) > 1:
        last = [step for step in one.steps if isinstance(step, SendStep)][-1]
        yield "cadence", "fewer", "without its last message", without(one, [last.key]).steps
    if any(isinstance(step, WaitWindowStep) for step in one.steps[:first]):
        return
    window: dict[str, Any] = {"from_hour": hours[0], "until_hour": hours[1], "weekdays": tuple(sorted(weekdays))}
    own_hour = WaitWindowStep(key="own_hour", **window, at="favourite_hour", explored=EXPLORED)
    yield "hour", "own_hour", "at the contact's own hour", _before(one, first, own_hour)
    if len(window["weekdays"]) > 1:
        own_day = WaitWindowStep(key="own_weekday", **window, day="favourite_weekday", explored_days=EXPLORED)
        days = "on the contact's own weekday of those approved, so up to a week later"
        yield "weekday", "own_weekday", days, _before(one, first, own_day)


def _before(one: PlaySequence, place: int, waits: WaitWindowStep) -> list[Step]:
    """The steps with a wait before one of them: whatever led to it leads to the wait, also from afar."""
    led = [_led(step, one.steps[place].key, waits.key) for step in one.steps]
    return [*led[:place], waits, *led[place:]]


def _plain(send: SendStep) -> SendStep | None:
    """The message with its headline as subject; None where that is no other, or no e-mail."""
    copies = {language: _headlined(copy) for language, copy in send.copies.items()}
    if send.channel != "email" or copies == send.copies:
        return None
    return send.with_copies(copies)


def _headlined(copy: Copy) -> Copy:
    return copy.model_copy(update={"subject": copy.headline})


def _wait(step: WaitStep, times: float) -> WaitStep:
    minutes = round(step.duration * times / timedelta(minutes=1))
    days, rest = divmod(minutes, 24 * 60)
    return step.model_copy(update={"days": days, "hours": rest // 60, "minutes": rest % 60})


def _put(one: PlaySequence, key: str, step: Step) -> list[Step]:
    return [step if each.key == key else each for each in one.steps]


def _led(step: Step, wanted: str, instead: str) -> Step:
    places = {name: instead for name in ("next", "then", "otherwise") if getattr(step, name, None) == wanted}
    return step.model_copy(update=places)
