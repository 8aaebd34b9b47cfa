"""The worker: acts on decisions, moves enrolments, sends, reads campaigns, and keeps the queue of proposals."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any, Final

import structlog
from pydantic import BaseModel, ConfigDict

from agents.allocate import allocate
from agents.autonomy import look_after
from agents.follow_up import propose_next_letters
from agents.learning_graph import run_due_looks
from agents.letters import propose_letter
from agents.read_replies import read_replies
from agents.requested import plan_requested
from agents.requested_change import propose_requested_change
from agents.resume import Threads
from agents.round import run_due_round
from agents.worth import report_weekly
from console.decisions import say_promised
from console.sync import sync_due
from console.wiring import Workspace
from memory import queue
from memory.clock import SystemClock
from memory.heartbeat import beat
from memory.workspace import Switch, Trouble, keep_troubles, note_round, read_switch
from policies.rules.approval import ApprovalLimits
from tools.crm.sync import Pulled
from tools.failure import Failure, Failures, Guard, aloud
from tools.notices import notify
from tools.renewal import pause_lapsed
from tools.replies import act
from tools.staff_mail import write_to_staff
from tools.worker import Tick, tick

_log = structlog.get_logger(__name__)
_SIGN_OF_LIFE_SECONDS: Final = 60.0
"""A worker with nothing to do says so this often."""


class Cycle(BaseModel):
    """What one round of work did."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    decided: tuple[str, ...]
    """Proposals that moved because somebody decided."""
    expired: tuple[str, ...]
    reminded: tuple[str, ...]
    """Proposals of which somebody was reminded before they expire."""
    opened: tuple[str, ...]
    """Queued proposals that got their turn."""
    pulled: tuple[Pulled, ...] = ()
    """What was read from connected systems."""
    tick: Tick
    readouts: tuple[str, ...]
    allocations: tuple[str, ...] = ()
    """Decisions about the shares of running campaigns."""
    round: str = ""
    """The weekly round that was done, by its thread."""
    paused: tuple[str, ...] = ()
    """Campaigns whose proof of value has lapsed."""
    letter: str = ""
    """The submitted letter that was taken through the graph."""
    changed: str = ""
    """The campaign of which a change was asked for and taken up."""
    planned: str = ""
    """The submitted brief that was planned for."""
    followed: tuple[str, ...] = ()
    """Proposals of the next letters of series."""
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


def work_once(workspace: Workspace, threads: Threads, guard: Guard = aloud) -> Cycle:
    """Do everything that is due now, once. Running it twice at the same moment is safe."""
    decided: list[str] = []
    expired: list[str] = []
    reminded: list[str] = []
    opened: list[str] = []
    done = Tick()
    readouts: list[str] = []
    allocations: list[str] = []
    paused: list[str] = []
    followed: list[str] = []
    letter, changed, planned, thread_id, switch = "", "", "", "", Switch()
    with guard("decisions"):
        decided = threads.apply_decisions()
        if say_promised(workspace):
            decided += threads.apply_decisions()
    with guard("queue"):
        now = workspace.clock.now()
        before_hours = workspace.pack.limits("approval", ApprovalLimits).remind_before_hours
        with workspace.store.write() as connection:
            expired = queue.expire(connection, now)
            reminded = queue.remind(connection, now, before_hours=before_hours)
            opened = queue.promote(connection, at=now, open_limit=workspace.settings.review.open_proposals)
    pulled = sync_due(workspace, guard)
    with guard("mailbox"):
        if workspace.mailbox_is_due():
            workspace.take_mail()
    with guard("looks"):
        # Before anything leaves: what harms sends nothing more, and nothing is launched that would follow it.
        readouts = run_due_looks(workspace.desk)
    with guard("workplace"):
        done = tick(workspace.workplace, guard)
    with guard("staff mail"):
        notify(workspace.workplace)
        write_to_staff(workspace.workplace, lambda: workspace.brand, workspace.settings.console_address)
    with guard("shares"):
        # After the looks: what harms is paused by then.
        allocations = allocate(workspace.desk, guard)
    if decided or readouts:
        with guard("autonomy"):
            look_after(workspace.desk)
    with guard("reviews"):
        # After the looks: one that is due on the same day may say that it works.
        paused = pause_lapsed(workspace.workplace)
    with guard("round"):
        # After the looks and the shares: it goes by both.
        done_round = run_due_round(threads)
        thread_id = "" if done_round is None else done_round.thread_id
    with guard("series"):
        # After the looks: what harms is followed by nothing.
        followed = propose_next_letters(threads)
    with guard("worth"):
        report_weekly(workspace.desk)
    # Last: what is due to be sent never waits for a model.
    with guard("replies"):
        read_replies(workspace.desk)
        act(workspace.store, workspace.clock.now(), a_model_reads=workspace.settings.model is not None)
    with guard("letters"):
        letter = propose_letter(threads, SystemClock())
    with guard("changes"):
        changed = propose_requested_change(threads, SystemClock())
    with guard("briefs"):
        planned = plan_requested(threads, SystemClock())
    with guard("switch"), workspace.store.read() as connection:
        switch = read_switch(connection)
    return Cycle(
        decided=tuple(decided),
        expired=tuple(expired),
        reminded=tuple(reminded),
        opened=tuple(opened),
        pulled=tuple(pulled),
        tick=done,
        readouts=tuple(readouts),
        allocations=tuple(allocations),
        paused=tuple(paused),
        letter=letter,
        round=thread_id,
        changed=changed,
        planned=planned,
        followed=tuple(followed),
        switch=switch,
    )


def work_safely(workspace: Workspace, threads: Threads) -> tuple[Cycle, list[Failure]]:
    """A round in which each part may break off alone; what did is logged, and kept for the doctor."""
    failures = Failures()
    cycle = work_once(workspace, threads, failures)
    _keep(workspace, failures.found)
    return cycle, failures.found


def work(workspace: Workspace, threads: Threads, *, pause_seconds: float) -> None:
    """Work until the process is asked to stop; a part that fails is reported and tried again in the next round."""
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, stop)
    recovery = Failures()
    with recovery("recovery"):
        threads.recover()
    for failure in recovery.found:
        _log.error("part failed", **failure.model_dump())
    told_at, stopped = -_SIGN_OF_LIFE_SECONDS, False
    while not stopping.is_set():
        taking_up = Failures()
        with taking_up("policy"):
            if workspace.take_up_policy():
                threads = Threads(workspace.desk, threads.checkpointer)
                _log.info("policy taken up", policy=workspace.pack.version)
        with taking_up("house"):
            if workspace.take_up_house():
                threads = Threads(workspace.desk, threads.checkpointer)
                _log.info("brand and playbooks taken up")
        for failure in taking_up.found:
            _log.error("part failed", **failure.model_dump())
        cycle, _ = work_safely(workspace, threads)
        done = _happened(cycle)
        now = time.monotonic()
        if done or cycle.switch.stopped != stopped or now - told_at >= _SIGN_OF_LIFE_SECONDS:
            told_at, stopped = now, cycle.switch.stopped
            _log.info("cycle" if done else "nothing was due", **done, **({"sending_stopped": True} if stopped else {}))
        stopping.wait(pause_seconds)


def _happened(cycle: Cycle) -> dict[str, Any]:
    """One round in numbers and names; empty where nothing happened."""
    found = {
        **{name: len(getattr(cycle, name)) for name in ("decided", "expired", "reminded", "opened", "readouts")},
        "shares_decided": len(cycle.allocations),
        "paused": len(cycle.paused),
        "followed": len(cycle.followed),
        "read_in": sum(one.read for one in cycle.pulled),
        "round": cycle.round,
        "letter": cycle.letter,
        "change_of": cycle.changed,
        "planned_for": cycle.planned,
        **counts(cycle.tick),
    }
    return {name: value for name, value in found.items() if value}


def _keep(workspace: Workspace, found: Sequence[Failure]) -> None:
    keeping = Failures()
    rounds = {}
    with keeping("report"):
        now = workspace.clock.now()
        with workspace.store.write() as connection:
            kept = keep_troubles(connection, [Trouble(**failure.model_dump(), since=now) for failure in found])
            note_round(connection, SystemClock().now())
            beat(connection, f"{socket.gethostname()}:{os.getpid()}", SystemClock().now(), failures=len(found))
        rounds = {one.part: one.rounds for one in kept}
    for failure in (*found, *keeping.found):
        _log.error("part failed", **failure.model_dump(), rounds=rounds.get(failure.part, 1))
