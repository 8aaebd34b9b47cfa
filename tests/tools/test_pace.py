"""A channel is used no faster than its settings say; who must wait is given a turn, and nobody is forgotten."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from memory import message_pages
from memory.canonical import address_hash
from memory.clock import ManualClock
from memory.schema import contacts, messages
from memory.store import Store
from memory.workspace import salt
from tests.tools.scene import NOW, add_contacts, counts, outbox, play, reasons, start, workplace
from tools.deliver import deliver
from tools.pace import Pace, WarmUp
from tools.worker import tick
from tools.workplace import Workplace

SECOND = timedelta(seconds=1)


def paced(store: Store, clock: ManualClock, tmp_path: Path, **limits: Any) -> Workplace:
    return workplace(store, clock, tmp_path, paces={"email": Pace(**limits)})


def move(store: Store, ids: range, domain: str) -> None:
    """Give contacts an address elsewhere."""
    with store.write() as connection:
        secret = salt(connection)
        for one in ids:
            found = f"contact{one}@{domain}"
            connection.execute(
                update(contacts)
                .where(contacts.c.contact_id == one)
                .values(email=found, email_hash=address_hash(secret, found))
            )


def test_what_is_over_the_limit_stays_planned_with_the_reason_and_a_turn_of_its_own(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(any_store, range(1, 41))
    place = paced(any_store, clock, tmp_path, per_second=2)
    launched = start(place, play(), range(1, 41))
    tick(place)
    # Two a second, on average over ten seconds.
    assert counts(any_store) == {"sent": 20, "planned": 20}
    assert reasons(any_store)["planned"] == {"pace": 20}
    with any_store.read() as connection:
        waiting = [one for one in message_pages.of_campaign(connection, launched.campaign_id) if one.state == "planned"]
    turns = sorted(one.due_at for one in waiting)
    assert [turn - NOW for turn in turns] == [number * SECOND / 2 for number in range(1, 21)]
    assert all(one.findings[0]["rule"] == "pace" for one in waiting)
    tick(place)
    assert counts(any_store) == {"sent": 20, "planned": 20}


@pytest.mark.parametrize("pause_seconds", [1, 5])
def test_over_any_stretch_of_time_no_more_leaves_than_the_rate_allows_and_all_of_it_does(
    store: Store, clock: ManualClock, tmp_path: Path, pause_seconds: int
) -> None:
    add_contacts(store, range(1, 101))
    place = paced(store, clock, tmp_path, per_second=2)
    start(place, play(), range(1, 101))
    for second in range(0, 200, pause_seconds):
        tick(place)
        assert counts(store)["sent"] <= 2 * (second + 10)
        if counts(store)["sent"] == 100:
            break
        clock.advance(pause_seconds * SECOND)
    # Forty seconds for what the first ten did not cover.
    assert counts(store) == {"sent": 100}
    assert clock.now() - NOW <= 45 * SECOND


def test_who_comes_later_waits_behind_those_who_wait_already(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(store, range(1, 61))
    place = paced(store, clock, tmp_path, per_second=1)
    first = start(place, play(), range(1, 31), proposal_id="p1")
    tick(place)
    clock.advance(SECOND)
    second = start(place, play(), range(31, 61), proposal_id="p2")
    for _ in range(20):
        tick(place)
        clock.advance(SECOND)
    tick(place)
    with store.read() as connection:
        states = {
            name: Counter(one.state for one in message_pages.of_campaign(connection, launched.campaign_id))
            for name, launched in (("first", first), ("second", second))
        }
    assert states["first"] == {"sent": 30}
    assert states["second"]["planned"] >= 29


def test_each_receiving_domain_has_its_own_limit(any_store: Store, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(any_store, range(1, 61))
    move(any_store, range(1, 21), "gmail.example")
    move(any_store, range(21, 41), "Other.example")
    place = paced(any_store, clock, tmp_path, domains={"gmail.example": 0.5, "*": 1, "shop.example.com": 100})
    start(place, play(), range(1, 61))
    tick(place)
    with any_store.read() as connection:
        rows = connection.execute(
            select(contacts.c.email)
            .join(messages, messages.c.contact_id == contacts.c.contact_id)
            .where(messages.c.state == "sent")
        ).scalars()
        assert Counter(one.partition("@")[2].lower() for one in rows) == {
            "gmail.example": 5, "other.example": 10, "shop.example.com": 20,
        }  # fmt: skip


def test_a_new_sender_sends_more_each_day_until_it_is_known(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(store, range(1, 101))
    warm_up = WarmUp(starts_on=NOW.date(), first_day=10, factor=2, full=80)
    place = paced(store, clock, tmp_path, warm_up=warm_up)
    start(place, play(), range(1, 101))
    sent: dict[date, int] = {}
    while len(sent) < 4 or clock.now().date() in sent:
        tick(place)
        sent[clock.now().date()] = counts(store)["sent"]
        clock.advance(timedelta(hours=3))
    assert list(sent.values()) == [10, 30, 70, 100]


@pytest.mark.parametrize(
    ("day", "limit"),
    [
        (date(2025, 1, 1), 200),
        (date(2025, 3, 1), 200),
        (date(2025, 3, 2), 300),
        (date(2025, 3, 3), 450),
        (date(2025, 3, 6), 1518),
        (date(2025, 3, 7), None),
        (date(2099, 1, 1), None),
    ],
)
def test_a_warm_up_grows_by_its_factor_and_ends(day: date, limit: int | None) -> None:
    ramp = WarmUp(starts_on=date(2025, 3, 1), first_day=200, factor=1.5, full=2000)
    assert ramp.limit_on(day) == limit


def test_two_workers_keep_one_pace(any_store: Store, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(any_store, range(1, 61))
    place = paced(any_store, clock, tmp_path, per_second=2)
    start(place, play(), range(1, 61))
    workers = [threading.Thread(target=deliver, args=(place,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert counts(any_store) == {"sent": 20, "planned": 40}
    assert len(outbox(tmp_path)) == 20


def test_a_message_whose_deadline_comes_before_its_turn_ends_with_what_held_it(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(store, range(1, 31))
    place = paced(store, clock, tmp_path, per_second=0.00001)
    start(place, play(), range(1, 31))
    for _ in range(9):
        tick(place)
        clock.advance(timedelta(days=1))
    tick(place)
    found = counts(store)
    assert found["sent"] >= 1
    assert sum(found.values()) == 30
    assert set(found) == {"sent", "suppressed"}
    with store.read() as connection:
        ended = connection.execute(select(messages.c.findings).where(messages.c.state == "suppressed")).scalars()
        assert all({"pace", "deadline"} <= {finding["rule"] for finding in findings} for findings in ended)


def test_what_the_rules_turn_away_takes_no_turn(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(store, range(1, 41))
    place = paced(store, clock, tmp_path, per_second=2)
    start(place, play(), range(1, 41))
    with store.write() as connection:
        connection.execute(update(contacts).where(contacts.c.contact_id <= 20).values(email=None))
    tick(place)
    assert counts(store) == {"sent": 20, "suppressed": 20}


def test_without_a_limit_everything_leaves_at_once(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(store, range(1, 41))
    place = paced(store, clock, tmp_path)
    start(place, play(), range(1, 41))
    tick(place)
    assert counts(store) == {"sent": 40}
