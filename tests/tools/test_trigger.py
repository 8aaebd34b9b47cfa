"""Campaigns that run by themselves: who is let in, when, how often, and who is not."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from memory import enrolments
from memory.canonical import digest
from memory.clock import ManualClock
from memory.enrolments import Enrolment
from memory.errors import ConflictError, NotFoundError
from memory.play import Limits, Play
from memory.schema import arrivals, campaign_versions
from memory.steps import ExitStep, WaitStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from memory.trigger import ApiTrigger, DateTrigger, EventTrigger, Reentry, SegmentTrigger
from memory.workspace import turn_switch
from tests.tools.scene import DAY, NOW, add_contacts, address, approve, counts, play, step, workplace
from tools import trigger
from tools.call import call_in
from tools.failure import Failures
from tools.intake import Incoming, receive
from tools.launch import launch
from tools.trigger import let_in
from tools.worker import tick
from tools.workplace import Workplace

MINUTE = timedelta(minutes=1)
EVERYBODY = {"type": "all", "of": []}
CAMPAIGN = "campaign"


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    return workplace(any_store, clock, tmp_path)


def cart_play(**changes: Any) -> Play:
    """A reminder twenty minutes after a cart was left, and another a day later."""
    steps = (
        WaitStep(key="twenty_minutes", minutes=20),
        step("reminder"),
        WaitStep(key="a_day", days=1),
        step("second"),
        ExitStep(key="end"),
    )
    values: dict[str, Any] = {
        "trigger": EventTrigger(event="cart", runs_days=30),
        "audience": EVERYBODY,
        "audience_sentence": "everybody",
        "sequences": (PlaySequence(key="one", title="One", steps=steps, share=1),),
        "limits": Limits(contacts_per_day=100),
        "size_band": (0, 3000),
        **changes,
    }
    return play(**values)


def run(place: Workplace, wanted: Play, *, proposal_id: str = "p1") -> str:
    """Approve and launch; returns the campaign's id."""
    approve(place.store, wanted, proposal_id=proposal_id, at=place.clock.now())
    done = launch(place, proposal_id)
    assert done.status == "launched", done.sentence
    return done.campaign_id


def left_cart(place: Workplace, contact: int = 1, number: int = 1, **properties: Any) -> None:
    at = place.clock.now()
    receive(place.store, [Incoming(event_id=f"cart-{contact}-{number}", kind="cart", at=at, contact=contact,
                                   properties=properties)], at)  # fmt: skip


def bought(place: Workplace, contact: int = 1) -> None:
    at = place.clock.now()
    said = {"order_id": f"o{contact}", "total_cents": 900, "currency": "EUR"}
    receive(place.store, [Incoming(event_id=f"order-{contact}", kind="order", at=at, contact=contact,
                                   properties=said)], at)  # fmt: skip


def inside(place: Workplace, campaign_id: str) -> list[Enrolment]:
    with place.store.read() as connection:
        return enrolments.of_campaign(connection, campaign_id)


def test_a_cart_is_reminded_of_after_twenty_minutes_and_not_before(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1, 2])
    run(place, cart_play())
    left_cart(place)
    tick(place)
    clock.advance(19 * MINUTE)
    tick(place)
    assert counts(place.store) == {}
    clock.advance(MINUTE)
    tick(place)
    assert counts(place.store) == {"sent": 1}


def test_who_buys_gets_no_more_of_it(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    campaign_id = run(place, cart_play())
    left_cart(place)
    tick(place)
    clock.advance(20 * MINUTE)
    tick(place)
    bought(place)
    clock.advance(2 * DAY)
    tick(place)
    [one] = inside(place, campaign_id)
    assert (one.state, one.exit_reason) == ("exited", "goal")
    assert counts(place.store) == {"sent": 1}


def test_who_bought_before_a_worker_looked_is_not_reminded(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    campaign_id = run(place, cart_play())
    left_cart(place)
    clock.advance(5 * MINUTE)
    bought(place)
    clock.advance(20 * MINUTE)
    tick(place)
    assert inside(place, campaign_id) == []


def test_an_event_before_the_launch_opens_no_door(place: Workplace) -> None:
    add_contacts(place.store, [1])
    left_cart(place)
    campaign_id = run(place, cart_play())
    tick(place)
    assert inside(place, campaign_id) == []


def test_only_events_with_the_right_properties_count(place: Workplace) -> None:
    add_contacts(place.store, [1, 2])
    trigger = EventTrigger.model_validate(
        {"event": "cart", "where": [{"property": "value_cents", "at_least": 5000}], "runs_days": 30}
    )
    campaign_id = run(place, cart_play(trigger=trigger))
    left_cart(place, 1, value_cents=4999)
    left_cart(place, 2, value_cents=5000)
    tick(place)
    assert [one.contact_id for one in inside(place, campaign_id)] == [2]


def test_machines_open_no_door(place: Workplace) -> None:
    add_contacts(place.store, [1])
    campaign_id = run(place, cart_play())
    at = place.clock.now()
    receive(place.store, [Incoming(event_id="bot", kind="cart", at=at, contact=1, human=False)], at)
    tick(place)
    assert inside(place, campaign_id) == []


def test_without_consent_nobody_is_let_in(place: Workplace) -> None:
    add_contacts(place.store, [1], consent="")
    campaign_id = run(place, cart_play())
    left_cart(place)
    tick(place)
    assert inside(place, campaign_id) == []


def test_the_same_event_lets_nobody_in_twice_and_nobody_is_in_twice_at_a_time(
    place: Workplace, clock: ManualClock
) -> None:
    add_contacts(place.store, [1])
    campaign_id = run(place, cart_play(reentry=Reentry(allowed="after_exit")))
    for number in (1, 1, 2):
        left_cart(place, number=number)
        tick(place)
    assert len(inside(place, campaign_id)) == 1


@pytest.mark.parametrize(
    ("rule", "entries"),
    [
        (Reentry(), 1),
        (Reentry(allowed="after_exit"), 2),
        (Reentry(allowed="after_days", days=30), 1),
        (Reentry(allowed="after_days", days=2), 2),
    ],
)
def test_coming_in_again_follows_the_rule(place: Workplace, clock: ManualClock, rule: Reentry, entries: int) -> None:
    add_contacts(place.store, [1])
    campaign_id = run(place, cart_play(reentry=rule))
    left_cart(place)
    tick(place)
    clock.advance(MINUTE)
    bought(place)
    clock.advance(3 * DAY)
    left_cart(place, number=2)
    tick(place)
    found = inside(place, campaign_id)
    assert [one.occurrence for one in found] == list(range(1, entries + 1))
    assert len({one.in_holdout for one in found}) == 1


def test_no_more_are_let_in_a_day_than_were_approved(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, range(1, 8))
    campaign_id = run(place, cart_play(limits=Limits(contacts_per_day=3)))
    for contact in range(1, 6):
        left_cart(place, contact)
    tick(place)
    assert len(inside(place, campaign_id)) == 3
    clock.advance(DAY + MINUTE)
    left_cart(place, 6)
    tick(place)
    assert len(inside(place, campaign_id)) == 4


def test_the_door_closes_when_the_campaign_has_run_its_time(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1, 2])
    trigger = EventTrigger(event="cart", runs_days=2)
    campaign_id = run(place, cart_play(trigger=trigger))
    left_cart(place, 1)
    tick(place)
    clock.advance(2 * DAY)
    left_cart(place, 2)
    tick(place)
    assert [one.contact_id for one in inside(place, campaign_id)] == [1]


def test_an_event_that_nobody_acted_on_for_a_day_is_let_go(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    campaign_id = run(place, cart_play())
    left_cart(place)
    clock.advance(DAY + MINUTE)
    tick(place)
    assert inside(place, campaign_id) == []
    with place.store.read() as connection:
        assert connection.execute(arrivals.select()).all() == []


def test_the_holdout_of_a_trigger_gets_nothing(place: Workplace, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(place.store, range(1, 41))
    campaign_id = run(place, cart_play(holdout_share=0.5))
    for contact in range(1, 41):
        left_cart(place, contact)
    tick(place)
    clock.advance(20 * MINUTE)
    tick(place)
    held_out = {one.contact_id for one in inside(place, campaign_id) if one.in_holdout}
    assert 5 < len(held_out) < 35
    assert counts(place.store) == {"withheld": len(held_out), "sent": 40 - len(held_out)}


def test_a_changed_campaign_lets_nobody_in(place: Workplace) -> None:
    add_contacts(place.store, [1])
    campaign_id = run(place, cart_play())
    with place.store.write() as connection:
        body = {**cart_play().model_dump(mode="json"), "holdout_share": 0.3}
        connection.execute(update(campaign_versions).values(body=body, digest=digest({})))
    left_cart(place)
    tick(place)
    assert inside(place, campaign_id) == []


def test_whoever_comes_into_the_segment_is_let_in_within_a_day(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    reachable = {"type": "compare", "field": "has_email", "operator": "==", "value": True}
    campaign_id = run(place, cart_play(trigger=SegmentTrigger(runs_days=30), audience=reachable))
    tick(place)
    assert [one.contact_id for one in inside(place, campaign_id)] == [1]
    add_contacts(place.store, [2])
    tick(place)
    assert len(inside(place, campaign_id)) == 1
    clock.advance(DAY)
    tick(place)
    assert [one.contact_id for one in inside(place, campaign_id)] == [1, 2]


@pytest.mark.parametrize(
    ("birthday", "offset_days", "enters"),
    [
        (f"1990-{NOW:%m-%d}", 0, True),
        (f"1990-{NOW + 5 * DAY:%m-%d}", -5, True),
        (f"1990-{NOW - DAY:%m-%d}", 0, True),
        (f"1990-{NOW + DAY:%m-%d}", 0, False),
        (f"1990-{NOW - 4 * DAY:%m-%d}", 0, False),
        ("no date", 0, False),
    ],
)
def test_a_birthday_lets_in_on_its_day_every_year(
    place: Workplace, birthday: str, offset_days: int, enters: bool
) -> None:
    add_contacts(place.store, [1], attributes={"birthday": birthday})
    trigger = DateTrigger(attribute="birthday", yearly=True, offset_days=offset_days, runs_days=30)
    everyone = {"type": "compare", "field": "has_email", "operator": "==", "value": True}
    campaign_id = run(place, cart_play(trigger=trigger, audience=everyone))
    tick(place)
    assert len(inside(place, campaign_id)) == enters


def test_a_renewal_counts_in_its_own_year_only(place: Workplace) -> None:
    add_contacts(place.store, [1], attributes={"renewal": f"{NOW:%Y-%m-%d}"})
    add_contacts(place.store, [2], attributes={"renewal": f"{NOW - 365 * DAY:%Y-%m-%d}"})
    everyone = {"type": "compare", "field": "has_email", "operator": "==", "value": True}
    trigger = DateTrigger(attribute="renewal", runs_days=30)
    campaign_id = run(place, cart_play(trigger=trigger, audience=everyone))
    tick(place)
    assert [one.contact_id for one in inside(place, campaign_id)] == [1]


def test_while_all_sending_is_stopped_people_come_in_and_nothing_leaves(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    campaign_id = run(place, cart_play())
    with place.store.write() as connection:
        turn_switch(connection, stopped=True, actor="cli:marie", at=NOW, reason="test")
    left_cart(place)
    tick(place)
    clock.advance(20 * MINUTE)
    tick(place)
    assert len(inside(place, campaign_id)) == 1
    assert counts(place.store) == {"planned": 1}


def test_another_system_calls_contacts_in_once_per_request(place: Workplace) -> None:
    add_contacts(place.store, [1, 2])
    campaign_id = run(place, cart_play(trigger=ApiTrigger(runs_days=30)))
    with place.store.write() as connection:
        first = call_in(connection, campaign_id, ["1", address(2)], "order-desk-17", NOW)
        again = call_in(connection, campaign_id, ["1", address(2)], "order-desk-17", NOW)
    assert (first.announced, again.announced, again.repeated) == (2, 0, 2)
    tick(place)
    assert [one.contact_id for one in inside(place, campaign_id)] == [1, 2]


def test_a_call_for_a_stranger_or_another_kind_of_campaign_does_nothing(place: Workplace) -> None:
    add_contacts(place.store, [1])
    called = run(place, cart_play(trigger=ApiTrigger(runs_days=30)))
    other = run(place, cart_play(), proposal_id="p2")
    with pytest.raises(NotFoundError), place.store.write() as connection:
        call_in(connection, called, ["1", "nobody@shop.example.com"], "r1", NOW)
    with pytest.raises(ConflictError), place.store.write() as connection:
        call_in(connection, other, ["1"], "r2", NOW)
    tick(place)
    assert inside(place, called) == inside(place, other) == []


def test_four_workers_at_one_door_let_in_no_more_than_one_would(
    any_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each worker has others before it, and two of them would count the room at the same moment if they could.
    monkeypatch.setattr(trigger, "_CHUNK", 8)
    counted, both = trigger._room, threading.Barrier(2)

    def room(*told: Any) -> int:
        found = counted(*told)
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=2)
        return found

    monkeypatch.setattr(trigger, "_room", room)
    place = workplace(any_store, ManualClock(NOW), tmp_path)
    add_contacts(any_store, range(1, 61))
    campaign_id = run(place, cart_play(limits=Limits(contacts_per_day=10)))
    for contact in range(1, 61):
        left_cart(place, contact)
    workers = [threading.Thread(target=let_in, args=(place,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(inside(place, campaign_id)) == 10
    with any_store.read() as connection:
        assert connection.execute(arrivals.select()).all() == []


def test_who_comes_first_is_let_in_first(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, range(1, 6))
    campaign_id = run(place, cart_play(limits=Limits(contacts_per_day=2)))
    for contact in (5, 4, 3, 2, 1):
        left_cart(place, contact)
        clock.advance(MINUTE)
    tick(place)
    assert {one.contact_id for one in inside(place, campaign_id)} == {4, 5}


def test_a_door_that_cannot_be_answered_keeps_nobody_from_another(place: Workplace) -> None:
    add_contacts(place.store, [1])
    names = ("p1", "p2")
    running = [run(place, cart_play(), proposal_id=name) for name in names]
    left_cart(place)
    broken = min(running)
    with place.store.write() as connection:
        touched = {"trigger": {"kind": "event", "event": "cart"}, "goal": {"window_days": 3}, "exits": []}
        connection.execute(
            update(campaign_versions)
            .where(campaign_versions.c.campaign_id == broken)
            .values(body=touched, digest=digest(touched))
        )
    failures = Failures()
    tick(place, failures)
    assert [failure.part for failure in failures.found][:1] == [f"door of {broken}"]
    assert [one.contact_id for one in inside(place, max(running))] == [1]


def test_a_door_that_never_falls_quiet_keeps_nobody_waiting_for_their_message(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_contacts(place.store, range(1, 8))
    campaign_id = run(place, cart_play())
    coming = iter(range(2, 8))
    admit = trigger._admit

    def admit_while_others_come(*given: Any, **named: Any) -> int:
        left_cart(place, next(coming))
        return admit(*given, **named)

    monkeypatch.setattr(trigger, "_admit", admit_while_others_come)
    left_cart(place, 1)
    tick(place)
    assert {one.contact_id for one in inside(place, campaign_id)} == {1}
    tick(place)
    assert {one.contact_id for one in inside(place, campaign_id)} == {1, 2}
