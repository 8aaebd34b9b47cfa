"""The worker: does everything that is due, once, or again and again until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from memory.errors import NoriaError
from tools.advance import advance, finish
from tools.deliver import Delivered, deliver
from tools.drain import drain, export_sends, is_worth_draining
from tools.gate import close_overdue, give_up_stale
from tools.launch import Launch, launch_approved
from tools.workplace import Workplace

_LONGEST_PAUSE = 60.0


@dataclass
class Tick:
    """What one round did."""

    launched: list[Launch] = field(default_factory=list)
    lost: int = 0
    """Claims of silent workers that became unknown."""
    overdue: int = 0
    """Messages that could no longer leave in time."""
    advanced: int = 0
    delivered: Delivered = field(default_factory=Delivered)
    finished: list[str] = field(default_factory=list)
    drained: int = 0

    @property
    def idle(self) -> bool:
        """True when there was nothing to do."""
        return not (
            self.launched
            or self.lost
            or self.overdue
            or self.advanced
            or self.delivered.moved
            or self.finished
            or self.drained
        )


def tick(place: Workplace) -> Tick:
    """Do everything that is due at this moment, once. Safe with any number of workers at the same time.

    What a step plans for now leaves in the same round.
    """
    done = Tick()
    if is_worth_draining(place.store, place.clock.now()):
        done.drained = drain(place.store, place.lake)
    done.launched = launch_approved(place)
    done.lost = give_up_stale(place)
    while True:
        moved = advance(place)
        delivered = deliver(place)
        done.advanced += moved
        done.delivered.states += delivered.states
        done.delivered.drifted += delivered.drifted
        done.delivered.stopped |= delivered.stopped
        if not moved and not delivered.moved:
            break
    done.overdue = close_overdue(place)
    done.finished = finish(place)
    if done.delivered.states["sent"] or done.drained:
        export_sends(place.store, place.lake)
    return done


def run(
    place: Workplace,
    stop: Event,
    *,
    pause_seconds: float = 1.0,
    on_tick: Callable[[Tick], None] | None = None,
    on_error: Callable[[NoriaError], None] | None = None,
) -> None:
    """Tick until ``stop`` is set. Trouble with the store or the lake is reported and tried again, ever more slowly."""
    pause = pause_seconds
    while not stop.is_set():
        try:
            done = tick(place)
        except NoriaError as error:
            if on_error is not None:
                on_error(error)
            pause = min(pause * 2, _LONGEST_PAUSE)
        else:
            pause = pause_seconds
            if on_tick is not None:
                on_tick(done)
            if not done.idle:
                continue
        stop.wait(pause)
    for channel in place.channels.values():
        channel.close()
