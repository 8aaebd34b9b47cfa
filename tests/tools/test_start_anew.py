"""Whoever does again what let them in, before the first message has left, is waited for anew."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from memory import enrolments
from memory.clock import ManualClock
from memory.enrolments import Enrolment
from memory.play import Limits, Play
from memory.schema import messages
from memory.steps import ExitStep, WaitStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from memory.trigger import EventTrigger
from tests.tools.scene import DAY, add_contacts, approve, play, step, workplace
from tests.tools.test_trigger import EVERYBODY, MINUTE, left_cart
from tools.intake import Incoming, receive
from tools.launch import launch
from tools.worker import tick
from tools.workplace import Workplace

STEPS = (
    WaitStep(key="twenty_minutes", minutes=20),
    step("reminder"),
    WaitStep(key="a_day", days=1),
    step("second"),
    ExitStep(key="end"),
)


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    add_contacts(any_store, [1])
    return workplace(any_store, clock, tmp_path)


def cart_play(*, restarts: bool, **changes: Any) -> Play:
    trigger = EventTrigger(event="cart", records={"product": "product_id"}, restarts=restarts, runs_days=30)
    values: dict[str, Any] = {
        "trigger": trigger,
        "audience": EVERYBODY,
        "sequences": (PlaySequence(key="one", title="One", steps=STEPS, share=1),),
        "limits": Limits(contacts_per_day=100),
        **changes,
    }
    return play(**values)


def run(place: Workplace, wanted: Play) -> str:
    approve(place.store, wanted, at=place.clock.now())
    return launch(place, "p1").campaign_id


def only(place: Workplace, campaign_id: str) -> Enrolment:
    with place.store.read() as connection:
        [one] = enrolments.of_campaign(connection, campaign_id)
    return one


def sent(place: Workplace) -> list[tuple[str, datetime]]:
    query = select(messages.c.step_key, messages.c.sent_at).where(messages.c.state == "sent")
    with place.store.read() as connection:
        return [(row.step_key, row.sent_at) for row in connection.execute(query.order_by(messages.c.message_id))]


@pytest.mark.parametrize(("restarts", "product"), [(True, "tea"), (False, "coffee")])
def test_a_second_cart_starts_the_minutes_anew_and_is_the_one_that_is_named(
    place: Workplace, clock: ManualClock, restarts: bool, product: str
) -> None:
    campaign_id = run(place, cart_play(restarts=restarts))
    left_cart(place, product_id="coffee")
    tick(place)
    clock.advance(15 * MINUTE)
    left_cart(place, number=2, product_id="tea")
    tick(place)
    clock.advance(5 * MINUTE)
    tick(place)
    assert len(sent(place)) == (0 if restarts else 1)
    clock.advance(15 * MINUTE)
    tick(place)
    assert len(sent(place)) == 1
    assert only(place, campaign_id).bindings == {"product": product}


def test_an_event_without_a_record_moves_the_clock_and_keeps_the_record(place: Workplace, clock: ManualClock) -> None:
    campaign_id = run(place, cart_play(restarts=True))
    left_cart(place, product_id="coffee")
    tick(place)
    clock.advance(15 * MINUTE)
    left_cart(place, number=2)
    clock.advance(10 * MINUTE)
    tick(place)
    assert sent(place) == []
    assert only(place, campaign_id).bindings == {"product": "coffee"}


def test_a_message_that_waits_for_the_morning_waits_for_a_new_cart_too(place: Workplace, clock: ManualClock) -> None:
    campaign_id = run(place, cart_play(restarts=True))
    clock.advance_to(place.clock.now().replace(hour=20, minute=30))
    left_cart(place, product_id="coffee")
    tick(place)
    clock.advance(20 * MINUTE)
    tick(place)
    assert sent(place) == []
    # Eight in Paris, when messages may leave again, is seven here.
    morning = (place.clock.now() + DAY).replace(hour=6, minute=55)
    clock.advance_to(morning)
    left_cart(place, number=2, product_id="tea")
    for _ in range(2):
        clock.advance(10 * MINUTE)
        tick(place)
    [(key, at)] = sent(place)
    assert (key, at) == ("reminder", morning + 20 * MINUTE)
    assert only(place, campaign_id).bindings == {"product": "tea"}


def test_once_the_first_message_has_left_nothing_starts_anew(place: Workplace, clock: ManualClock) -> None:
    campaign_id = run(place, cart_play(restarts=True))
    left_cart(place, product_id="coffee")
    tick(place)
    clock.advance(20 * MINUTE)
    tick(place)
    first = place.clock.now()
    clock.advance(5 * MINUTE)
    left_cart(place, number=2, product_id="tea")
    tick(place)
    clock.advance_to(first + DAY)
    tick(place)
    tick(place)
    assert sent(place) == [("reminder", first), ("second", first + DAY)]
    assert only(place, campaign_id).bindings == {"product": "coffee"}


def test_something_else_starts_nothing_anew(place: Workplace, clock: ManualClock) -> None:
    run(place, cart_play(restarts=True))
    left_cart(place)
    tick(place)
    clock.advance(15 * MINUTE)
    receive(place.store, [Incoming(event_id="v", kind="view", at=clock.now(), contact=1)], clock.now())
    clock.advance(5 * MINUTE)
    tick(place)
    assert len(sent(place)) == 1
