"""Two workers race over one store and are killed in mid-send, again and again: no duplicate, and nothing vanishes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from sqlalchemy import select

from memory import ledger
from memory.clock import ManualClock
from memory.journal import verify
from memory.play import Limits
from memory.schema import arrivals, enrolments, messages
from memory.steps import ExitStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from memory.trigger import EventTrigger
from tests import forks
from tests.tools import worker_process
from tests.tools.mail_server import MailServer
from tests.tools.scene import add_contacts, approve, outbox, play, start, step, workplace
from tools.intake import Incoming, receive
from tools.launch import launch

CONTACTS = 240
LEASE_SECONDS = 2.0


@contextmanager
def two_workers(store: Store, folder: Path, port: int) -> Iterator[Callable[[], None]]:
    """Two worker processes; calling what it gives kills one of them with no warning and starts another."""
    errors = folder / "errors.txt"

    def begin() -> BaseProcess:
        return forks.start(worker_process.main, store.url, folder, port, LEASE_SECONDS, errors=errors)

    workers = [begin(), begin()]

    def kill_one() -> None:
        victim = workers.pop(0)
        victim.kill()
        victim.join()
        workers.append(begin())

    try:
        yield kill_one
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def wait_until(done: Callable[[], bool], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it never came to an end"
        time.sleep(0.02)


def still_open(store: Store) -> int:
    with store.read() as connection:
        return ledger.reconcile(connection).open


@pytest.mark.slow
def test_killed_workers_never_send_twice_over_smtp_and_account_for_every_message(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(any_store, range(1, CONTACTS + 1))
    start(workplace(any_store, clock, tmp_path), play(holdout_share=0.1), range(1, CONTACTS + 1))
    with MailServer(delay_seconds=0.02) as server, two_workers(any_store, tmp_path, server.port) as kill_one:
        for taken in (15, 60, 100, 140):
            wait_until(lambda taken=taken: len(server.taken) >= taken)  # type: ignore[misc] # bound at once
            kill_one()
        wait_until(lambda: still_open(any_store) == 0)
    with any_store.read() as connection:
        balance = ledger.reconcile(connection)
        states = {
            row.message_key: row.state for row in connection.execute(select(messages.c.message_key, messages.c.state))
        }
        assert verify(connection).intact
    assert balance.balances
    assert balance.planned == CONTACTS == len(states)
    assert set(server.taken.values()) == {1}
    sent = {key for key, state in states.items() if state == "sent"}
    unknown = {key for key, state in states.items() if state == "unknown"}
    # What the ledger calls sent arrived; what arrived is called sent, or unknown if its worker died too soon to say so.
    assert sent <= set(server.taken) <= sent | unknown
    # Each kill hits what one worker had in flight, not its whole claim of twenty.
    assert 0 < len(unknown) <= 4 * 8
    assert balance.states == {
        "sent": len(sent),
        "unknown": len(unknown),
        "withheld": CONTACTS - len(sent) - len(unknown),
    }
    assert (tmp_path / "errors.txt").read_text() == ""


@pytest.mark.slow
def test_killed_workers_lose_nothing_where_the_channel_knows_its_keys(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(any_store, range(1, CONTACTS + 1))
    start(workplace(any_store, clock, tmp_path), play(), range(1, CONTACTS + 1))
    with two_workers(any_store, tmp_path, 0) as kill_one:
        for share in (0.05, 0.3, 0.6):
            wait_until(lambda share=share: len(outbox(tmp_path)) >= share * CONTACTS)  # type: ignore[misc] # as above
            kill_one()
        wait_until(lambda: still_open(any_store) == 0)
    with any_store.read() as connection:
        balance = ledger.reconcile(connection)
    assert balance.balances
    assert balance.states == {"sent": CONTACTS}
    assert len(outbox(tmp_path)) == CONTACTS


KILLS = 50


@pytest.mark.slow
def test_fifty_kills_at_random_moments_over_two_steps_and_a_door_lose_and_double_nothing(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    """Contacts come in through a trigger, wait for nothing and get two messages, while workers die all the time."""
    contacts = range(1, 401)
    add_contacts(any_store, contacts)
    steps = (step("first"), step("second"), ExitStep(key="end"))
    wanted = play(
        trigger=EventTrigger(event="cart", runs_days=30),
        audience={"type": "all", "of": []},
        audience_sentence="everybody",
        sequences=(PlaySequence(key="one", title="One", steps=steps, share=1),),
        limits=Limits(contacts_per_day=1000),
        holdout_share=0.1,
    )
    place = workplace(any_store, clock, tmp_path)
    approve(any_store, wanted, proposal_id="p1")
    launch(place, "p1")
    chance = random.Random(17)
    with MailServer(delay_seconds=0.01) as server:

        def begin() -> BaseProcess:
            given = (any_store.url, tmp_path, server.port, LEASE_SECONDS)
            return forks.start(worker_process.main, *given, errors=tmp_path / "errors.txt")

        workers = [begin(), begin()]
        try:
            for turn in range(KILLS):
                few = list(contacts)[turn * 8 : turn * 8 + 8]
                at = clock.now()
                carts = [Incoming(event_id=f"cart-{one}", kind="cart", at=at, contact=one) for one in few]
                receive(any_store, carts, at)
                time.sleep(chance.uniform(0.05, 0.6))
                victim = workers.pop(chance.randrange(2))
                victim.kill()
                victim.join()
                workers.append(begin())
            wait_until(lambda: _all_out(any_store), seconds=240)
        finally:
            for worker in workers:
                worker.kill()
                worker.join()
    with any_store.read() as connection:
        balance = ledger.reconcile(connection)
        rows = connection.execute(select(messages)).all()
        entered = connection.execute(select(enrolments.c.contact_id)).scalars().all()
        assert verify(connection).intact
    assert sorted(entered) == list(contacts)
    assert balance.balances
    assert balance.planned == len(rows) == 2 * len(contacts)
    assert set(server.taken.values()) == {1}
    sent = {row.message_key for row in rows if row.state == "sent"}
    unknown = {row.message_key for row in rows if row.state == "unknown"}
    assert sent <= set(server.taken) <= sent | unknown
    assert {row.state for row in rows} <= {"sent", "unknown", "withheld"}


def _all_out(store: Store) -> bool:
    with store.read() as connection:
        waiting = connection.execute(select(arrivals.c.arrival_id)).first()
        inside = connection.execute(select(enrolments.c.enrolment_id).where(enrolments.c.state == "active")).first()
        return waiting is None and inside is None and ledger.reconcile(connection).open == 0
