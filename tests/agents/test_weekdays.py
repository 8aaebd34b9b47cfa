"""What the own weekday brings is told from the weekdays that were drawn at random, and only where they show it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agents.desk import Desk
from agents.drawn_times import Times, value_times
from agents.learning.counts import MeasurementError
from memory import enrolments, time_draws
from memory.assignment import draw_time
from memory.clock import ManualClock
from memory.play import Goal
from memory.store import Store
from memory.time_draws import TimeDraw
from tests import examples
from tests.agents.trial import START, buy, desk_of, launch

DAY = timedelta(days=1)
TREATED, HOLDOUT = range(1, 1_201), range(1_201, 1_301)
APPROVED, EXPLORED = (0, 1, 2, 4), 0.5


def own(contact: int) -> int:
    return APPROVED[contact % 4]


def drawn(contact: int) -> tuple[int, float]:
    return draw_time("salt", "weekday", "c", contact, 1, "day", own(contact), APPROVED, EXPLORED)


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    return desk_of(store, tmp_path, clock)


def found(desk: Desk, clock: ManualClock, *, at_own: int, at_another: int) -> Times:
    """Every so manieth of those who were written to on their own weekday, or on another one, bought."""
    play = examples.play(goal=Goal(window_days=14), holdout_share=1 / 13)
    campaign_id = launch(desk.store, treated=TREATED, holdout=HOLDOUT, play=play)
    with desk.store.write() as connection:
        rows = [
            TimeDraw(
                enrolment_id=one.enrolment_id, step_key="day", kind="weekday", drawn=drawn(one.contact_id)[0],
                own=own(one.contact_id), probability=drawn(one.contact_id)[1], possible=APPROVED, drawn_at=START,
            )
            for one in enrolments.of_campaign(connection, campaign_id)
        ]  # fmt: skip
        time_draws.keep(connection, rows)
    there = [one for one in TREATED if drawn(one)[0] == own(one)]
    elsewhere = sorted(set(TREATED) - set(there))
    buy(desk, [*there[::at_own], *elsewhere[::at_another], *HOLDOUT[:5]], START + DAY)
    clock.advance(15 * DAY)
    return value_times(desk, campaign_id, "weekday")


def test_an_own_weekday_that_brings_more_is_told_with_its_interval(desk: Desk, clock: ManualClock) -> None:
    told = found(desk, clock, at_own=2, at_another=10)
    assert told.contacts == len(TREATED)
    assert told.explored == sum(drawn(one)[0] != own(one) for one in TREATED)
    # Half of those on their own weekday and a tenth of the others; an even draw takes the own one in one of four.
    assert told.gain.mean == pytest.approx(0.75 * (0.5 - 0.1), abs=0.04)
    assert told.gain.low > 0
    assert told.sentence.startswith("The own weekday brings")
    assert [one.time for one in told.times] == list(APPROVED)


def test_where_all_weekdays_are_alike_nothing_is_claimed(desk: Desk, clock: ManualClock) -> None:
    told = found(desk, clock, at_own=5, at_another=5)
    assert told.gain.low < 0 < told.gain.high
    assert told.sentence.startswith("Not shown that the own weekday matters")


def test_without_drawn_weekdays_there_is_nothing_to_tell(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[9_001], holdout=[9_002], play=examples.play())
    with pytest.raises(MeasurementError, match="No weekdays were drawn"):
        value_times(desk, campaign_id, "weekday")
