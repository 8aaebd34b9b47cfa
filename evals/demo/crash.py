"""Workers are killed in mid-send, again and again; the receiving server says what really arrived."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select

from console.cli.output import number, quote, say
from evals.demo.mail_server import MailServer
from evals.demo.result import Promise
from evals.demo.small_shop import invent_customers, small_stage
from evals.demo.stage import Stage
from evals.demo.story import ActResult, Watch, conclude, deliberation, first_send, propose, say_about
from memory import journal, ledger
from memory.errors import NoriaError
from memory.events import DELIVERED
from memory.schema import messages
from tools.intake import Incoming, receive

CUSTOMERS = 400
KILL_AT = (0.1, 0.35, 0.65)
"""Shares of the treated contacts whose mail has arrived when the next kill comes; the last one hits every worker."""
_BATCH_SIZE = 24
_LEASE_SECONDS = 5
_DELAY_SECONDS = 0.12
_PATIENCE_SECONDS = 240.0


class CrashResult(ActResult):
    """What the killed workers left, beside what the server received."""

    planned: int
    states: dict[str, int]
    unknown_reasons: dict[str, int]
    unknown_that_arrived: int
    kills: int
    workers: int
    received: int
    duplicates: int
    lost: int


class Crew:
    """`noria work` processes on one workspace."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self.errors = folder / "workers.log"
        self.started = 0

    def start(self) -> None:
        """Start one more worker."""
        with self.errors.open("ab") as log:
            command = [sys.executable, "-m", "noria", "work", "--pause-seconds", "0.2", "-w", str(self._folder)]
            # Nothing of the command comes from outside; the folder is one argument.
            self._running.append(subprocess.Popen(command, stdout=log, stderr=log))  # noqa: S603
        self.started += 1

    def kill(self, count: int = 1) -> None:
        """SIGKILL the longest-running ones: they get no chance to tidy up."""
        dying, self._running = self._running[:count], self._running[count:]
        for worker in dying:
            worker.kill()
        for worker in dying:
            worker.wait()

    def dismiss(self) -> bool:
        """Ask every worker to stop; True when all of them left by themselves."""
        for worker in self._running:
            worker.send_signal(signal.SIGTERM)
        try:
            return all(worker.wait(timeout=60) == 0 for worker in self._running)
        except subprocess.TimeoutExpired:
            return False

    def check(self) -> None:
        """Raises NoriaError when a worker died that nobody killed."""
        if any(worker.poll() is not None for worker in self._running):
            raise NoriaError("A worker ended by itself.", where=str(self.errors), remedy="Read the end of that file.")


@contextmanager
def crew(folder: Path) -> Iterator[Crew]:
    """Workers that end with the block, whatever happens in it."""
    found = Crew(folder)
    try:
        yield found
    finally:
        found.kill(found.started)


def play_crash(folder: Path, *, customers: int = CUSTOMERS) -> CrashResult:
    """Send a campaign with two workers that are killed in mid-send, and compare ledger and server."""
    watch = Watch()
    say("[bold]Noria, with its workers killed in mid-send[/bold]")
    people = invent_customers(customers)
    settings = f"[work]\nlease_seconds = {_LEASE_SECONDS}\n"
    with small_stage(
        folder,
        people,
        name="Marlow & Finch (crash)",
        settings=settings,
        batch_size=_BATCH_SIZE,
        delay_seconds=_DELAY_SECONDS,
    ) as stage:
        watch.step("An approved campaign")
        treated = _approve(stage)
        watch.step(f"Two workers send, and are killed without warning {len(KILL_AT)} times")
        at_once = stage.workspace.channels["email"].capabilities.at_once
        say(f"  [dim]After {_LEASE_SECONDS} seconds of silence a worker counts as dead. {_BATCH_SIZE} messages are "
            f"claimed and {at_once} handed over at a time. "
            f"The server takes {_DELAY_SECONDS * 1000:.0f} ms over each.[/dim]")  # fmt: skip
        with crew(stage.workspace.folder) as workers:
            kills = _send_and_kill(stage, workers, treated)
            left = workers.dismiss()
        watch.step("The ledger beside the server")
        result = _compare(stage, stage.server, watch, kills=kills, workers=workers.started, left=left)
    conclude(watch, result.promises, stage.workspace.folder)
    return result


def _approve(stage: Stage) -> int:
    workspace = stage.workspace
    with deliberation(workspace) as threads:
        stored = propose(threads, "crash")
        audience = stored.proposal.audience
        say(f"  {quote(stored.proposal.title)}: {number(audience.reachable)} may be written to, "
            f"{number(audience.treated)} get it, {number(audience.holdout)} are held out")  # fmt: skip
        say_about(workspace, stored, "approve", "cli:jane")
    stage.clock.advance_to(first_send(stored))
    return audience.treated


def _send_and_kill(stage: Stage, workers: Crew, treated: int) -> int:
    """Two workers at once; returns how many were killed."""
    server, kills = stage.server, 0
    workers.start()
    workers.start()
    for turn, share in enumerate(KILL_AT, start=1):
        goal = round(share * treated)
        _wait(workers, lambda goal=goal: _in_mid_send(stage, goal))  # type: ignore[misc] # called at once
        victims = 2 if turn == len(KILL_AT) else 1
        workers.kill(victims)
        kills += victims
        arrived, claimed = sum(server.received.values()), _count(stage, "claimed")
        who = "both workers" if victims > 1 else "one worker"
        say(f"  [red]kill -9[/red] {who}: {number(arrived)} had arrived, {number(claimed)} are marked as in flight")
        for _ in range(victims):
            workers.start()
    _wait(workers, lambda: _is_over(stage))
    say("  [green]done[/green] the workers that came after settled what was left")
    return kills


def _compare(
    stage: Stage, server: MailServer, watch: Watch, *, kills: int, workers: int, left: bool
) -> CrashResult:  # fmt: skip
    with stage.workspace.store.read() as connection:
        balance = ledger.reconcile(connection)
        reasons = ledger.reasons(connection)
        rows = connection.execute(select(messages.c.message_key, messages.c.state)).all()
        chain = journal.verify(connection).intact
    by_state: dict[str, set[str]] = {}
    for row in rows:
        by_state.setdefault(row.state, set()).add(row.message_key)
    sent, unknown, arrived = by_state.get("sent", set()), by_state.get("unknown", set()), set(server.received)
    duplicates = sum(server.received.values()) - len(arrived)
    # Lost: intended and gone from the record, called sent and never arrived, or arrived and not accounted for.
    lost = (balance.planned - len(rows)) + len(sent - arrived) + len(arrived - sent - unknown) + balance.open
    say(f"  planned   {number(balance.planned)}: "
        + ", ".join(f"{number(count)} {state}" for state, count in sorted(balance.states.items())))  # fmt: skip
    say(f"  received  {number(sum(server.received.values()))} messages, {number(duplicates)} of them twice")
    for reason, count in reasons.get("unknown", {}).items():
        say(f"  unknown   {number(count)}: {quote(reason)}")
    say(f"  [dim]Of the {len(unknown)} unknown, {len(unknown & arrived)} had arrived. Plain SMTP takes no "
        "idempotency key, so only the receiver can tell: none is sent again, none is called sent.[/dim]")  # fmt: skip
    at_once = stage.workspace.channels["email"].capabilities.at_once
    settled = _settle(stage, unknown & arrived)
    say(f"  The server's delivery report settles {number(settled)} of them as sent: "
        f"{number(len(sent) + settled)} sent, {number(len(arrived))} arrived")  # fmt: skip
    promises = [
        Promise(sentence=f"No message arrived twice ({duplicates} duplicates).", held=duplicates == 0),
        Promise(sentence=f"No message was lost without a trace ({lost} lost).", held=lost == 0),
        Promise(
            sentence=f"The final states add up to the {balance.planned} planned.",
            held=balance.balances and balance.open == 0,
        ),
        Promise(
            sentence=f"At most {at_once} messages per kill became unknown ({len(unknown)} in {kills} kills).",
            held=len(unknown) <= at_once * kills,
        ),
        Promise(
            sentence=f"With the server's delivery report, {len(sent) + settled} sent are {len(arrived)} arrived.",
            held=len(sent) + settled == len(arrived),
        ),
        Promise(
            sentence="None of the held-out contacts' messages arrived.",
            held=not by_state.get("withheld", set()) & arrived,
        ),
        Promise(sentence="Workers that are asked to stop leave by themselves.", held=left),
        Promise(sentence="The journal is an unbroken chain.", held=chain),
    ]
    return CrashResult(
        act="crash",
        workspace=str(stage.workspace.folder),
        seconds=watch.seconds,
        promises=promises,
        planned=balance.planned,
        states=balance.states,
        unknown_reasons=reasons.get("unknown", {}),
        unknown_that_arrived=len(unknown & arrived),
        kills=kills,
        workers=workers,
        received=sum(server.received.values()),
        duplicates=duplicates,
        lost=lost,
    )


def _settle(stage: Stage, keys: set[str]) -> int:
    """Take in what the receiving server reports as delivered; returns how many unknown messages became sent."""
    store, now = stage.workspace.store, stage.clock.now()
    with store.read() as connection:
        query = select(messages.c.message_key, messages.c.contact_id).where(messages.c.message_key.in_(sorted(keys)))
        found = connection.execute(query.order_by(messages.c.message_key)).all()
    reports = [
        Incoming(
            event_id=f"delivered-{one.message_key}",
            kind=DELIVERED,
            at=now,
            contact=one.contact_id,
            properties={"message_key": one.message_key},
            source="mail server",
            human=False,
        )
        for one in found
    ]
    before = _count(stage, "sent")
    receive(store, reports, now)
    return _count(stage, "sent") - before


def _in_mid_send(stage: Stage, goal: int) -> bool:
    return sum(stage.server.received.values()) >= goal and _count(stage, "claimed") > 0


def _is_over(stage: Stage) -> bool:
    with stage.workspace.store.read() as connection:
        balance = ledger.reconcile(connection)
    return bool(balance.states) and balance.open == 0


def _count(stage: Stage, state: str) -> int:
    with stage.workspace.store.read() as connection:
        return Counter(connection.execute(select(messages.c.state)).scalars())[state]


def _wait(workers: Crew, done: Callable[[], bool]) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while not done():
        workers.check()
        if time.monotonic() > until:
            raise NoriaError(
                "The workers did not come to an end in time.", where=str(workers.errors), remedy="Read that file."
            )
        time.sleep(0.03)
