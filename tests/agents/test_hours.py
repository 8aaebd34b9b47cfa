"""What the own hour brings is told from the hours that were drawn at random, and only where they show it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agents.desk import Desk
from agents.drawn_times import ONCE, Times, value_times
from agents.learning.counts import MeasurementError
from memory import enrolments, time_draws
from memory.assignment import draw_time
from memory.clock import ManualClock
from memory.play import Goal, Limits
from memory.store import Store
from memory.time_draws import TimeDraw
from memory.trigger import OnceTrigger, SegmentTrigger, Trigger
from tests import examples
from tests.agents.trial import START, buy, desk_of, launch

DAY = timedelta(days=1)
TREATED, HOLDOUT = range(1, 1_201), range(1_201, 1_301)
OWN, WINDOW, EXPLORED = 12, range(9, 19), 0.4


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    return desk_of(store, tmp_path, clock)


def drawn(contact: int) -> tuple[int, float]:
    return draw_time("salt", "hour", "c", contact, 1, "hour", OWN, WINDOW, EXPLORED)


def run(desk: Desk, clock: ManualClock, *, at_own: int, at_another: int) -> str:
    """Everybody's own hour is noon; every so manieth of those who came then, or at another hour, bought."""
    play = examples.play(goal=Goal(window_days=5), holdout_share=1 / 13)
    campaign_id = launch(desk.store, treated=TREATED, holdout=HOLDOUT, play=play)
    with desk.store.write() as connection:
        rows = [
            TimeDraw(
                enrolment_id=one.enrolment_id, step_key="hour", kind="hour", drawn=drawn(one.contact_id)[0], own=OWN,
                probability=drawn(one.contact_id)[1], possible=tuple(WINDOW), drawn_at=START,
            )
            for one in enrolments.of_campaign(connection, campaign_id)
        ]  # fmt: skip
        time_draws.keep(connection, rows)
    own = [one for one in TREATED if drawn(one)[0] == OWN]
    buy(desk, [*own[::at_own], *[one for one in TREATED if one not in own][::at_another], *HOLDOUT[:5]], START + DAY)
    clock.advance(6 * DAY)
    return campaign_id


def found(desk: Desk, clock: ManualClock, **every: int) -> Times:
    return value_times(desk, run(desk, clock, **every), "hour")


def test_an_own_hour_that_brings_more_is_told_with_its_interval(desk: Desk, clock: ManualClock) -> None:
    told = found(desk, clock, at_own=2, at_another=10)
    assert told.contacts == len(TREATED)
    assert told.explored == sum(drawn(one)[0] != OWN for one in TREATED)
    # Half of those at their own hour and a tenth of the others; an even draw takes the own one in one of ten cases.
    assert told.gain.mean == pytest.approx(0.9 * (0.5 - 0.1), abs=0.04)
    assert told.gain.low > 0
    assert told.sentence.startswith("The own hour brings")
    [noon] = [one for one in told.times if one.time == OWN]
    assert noon.value.mean == pytest.approx(0.5, abs=0.02)
    assert [one.time for one in told.times] == list(WINDOW)


def test_where_all_hours_are_alike_nothing_is_claimed_and_what_is_missing_is_said(
    desk: Desk, clock: ManualClock
) -> None:
    told = found(desk, clock, at_own=5, at_another=5)
    assert told.gain.low < 0 < told.gain.high
    assert told.sentence.startswith("Not shown that the own hour matters")


def test_few_who_came_at_another_hour_and_reached_the_goal_prove_nothing(desk: Desk, clock: ManualClock) -> None:
    assert "at least 20" in found(desk, clock, at_own=2, at_another=40).sentence


@pytest.mark.parametrize(("trigger", "advice"), [(OnceTrigger(), ONCE), (SegmentTrigger(), "propose it again")])
def test_what_to_do_about_it_is_told_only_where_it_can_be_done(desk: Desk, trigger: Trigger, advice: str) -> None:
    play = examples.play(trigger=trigger, limits=Limits(contacts_per_day=9))
    campaign_id = launch(desk.store, treated=[9_001], holdout=[9_002], play=play)
    with pytest.raises(MeasurementError, match=advice):
        value_times(desk, campaign_id, "hour")


def test_without_drawn_hours_or_before_a_window_is_over_there_is_nothing_to_tell(
    desk: Desk, clock: ManualClock
) -> None:
    with pytest.raises(MeasurementError, match="drawn at random"):
        value_times(
            desk, launch(desk.store, treated=[9_001], holdout=[9_002], play=examples.play(), proposal_id="p0"), "hour"
        )
    early = ManualClock(START + DAY)
    campaign_id = run(desk, clock, at_own=2, at_another=2)
    with pytest.raises(MeasurementError, match="is over"):
        value_times(replace(desk, clock=early), campaign_id, "hour")
