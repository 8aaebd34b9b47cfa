"""One round of acting: everything that is due at this moment."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.advance import advance, finish
from tools.deliver import Delivered, deliver
from tools.drain import drain, export_sends, is_worth_draining, is_worth_exporting
from tools.erase import go_on
from tools.failure import Guard, aloud
from tools.gate import close_overdue, give_up_stale
from tools.launch import Launch, launch_approved
from tools.reputation import watch
from tools.take_off import take_off
from tools.trigger import let_in
from tools.workplace import Workplace


@dataclass
class Tick:
    """What one round did."""

    launched: list[Launch] = field(default_factory=list)
    lost: int = 0
    """Claims of silent workers that became unknown."""
    overdue: int = 0
    """Messages that could no longer leave in time."""
    entered: int = 0
    """Contacts whom triggers let in."""
    advanced: int = 0
    delivered: Delivered = field(default_factory=Delivered)
    finished: list[str] = field(default_factory=list)
    drained: int = 0
    exported: int = 0
    """Messages that were looked at to be written to the lake."""


def tick(place: Workplace, guard: Guard = aloud) -> Tick:
    """Do everything that is due at this moment, once. Safe with any number of workers at the same time.

    What a step plans for now leaves in the same round.
    """
    done = Tick()
    with guard("drain"):
        if is_worth_draining(place.store, place.clock.now()):
            done.drained = drain(place.store, place.lake)
    with guard("launch"):
        done.launched = launch_approved(place)
    with guard("stale claims"):
        done.lost = give_up_stale(place)
    with guard("reputation"):
        watch(place.store, place.pack, place.clock.now(), place.actor)
    with guard("triggers"):
        done.entered = let_in(place, guard)
    with guard("erasures"):
        go_on(place)
    with guard("audiences"):
        take_off(place)
    moved = True
    while moved:
        moved = False
        with guard("advance"):
            advanced = advance(place)
            done.advanced += advanced
            moved = advanced > 0
        with guard("deliver"):
            delivered = deliver(place)
            done.delivered.states += delivered.states
            done.delivered.drifted += delivered.drifted
            done.delivered.stopped |= delivered.stopped
            moved = moved or delivered.moved > 0
    with guard("overdue"):
        done.overdue = close_overdue(place)
    with guard("finish"):
        done.finished = finish(place)
    with guard("export"):
        if is_worth_exporting(place.store, place.clock.now()):
            done.exported = export_sends(place.store, place.lake, place.clock.now())
    if done.drained or done.exported:
        with guard("lake files"):
            place.lake.tidy()
    return done
