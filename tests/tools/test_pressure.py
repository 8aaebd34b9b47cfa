"""Messages that compete for a contact's last room: the one that is worth more goes, the other waits or is dropped."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from memory.clock import ManualClock
from memory.play import Limits, Play
from memory.schema import campaigns, messages
from memory.steps import ExitStep, WaitStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from tests.tools.scene import DAY, Chosen, add_contacts, approve, play, step, workplace
from tools.launch import launch
from tools.worker import tick
from tools.workplace import Workplace

HOUR = timedelta(hours=1)


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    return workplace(any_store, clock, tmp_path)


def run(place: Workplace, name: str, worth: float, wanted: Play | None = None) -> str:
    """A campaign for contact 1 that is expected to add so many cents a message."""
    approve(place.store, wanted or play(), proposal_id=name, at=place.clock.now(), rank_score=worth)
    chosen: object = Chosen([1])
    return launch(place, name, features=chosen).campaign_id  # type: ignore[arg-type]  # selects without a lake


def sent(place: Workplace) -> list[str]:
    with place.store.read() as connection:
        query = (
            select(campaigns.c.proposal_id)
            .join(messages, messages.c.campaign_id == campaigns.c.campaign_id)
            .where(messages.c.state == "sent")
            .order_by(messages.c.sent_at, messages.c.message_id)
        )
        return list(connection.execute(query).scalars())


def reason(place: Workplace, name: str) -> tuple[str, str]:
    with place.store.read() as connection:
        query = select(messages.c.state, messages.c.reason).join(
            campaigns, messages.c.campaign_id == campaigns.c.campaign_id
        )
        row = connection.execute(query.where(campaigns.c.proposal_id == name)).one()
        return row.state, row.reason


def fill_but_one(place: Workplace) -> None:
    """Take all room of contact 1 but the last."""
    for number in range(place.pack.cap.messages - 1):
        run(place, f"earlier{number}", 1.0)
        tick(place)


def test_the_last_room_goes_to_the_message_that_is_worth_more(place: Workplace) -> None:
    add_contacts(place.store, [1])
    fill_but_one(place)
    run(place, "cheap", 1.0)
    run(place, "dear", 5.0)
    tick(place)
    assert sent(place)[-1] == "dear"
    assert reason(place, "cheap") == ("planned", "frequency")


def test_a_priority_goes_before_any_value(place: Workplace) -> None:
    add_contacts(place.store, [1])
    fill_but_one(place)
    run(place, "dear", 500.0)
    run(place, "urgent", 0.0, play(limits=Limits(priority=1)))
    tick(place)
    assert sent(place)[-1] == "urgent"


def later(hours: int) -> Play:
    steps = (WaitStep(key="wait", hours=hours), step("mail1"), ExitStep(key="end"))
    return play(sequences=(PlaySequence(key="one", title="One", steps=steps, share=1),))


def test_what_is_due_later_and_planned_already_keeps_its_room(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    fill_but_one(place)
    campaign_id = run(place, "dear", 5.0)
    with place.store.write() as connection:
        connection.execute(
            messages.update().where(messages.c.campaign_id == campaign_id).values(due_at=clock.now() + 3 * HOUR)
        )
    run(place, "cheap", 1.0)
    tick(place)
    assert reason(place, "cheap") == ("planned", "pressure")
    clock.advance(3 * HOUR)
    tick(place)
    assert sent(place)[-1] == "dear"


def test_the_loser_leaves_once_there_is_room_again(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    fill_but_one(place)
    # Late enough in the window that the room of the earlier messages comes back before the deadline.
    clock.advance(2 * DAY)
    run(place, "cheap", 1.0)
    run(place, "dear", 5.0)
    for _ in range(8 * 24):
        tick(place)
        clock.advance(HOUR)
    assert sent(place)[-2:] == ["dear", "cheap"]


def test_the_loser_is_dropped_at_its_deadline_and_says_why(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    fill_but_one(place)
    short = play(schedule=play().schedule.model_copy(update={"deadline_days": 1}))
    run(place, "cheap", 1.0, short)
    run(place, "dear", 5.0)
    for _ in range(3 * 24):
        tick(place)
        clock.advance(HOUR)
    assert reason(place, "cheap") == ("suppressed", "deadline")
