"""For whom a campaign works is told only as far as its own contacts surely show it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agents.desk import Desk
from agents.learning.counts import MeasurementError
from agents.target import target
from memory.clock import ManualClock
from memory.play import Goal, Limits, Play
from memory.snapshot import refresh
from memory.steps import Sequence
from memory.store import Store
from memory.trigger import SegmentTrigger
from tests import examples
from tests.agents.trial import START, buy, desk_of, launch

DAY = timedelta(days=1)
TREATED, HOLDOUT = range(1, 801), range(801, 1201)
FREQUENT = [*range(1, 401), *range(801, 1001)]
"""Who had bought often before."""


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    return desk_of(store, tmp_path, clock)


def play(holdout_share: float = 1 / 3) -> Play:
    steps = examples.play().sequences[0].steps
    return examples.play(
        goal=Goal(window_days=5),
        holdout_share=holdout_share,
        sequences=tuple(Sequence(key=key, title=key, steps=steps, share=0.5) for key in ("one", "two")),
    )


def run(desk: Desk, clock: ManualClock, bought: list[int]) -> str:
    """Contacts with an odd id drew "two"; six days later their windows are over."""
    campaign_id = launch(desk.store, treated=TREATED, holdout=HOLDOUT, play=play())
    refresh(desk.store, desk.lake)
    for number in range(3):
        buy(desk, FREQUENT, START - (20 + number) * DAY, name=f"before{number}")
    buy(desk, bought, START + DAY)
    clock.advance(6 * DAY)
    return campaign_id


def buyers(**one_in: int) -> list[int]:
    """Every so manieth of those who bought often or seldom before and drew "one" or "two", and a twentieth held out."""
    found = list(HOLDOUT)[::20]
    for name, step in one_in.items():
        often, odd = name.startswith("often"), name.endswith("two")
        found += [one for one in TREATED if (one <= 400) == often and one % 2 == odd][::step]
    return found


def test_a_rule_on_a_feature_is_told_where_the_sequences_part_there(desk: Desk, clock: ManualClock) -> None:
    found = target(desk, run(desk, clock, buyers(often_two=2, often_one=20, seldom_two=20, seldom_one=2)))
    assert found.reached == "simple_rule"
    assert found.contacts == 1200
    assert found.rule.endswith((": two; else one.", ": one; else two."))
    assert found.rungs[0].value.low < 0.05 < found.rungs[0].value.high


def test_where_all_react_alike_one_sequence_is_for_everybody(desk: Desk, clock: ManualClock) -> None:
    found = target(desk, run(desk, clock, buyers(often_two=3, often_one=8, seldom_two=3, seldom_one=8)))
    assert (found.reached, found.rule) == ("best_arm", "two to everybody.")
    assert found.rungs[0].snips.mean == pytest.approx(0.05)


def test_where_nothing_works_it_says_so(desk: Desk, clock: ManualClock) -> None:
    found = target(desk, run(desk, clock, buyers(often_two=20, often_one=20, seldom_two=20, seldom_one=20)))
    assert (found.reached, found.rule) == ("nobody", "Nothing surely does better than silence.")


def test_whom_it_harms_is_told_apart_from_whom_it_helps(desk: Desk, clock: ManualClock) -> None:
    # A fifth of those held out buys anyway: half of the frequent buyers who are written to, none of the others.
    found = target(desk, run(desk, clock, [*HOLDOUT[::5], *[one for one in TREATED if one <= 400][::2]]))
    assert found.stop is not None
    assert found.stop.operator == ">"
    assert found.stop.share == pytest.approx(0.5)
    assert found.stop.field in {"orders_365d", "spend_365d_cents"}
    assert found.stop.lower_bound > 0


def test_where_all_are_helped_or_nobody_is_there_is_nobody_to_leave_out(desk: Desk, clock: ManualClock) -> None:
    found = target(desk, run(desk, clock, buyers(often_two=3, often_one=3, seldom_two=3, seldom_one=3)))
    assert (found.reached, found.stop) == ("best_arm", None)


def test_a_campaign_that_lets_contacts_in_is_told_to_wait_and_its_few_are_not_final(
    desk: Desk, clock: ManualClock
) -> None:
    lasting = play().model_copy(update={"trigger": SegmentTrigger(runs_days=30), "limits": Limits(contacts_per_day=9)})
    few = launch(desk.store, treated=range(1, 100), holdout=range(100, 150), play=lasting)
    clock.advance(6 * DAY)
    with pytest.raises(MeasurementError, match="Wait until more are through"):
        target(desk, few)


def test_nothing_is_said_of_a_few_or_without_a_holdout(desk: Desk, clock: ManualClock) -> None:
    few = launch(desk.store, treated=range(1, 100), holdout=range(100, 150), play=play())
    clock.advance(6 * DAY)
    with pytest.raises(MeasurementError, match=r"149 contacts is over; 200.*nobody else comes in"):
        target(desk, few)
    silent = launch(desk.store, treated=range(200, 210), holdout=[], play=play(0.0), proposal_id="p2")
    with pytest.raises(MeasurementError, match="leaves nobody alone"):
        target(desk, silent)
