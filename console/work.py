"""The worker: acts on decisions, moves enrolments, sends, reads campaigns, and keeps the queue of proposals."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import structlog
from pydantic import BaseModel, ConfigDict

from agents.learning_graph import run_due_looks
from agents.resume import Threads
from console.wiring import Workspace
from memory import proposals
from memory.errors import NoriaError
from memory.workspace import Switch, read_switch
from tools.worker import Tick, tick

_log = structlog.get_logger(__name__)


class Cycle(BaseModel):
    """What one round of work did."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    decided: tuple[str, ...]
    """Proposals that moved because somebody decided."""
    expired: tuple[str, ...]
    opened: tuple[str, ...]
    """Queued proposals that got their turn."""
    tick: Tick
    readouts: tuple[str, ...]
    switch: Switch
    """While it is stopped, nothing leaves, however much is due."""


def counts(done: Tick) -> dict[str, int]:
    """One round in numbers, leaving out what did not happen."""
    found = {
        "launched": len(done.launched),
        "advanced": done.advanced,
        "became_unknown": done.lost,
        "overdue": done.overdue,
        "finished": len(done.finished),
        "drained": done.drained,
        **done.delivered.states,
    }
    return {name: number for name, number in found.items() if number}


def work_once(workspace: Workspace, threads: Threads) -> Cycle:
    """Do everything that is due now, once. Running it twice at the same moment is safe."""
    now = workspace.clock.now()
    decided = threads.apply_decisions()
    with workspace.store.write() as connection:
        expired = proposals.expire(connection, now)
        opened = proposals.promote(connection, at=now, open_limit=workspace.settings.review.open_proposals)
    done = tick(workspace.workplace)
    readouts = run_due_looks(workspace.desk)
    with workspace.store.read() as connection:
        switch = read_switch(connection)
    return Cycle(
        decided=tuple(decided),
        expired=tuple(expired),
        opened=tuple(opened),
        tick=done,
        readouts=tuple(readouts),
        switch=switch,
    )


def work(workspace: Workspace, threads: Threads, *, pause_seconds: float) -> None:
    """Work until the process is asked to stop; a part that fails is reported and tried again in the next round."""
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, stop)
    threads.recover()
    while not stopping.is_set():
        try:
            cycle = work_once(workspace, threads)
            stopped = {"sending_stopped": True} if cycle.switch.stopped else {}
            done = counts(cycle.tick)
            _log.info("cycle", decided=len(cycle.decided), readouts=len(cycle.readouts), **stopped, **done)
        except NoriaError as error:
            _log.error("cycle failed", code=error.code, what=error.what, where=error.where, remedy=error.remedy)
        stopping.wait(pause_seconds)
