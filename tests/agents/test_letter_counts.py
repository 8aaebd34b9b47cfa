"""A series is read by what each of its letters adds until the next one, on average, not by who ever did anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.desk import Desk
from agents.learning.intervals import pooled_z
from agents.learning.readout import HOLDOUT
from agents.learning.revenue import OrderValues
from agents.letter_counts import SPARED, WRITTEN, LetterCount, counts_of, letter_counts, on_average
from agents.measure import read_campaign
from agents.outcomes import SERIES, ArmOutcome, Member, Outcomes
from memory import campaigns
from memory.campaigns import Campaign
from memory.clock import ManualClock
from memory.play import Goal
from memory.store import Store
from tests.agents.test_cadence import DAY, OUT, send
from tests.agents.test_cadence import WRITTEN as TREATED
from tests.agents.trial import START, desk_of

LETTER = Campaign(
    campaign_id="c", proposal_id="p", playbook="newsletter", name="", status="live", version=1, holdout_share=0.1,
    owner="", starts_at=START, ends_at=START + 7 * DAY, review_at=START, created_at=START,
)  # fmt: skip


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    return desk_of(store, tmp_path, clock)


def counted(treated: np.ndarray, holdout: np.ndarray) -> list[LetterCount]:
    """Letters (columns) after which contacts (rows) reached the goal; nan is not in the series yet."""
    found = []
    for column in range(treated.shape[1]):
        sides = ((WRITTEN, 0, treated[:, column]), (HOLDOUT, len(treated), holdout[:, column]))
        members = [
            Member(first + row, arm, START, START + DAY)
            for arm, first, answers in sides
            for row in np.flatnonzero(~np.isnan(answers)).tolist()
        ]
        reached = {first + row: START for _, first, answers in sides for row in np.flatnonzero(answers == 1).tolist()}
        sizes = {arm: int((~np.isnan(answers)).sum()) for arm, _, answers in sides}
        arms = tuple(ArmOutcome(arm, sizes.get(arm, 0), 0, 0, 0) for arm in (HOLDOUT, WRITTEN, SPARED))
        values = OrderValues(holdout=(), treated=())
        found.append(LetterCount(LETTER, Outcomes(arms, values, 0, 0, tuple(members), reached)))
    return found


def test_contacts_whose_answers_are_independent_are_worth_one_for_each_letter() -> None:
    rng = np.random.default_rng(1)
    found = on_average(counted((rng.random((900, 10)) < 0.2) * 1.0, (rng.random((100, 10)) < 0.2) * 1.0))
    rate, worth = found[SERIES]
    assert rate == pytest.approx(0.2, abs=0.02)
    assert worth == pytest.approx(9_000, rel=0.1)


def test_contacts_who_always_do_the_same_are_worth_themselves_however_many_letters_there_are() -> None:
    same = np.tile(np.r_[np.ones(90), np.zeros(810)][:, None], (1, 10))
    found = on_average(counted(same, same[::9]))
    assert found[SERIES] == pytest.approx((0.1, 900))
    assert found[HOLDOUT] == pytest.approx((0.1, 100))


def test_whoever_came_later_counts_for_the_letters_since() -> None:
    treated = np.array([[1.0, 0.0], [np.nan, 1.0], [np.nan, 0.0], [0.0, 0.0]])
    assert on_average(counted(treated, np.zeros((2, 2))))[SERIES][0] == pytest.approx(2 / 6)


def test_habits_make_no_false_alarms() -> None:
    """Contacts differ as in a shop (a Gamma of rates); 400 series without an effect cross 5 % bounds about so often."""
    rng, crossed = np.random.default_rng(7), 0
    for _ in range(400):
        rates = np.minimum(rng.gamma(0.8, 0.25, 600), 0.95)
        answers = (rng.random((600, 8)) < rates[:, None]) * 1.0
        found = on_average(counted(answers[60:], answers[:60]))
        crossed += abs(pooled_z(*(counts_of(*found[name]) for name in (SERIES, HOLDOUT)))) > 1.96
    assert 8 <= crossed <= 34


def test_harm_is_seen_where_everybody_orders_sooner_or_later(desk: Desk) -> None:
    """Three in ten of the holdout order after each letter, not always the same, and two in ten of the others."""
    ids = send(desk, 7, (0.2,) * 6, anyway=0.3)
    desk_clock = desk.clock
    assert isinstance(desk_clock, ManualClock)
    desk_clock.advance_to(START + 70 * DAY)
    found = read_campaign(desk, ids[-1], 4)
    assert found.verdict == "harms"
    assert found.difference.value == pytest.approx(-0.1, abs=0.01)
    assert (found.treated.contacts, found.holdout.contacts) == (len(TREATED), len(OUT))
    assert found.treated.rate == pytest.approx(0.2, abs=0.01)
    assert "20 % of 800 treated contacts" in found.text["en"]
    assert found.text["en"].startswith("The first 6 letters of the series since ")
    assert "each until the next one, on average" in found.text["en"]
    assert "chacune jusqu'à la suivante, en moyenne" in found.text["fr"]


def test_letters_that_do_nothing_stay_inconclusive(desk: Desk) -> None:
    ids = send(desk, 7, (0.3,) * 6, anyway=0.3)
    desk_clock = desk.clock
    assert isinstance(desk_clock, ManualClock)
    desk_clock.advance_to(START + 70 * DAY)
    found = read_campaign(desk, ids[-1], 4)
    assert found.verdict == "inconclusive"
    assert found.difference.low < 0 < found.difference.high


def test_a_letter_counts_until_the_next_one_and_only_once_that_is_over(desk: Desk) -> None:
    ids = send(desk, 7, (0.2,) * 3)
    with desk.store.read() as connection:
        letters = campaigns.letters_of(connection, ids[0])
    goal = Goal(window_days=14)
    over = [len(letter_counts(desk, letters, goal, START + days * DAY)) for days in (6, 7, 14, 27, 28)]
    assert over == [0, 1, 2, 2, 3]
