"""A series is read by what each of its letters adds until the next one, on average, not by who ever did anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.desk import Desk
from agents.learning.counts import Counts
from agents.learning.intervals import pooled_z
from agents.learning.readout import HOLDOUT
from agents.letter_counts import Average, averages, on_average, windows_of
from agents.measure import read_campaign
from agents.outcomes import SERIES
from memory import campaigns
from memory.clock import ManualClock
from memory.play import Goal
from memory.store import Store
from tests.agents.test_cadence import DAY, OUT, send
from tests.agents.test_cadence import WRITTEN as TREATED
from tests.agents.trial import START, buy, desk_of
from tools.intake import Incoming, receive


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    return desk_of(store, tmp_path, clock)


Answers = NDArray[np.float64]


def side(answers: Answers) -> Answers:
    """How often each contact (row) was seen, and reached the goal, by letter; nan is not in the series yet."""
    return np.column_stack([(~np.isnan(answers)).sum(axis=1), np.nansum(answers, axis=1)])


def found(treated: Answers, holdout: Answers) -> dict[str, Average]:
    return averages({SERIES: side(treated), HOLDOUT: side(holdout)})


def test_contacts_whose_answers_are_independent_are_worth_one_for_each_letter() -> None:
    rng = np.random.default_rng(1)
    answers = (rng.random((1_000, 10)) < 0.2).astype(np.float64)
    told = found(answers[100:], answers[:100])[SERIES]
    assert told.rate == pytest.approx(0.2, abs=0.02)
    assert told.contacts == pytest.approx(9_000, rel=0.1)


def test_contacts_who_always_do_the_same_are_worth_themselves_however_many_letters_there_are() -> None:
    same = np.tile(np.r_[np.ones(90), np.zeros(810)][:, None], (1, 10))
    told = found(same, same[::9])
    assert (told[SERIES].rate, told[SERIES].contacts) == pytest.approx((0.1, 900))
    assert told[HOLDOUT].worth == Counts(contacts=100, conversions=10)


def test_whoever_came_later_counts_for_the_letters_since() -> None:
    treated = np.array([[1.0, 0.0], [np.nan, 1.0], [np.nan, 0.0], [0.0, 0.0]])
    assert found(treated, np.zeros((2, 2)))[SERIES].rate == pytest.approx(2 / 6)


def test_where_nobody_reached_the_goal_each_contact_counts_once() -> None:
    told = found(np.zeros((90, 6)), np.zeros((10, 6)))
    assert (told[SERIES].worth, told[HOLDOUT].contacts) == (Counts(contacts=90, conversions=0), 10)


def test_habits_make_no_false_alarms() -> None:
    """Contacts differ as in a shop (a Gamma of rates); 400 series without an effect cross 5 % bounds about so often."""
    rng, crossed = np.random.default_rng(7), 0
    for _ in range(400):
        rates = np.minimum(rng.gamma(0.8, 0.25, 600), 0.95)
        answers = (rng.random((600, 8)) < rates[:, None]).astype(np.float64)
        told = found(answers[60:], answers[:60])
        crossed += abs(pooled_z(told[SERIES].worth, told[HOLDOUT].worth)) > 1.96
    assert 8 <= crossed <= 34


def test_harm_is_seen_where_everybody_orders_sooner_or_later(desk: Desk) -> None:
    """Three in ten of the holdout order after each letter, not always the same, and two in ten of the others."""
    ids = send(desk, 7, (0.2,) * 6, anyway=0.3)
    desk_clock = desk.clock
    assert isinstance(desk_clock, ManualClock)
    desk_clock.advance_to(START + 70 * DAY)
    read = read_campaign(desk, ids[-1], 4)
    assert read.verdict == "harms"
    assert read.difference.value == pytest.approx(-0.1, abs=0.01)
    assert (read.treated.contacts, read.holdout.contacts) == (len(TREATED), len(OUT))
    assert read.treated.rate == pytest.approx(0.2, abs=0.01)
    assert "20 % of 800 treated contacts" in read.text["en"]
    assert read.text["en"].startswith("The first 6 letters of the series since ")
    assert "each until the next one, on average" in read.text["en"]
    assert "chacune jusqu'à la suivante, en moyenne" in read.text["fr"]


def test_letters_that_do_nothing_stay_inconclusive(desk: Desk) -> None:
    ids = send(desk, 7, (0.3,) * 6, anyway=0.3)
    desk_clock = desk.clock
    assert isinstance(desk_clock, ManualClock)
    desk_clock.advance_to(START + 70 * DAY)
    read = read_campaign(desk, ids[-1], 4)
    assert read.verdict == "inconclusive"
    assert read.difference.low < 0 < read.difference.high


def test_a_letter_counts_until_the_next_one_and_only_once_that_is_over(desk: Desk) -> None:
    ids = send(desk, 7, (0.2,) * 3)
    with desk.store.read() as connection:
        letters = campaigns.letters_of(connection, ids[0])
    goal = Goal(window_days=14)
    over = [len(windows_of(letters, goal, START + days * DAY)) for days in (6, 7, 14, 27, 28)]
    assert over == [0, 1, 2, 2, 3]


@pytest.mark.parametrize("category", ["", "coffee", "tea"])
def test_a_contact_counts_once_for_each_letter_after_which_they_bought_what_is_wanted(
    desk: Desk, category: str
) -> None:
    ids = send(desk, 7, (0.25,) * 3, anyway=0.0)
    with desk.store.read() as connection:
        letters = campaigns.letters_of(connection, ids[0])
    # A second order after the same letter changes nothing.
    buy(desk, TREATED[:10], START + 2 * DAY, name="again")
    goal = Goal(window_days=14, category=category)
    told = on_average(desk, letters, goal, windows_of(letters, goal, START + 28 * DAY))
    assert told[SERIES].rate == (0.0 if category == "tea" else 0.25)
    assert told[HOLDOUT].rate == 0.0


def test_goals_that_are_no_orders_are_counted_letter_by_letter_too(desk: Desk) -> None:
    ids = send(desk, 7, (0.0,) * 2, anyway=0.0)
    visits = [(one, START + day * DAY) for one in TREATED[:80] for day in (1, 2, 8)]
    at = START + 20 * DAY
    receive(
        desk.store,
        [
            Incoming(event_id=f"v{place}", kind="visit", at=when, contact=one)
            for place, (one, when) in enumerate(visits)
        ],
        at,
    )
    with desk.store.read() as connection:
        letters = campaigns.letters_of(connection, ids[0])
    goal = Goal(event="visit", window_days=7)
    told = on_average(desk, letters, goal, windows_of(letters, goal, START + 14 * DAY))
    assert (told[SERIES].rate, told[HOLDOUT].rate) == (0.1, 0.0)
