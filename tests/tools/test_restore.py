"""A restored record sends nothing that may have left since the backup."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from memory import campaigns, cap, enrolments, ledger, proposals, sessions, users
from memory.clock import ManualClock
from memory.proposal import ProposalStatus
from memory.store import Store
from memory.workspace import read_switch, turn_switch
from tests.tools.scene import DAY, add_contacts, approve, counts, outbox, play, reasons, start, workplace
from tools.restore import make_safe
from tools.worker import tick
from tools.workplace import Workplace


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    return workplace(any_store, clock, tmp_path)


def _resume(place: Workplace) -> None:
    with place.store.write() as connection:
        turn_switch(connection, stopped=False, actor="cli:marie", reason="checked", at=place.clock.now())


def test_what_left_after_the_backup_is_never_sent_again(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    place = workplace(store, clock, tmp_path)
    add_contacts(store, range(1, 6))
    start(place, play(), range(1, 6))
    store.close()
    shutil.copy(tmp_path / "store.db", tmp_path / "old.db")
    tick(place)
    assert len(outbox(tmp_path)) == 5
    old = Store(f"sqlite:///{tmp_path / 'old.db'}")
    restored = workplace(old, clock, tmp_path)
    shutil.rmtree(tmp_path / "outbox")
    done = make_safe(restored, actor="cli:marie")
    assert (done.unknown, done.campaigns) == (5, 1)
    _resume(restored)
    tick(restored)
    assert outbox(tmp_path) == {}
    assert reasons(old) == {"unknown": {"restored from a backup": 5}}
    with old.read() as connection:
        assert ledger.reconcile(connection).balances
        slots = cap.read(connection, [1])[1]
    assert sum(slot.message_key is not None for slot in slots) == 1
    old.close()


def test_nobody_stays_signed_in(place: Workplace, clock: ManualClock) -> None:
    at = clock.now()
    with place.store.write() as connection:
        users.invite(connection, "marie", "admin", invite_hash="x", until=at + DAY, actor="cli:marie", at=at)
        sessions.open_session(connection, "marie", "token", at=at, until=at + DAY)
    make_safe(place, actor="cli:marie")
    with place.store.read() as connection:
        assert sessions.user_of(connection, "token", at) is None


def test_sending_is_stopped_until_a_person_resumes_it(place: Workplace) -> None:
    make_safe(place, actor="cli:marie")
    with place.store.read() as connection:
        assert read_switch(connection).stopped


def test_a_step_that_came_due_since_the_backup_counts_as_sent(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, [1])
    launched = start(place, play(sends=2, wait_days=3), [1])
    tick(place)
    clock.advance(4 * DAY)
    make_safe(place, actor="cli:marie")
    _resume(place)
    tick(place)
    assert len(outbox(tmp_path)) == 1
    assert counts(place.store) == {"sent": 1, "unknown": 1}
    with place.store.read() as connection:
        assert campaigns.get(connection, launched.campaign_id).status == "finished"


def test_an_approval_from_before_the_backup_launches_nothing(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, [1])
    approve(place.store, play())
    assert make_safe(place, actor="cli:marie").proposals == 1
    _resume(place)
    tick(place)
    assert outbox(tmp_path) == {}
    with place.store.read() as connection:
        assert proposals.get(connection, "p1").status is ProposalStatus.VOIDED


def test_what_was_due_to_the_holdout_could_never_leave_and_takes_no_place(place: Workplace) -> None:
    add_contacts(place.store, range(1, 41))
    launched = start(place, play(holdout_share=0.5), range(1, 41))
    with place.store.read() as connection:
        held = {one.contact_id for one in enrolments.of_campaign(connection, launched.campaign_id) if one.in_holdout}
    assert 0 < len(held) < 40
    assert make_safe(place, actor="cli:marie").unknown == 40 - len(held)
    assert reasons(place.store) == {
        "withheld": {"holdout": len(held)},
        "unknown": {"restored from a backup": 40 - len(held)},
    }
    with place.store.read() as connection:
        slots = cap.read(connection, range(1, 41))
    assert {one for one, taken in slots.items() if any(slot.message_key for slot in taken)} == set(range(1, 41)) - held


def test_making_it_safe_twice_changes_nothing_more(place: Workplace) -> None:
    add_contacts(place.store, [1, 2])
    start(place, play(), [1, 2])
    make_safe(place, actor="cli:marie")
    again = make_safe(place, actor="cli:marie")
    assert (again.unknown, again.campaigns, again.proposals) == (0, 0, 0)
