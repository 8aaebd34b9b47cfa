"""Bands of contacts learn which sequence suits them: what one does helps the others, and each may differ."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from agents.allocate import MOST_MOVED, allocate
from agents.arm_counts import arm_counts, drawn_alike, pick_of, told_arms
from agents.decision_ledger import decision_ledger
from agents.desk import Desk
from agents.edit import changed_play, read_changes
from agents.ideas import ideas
from agents.learn import learn
from agents.learning.allocation import ArmCounts, believe, best_shares
from agents.learning.counts import Counts, MeasurementError
from agents.learning.readout import HOLDOUT as HELD_OUT
from agents.learning.revenue import OrderValues
from agents.live import observe
from agents.measure import measure, read_campaign
from agents.outcomes import ArmOutcome, Member, Outcomes, campaign_outcomes
from agents.redraw import redrawn
from memory import allocations, autonomy, campaigns, lessons, proposals
from memory.allocations import Allocation, Periods
from memory.autonomy import Rung
from memory.bands import Bands
from memory.clock import ManualClock
from memory.errors import InvalidInputError
from memory.play import Play
from memory.schema import campaigns as campaign_rows
from memory.schema import enrolments
from memory.store import Store
from tests.agents.test_allocate import DAY, play
from tests.agents.trial import START, buy, desk_of, launch

BANDS = Bands(feature="orders_count", cuts=(3,))
TREATED, HOLDOUT = range(1, 801), range(801, 1001)
LOYAL = range(401, 801)
"""Of the upper band; those before are of the lower one. Whoever has an odd number drew "two", the others "one"."""


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    return desk_of(store, tmp_path, clock)


def banded(**changes: object) -> Play:
    return Play.model_validate(play().model_dump() | {"bands": BANDS} | changes)


def running(desk: Desk, plan: Play | None = None) -> str:
    """A campaign that lets contacts in, half of them of the upper band, the holdout too."""
    campaign_id = launch(desk.store, treated=TREATED, holdout=HOLDOUT, play=plan or banded())
    upper = [*LOYAL, *HOLDOUT[100:]]
    with desk.store.write() as connection:
        connection.execute(update(campaign_rows).values(trigger_kind="event", trigger_event="cart"))
        if (plan or banded()).bands:
            connection.execute(update(enrolments).where(enrolments.c.contact_id.in_(upper)).values(band=1))
        autonomy.keep(connection, Rung(kind="triggered", level="auto"))
    return campaign_id


def each_its_own(desk: Desk) -> None:
    """In the lower band "two" sells to three in ten and "one" to one in twenty, in the upper one it is the reverse."""
    low, high = TREATED[:400], LOYAL
    buy(desk, [*_of(low, 1, 60), *_of(low, 0, 10), *_of(high, 0, 60), *_of(high, 1, 10)], START + DAY)
    buy(desk, [*HOLDOUT[:5], *HOLDOUT[100:105]], START + DAY)


def _of(ids: Iterable[int], odd: int, count: int) -> list[int]:
    return [one for one in ids if one % 2 == odd][:count]


def decide(desk: Desk, clock: ManualClock, days: float) -> Allocation:
    clock.advance(days * DAY)
    [decided] = allocate(desk)
    with desk.store.read() as connection:
        [campaign] = campaigns.list_campaigns(connection)
        found = allocations.of_campaign(connection, campaign.campaign_id)[-1]
    assert found.allocation_id == decided
    return found


def counts(
    contacts: list[list[int]], won: list[list[int]], segment: tuple[int, ...] = (), campaign: tuple[int, ...] = ()
) -> ArmCounts:
    return ArmCounts(np.asarray(contacts, float), np.asarray(won, float), segment=segment, campaign=campaign)


def test_each_band_moves_towards_its_own_best_by_no_more_than_a_day_may(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk)
    each_its_own(desk)
    found = decide(desk, clock, 6)
    assert found.state == "applied"
    assert found.shares[0]["two"] == pytest.approx(0.5 + MOST_MOVED)
    assert found.shares[1]["one"] == pytest.approx(0.5 + MOST_MOVED)
    assert "the bands, from the lowest on, should draw most: two" in found.reason
    lower, upper = found.evidence["by_band"]
    assert lower["chance_best"]["two"] > 0.9 < upper["chance_best"]["one"]
    with desk.store.read() as connection:
        assert campaigns.shares(connection, campaign_id, 1) == found.shares


def test_the_same_contacts_without_bands_tell_the_sequences_not_apart(desk: Desk, clock: ManualClock) -> None:
    running(desk, play())
    each_its_own(desk)
    [shares] = decide(desk, clock, 6).shares
    assert shares["two"] == pytest.approx(0.5, abs=0.05)


def test_the_plan_is_returned_to_in_every_band(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk, banded(band_shares=({"one": 0.3, "two": 0.7}, {"one": 0.6, "two": 0.4})))
    each_its_own(desk)
    moved = decide(desk, clock, 6).shares
    with desk.store.write() as connection:
        at = clock.now() + timedelta(hours=1)
        allocations.return_to_plan(connection, campaign_id, actor="cli:marie", reason="The sale is over.", at=at)
        back = campaigns.shares(connection, campaign_id, 1)
    assert moved[0]["two"] == pytest.approx(0.7 + MOST_MOVED)
    assert [(round(one["one"], 6), round(one["two"], 6)) for one in back] == [(0.3, 0.7), (0.6, 0.4)]


def test_what_a_band_did_in_one_campaign_speaks_for_the_same_band_of_the_next() -> None:
    """In two campaigns the second sequence sells to the upper band only; a third begins with nothing known of it."""
    segment, campaign = (0, 1, 0, 1, 0, 1), (0, 0, 1, 1, 2, 2)
    contacts = [[0, 0], [0, 0], [900, 900], [900, 900], [900, 900], [900, 900]]
    won = [[0, 0], [0, 0], [60, 45], [60, 110], [60, 45], [60, 110]]
    shares = best_shares(believe(counts(contacts, won, segment=segment, campaign=campaign)), seed=3)
    assert shares[0, 0] > 0.8
    assert shares[1, 1] > 0.8
    apart = best_shares(believe(counts(contacts, won)), seed=3)
    assert abs(apart[0, 0] - apart[1, 0]) < 0.2


def test_a_band_of_which_little_is_known_leans_on_the_others() -> None:
    groups = {"segment": (0, 1), "campaign": (0, 0)}
    alone = best_shares(believe(counts([[0, 0], [0, 0]], [[0, 0], [0, 0]], **groups)), seed=1)
    beside = best_shares(believe(counts([[0, 0], [3000, 3000]], [[0, 0], [150, 260]], **groups)), seed=1)
    assert alone[0, 1] == pytest.approx(0.5, abs=0.1)
    assert beside[0, 1] > 0.8


def test_rows_that_name_their_segment_all_do() -> None:
    with pytest.raises(MeasurementError, match="names its segment and its campaign"):
        believe(counts([[1, 1], [1, 1]], [[0, 0], [0, 0]], segment=(0, 1), campaign=(0,)))


def test_a_sequence_that_is_drawn_more_by_those_who_buy_anyway_does_not_look_as_if_it_sold(
    desk: Desk, clock: ManualClock
) -> None:
    """The upper band buys four times as often whatever it draws, and draws "two" nine times in ten."""
    campaign_id = running(desk, banded(band_shares=({"one": 0.5, "two": 0.5}, {"one": 0.1, "two": 0.9})))
    with desk.store.write() as connection:
        few = [one for one in LOYAL if one % 10 == 0]
        drew = enrolments.c.contact_id
        upper = update(enrolments).where(drew.in_(LOYAL))
        connection.execute(upper.values(sequence_key="two", probability=0.9))
        connection.execute(update(enrolments).where(drew.in_(few)).values(sequence_key="one", probability=0.1))
    others = [one for one in LOYAL if one not in few]
    buy(desk, [*_of(TREATED[:400], 1, 20), *_of(TREATED[:400], 0, 20), *others[:144], *few[:16]], START + DAY)
    clock.advance(6 * DAY)
    with desk.store.read() as connection:
        drawn_by = allocations.periods(connection, campaign_id)
    outcomes = campaign_outcomes(
        desk.store, desk.lake, campaign_id, goal=play().goal, arms=("one", "two"), as_of=clock.now()
    )
    raw = {one.name: one.conversions / one.contacts for one in outcomes.arms if one.contacts}
    alike = {name: one.rate for name, one in drawn_alike(outcomes, drawn_by).items()}
    assert raw["two"] > 1.5 * raw["one"]
    assert alike["two"] == pytest.approx(alike["one"], abs=0.02)
    found = read_campaign(desk, campaign_id)
    assert found.verdict != "invalid"
    assert found.arms[0].difference.value == pytest.approx(found.arms[1].difference.value, abs=0.02)


def confounded(desk: Desk, clock: ManualClock) -> str:
    """The upper band buys four times as often whatever it draws, and draws "two" nine times in ten; the other "one"."""
    plan = banded(band_shares=({"one": 0.9, "two": 0.1}, {"one": 0.1, "two": 0.9}))
    campaign_id = running(desk, plan)
    rare = [one for one in TREATED if one % 10 == 0]
    with desk.store.write() as connection:
        of = enrolments.c.contact_id
        for ids, key, share in (
            ([one for one in TREATED if one not in LOYAL and one not in rare], "one", 0.9),
            ([one for one in TREATED if one not in LOYAL and one in rare], "two", 0.1),
            ([one for one in LOYAL if one not in rare], "two", 0.9),
            ([one for one in LOYAL if one in rare], "one", 0.1),
        ):
            connection.execute(update(enrolments).where(of.in_(ids)).values(sequence_key=key, probability=share))
    often = [one for one in LOYAL if one // 10 % 5 < 2]
    seldom = [one for one in TREATED if one not in LOYAL and one // 10 % 10 == 3]
    buy(desk, [*often, *seldom, *HOLDOUT[:10], *HOLDOUT[100:140]], START + DAY)
    return campaign_id


def test_what_is_remembered_of_a_sequence_is_not_whom_it_was_drawn_by(desk: Desk, clock: ManualClock) -> None:
    campaign_id = confounded(desk, clock)
    clock.advance(40 * DAY)
    learn(measure({"campaign_id": campaign_id, "look": 4}, desk), desk)
    with desk.store.read() as connection:
        [lesson] = lessons.usable(connection, clock.now())
    counted = lesson.evidence["arms"]
    rates = {key: counted[key]["conversions"] / counted[key]["contacts"] for key in ("one", "two")}
    assert rates["one"] == pytest.approx(rates["two"], abs=0.06)
    pick = pick_of(["one", "two"], [lesson], clock.now())
    assert pick is not None
    assert max(pick.chances.values()) < 0.9
    nothing = {"one": (0.0, 0.0), "two": (0.0, 0.0), HELD_OUT: (50.0, 3.0)}
    other = Bands(feature="orders_count", cuts=(5,))
    shares = best_shares(
        believe(arm_counts([nothing] * 2, told_arms(lesson), ["one", "two"], clock.now(), other)), seed=1
    )
    assert shares.max() < 0.9


def test_a_sequence_that_a_band_hardly_draws_is_weighed_for_what_it_was_drawn_by() -> None:
    """Nothing sells; the upper band buys four times as often, and draws "a" but once in a hundred times."""
    shares = ({"a": 0.97, "b": 0.01, "c": 0.02}, {"a": 0.01, "b": 0.97, "c": 0.02})
    members: list[Member] = []
    reached: dict[int, datetime] = {}
    for band, rate in ((0, 0.03), (1, 0.12)):
        for arm, share in shares[band].items():
            ids = range(len(members), len(members) + round(10_000 * share))
            members += [Member(one, arm, START, START + 5 * DAY, band, share) for one in ids]
            reached |= dict.fromkeys(ids[: round(rate * len(ids))], START + DAY)
    counted = tuple(ArmOutcome(arm, 0, 0, 0, 0) for arm in (HELD_OUT, "a", "b", "c"))
    outcomes = Outcomes(counted, OrderValues(holdout=(), treated=()), 0, 0, tuple(members), reached)
    found = drawn_alike(outcomes, Periods((START,), (shares,)))
    assert {key: one.rate for key, one in found.items()} == pytest.approx(dict.fromkeys("abc", 0.075), abs=0.003)
    assert found["a"].contacts < 500


def test_whoever_waited_at_the_door_counts_by_the_shares_that_they_drew_by() -> None:
    """They came before the change that let the new sequence in, and drew after it."""
    before, after = ({"one": 1.0, "two": 0.0},), ({"one": 0.5, "two": 0.5},)
    drawn_by = Periods((START, START + DAY), (before, after))
    members = [Member(one, "two", START + DAY, START + 9 * DAY, 0, 0.5) for one in range(200)]
    members.append(Member(200, "two", START + DAY - timedelta(seconds=1), START + 9 * DAY, 0, 0.5))
    reached = dict.fromkeys([*range(10), 200], START + 2 * DAY)
    counted = tuple(ArmOutcome(arm, 0, 0, 0, 0) for arm in (HELD_OUT, "one", "two"))
    outcomes = Outcomes(counted, OrderValues(holdout=(), treated=()), 0, 0, tuple(members), reached)
    assert drawn_alike(outcomes, drawn_by)["two"] == Counts(contacts=201, conversions=11)


def test_a_band_stays_in_its_own_range_wherever_another_one_starts(desk: Desk, clock: ManualClock) -> None:
    plan = play(share_range=(0.3, 0.6)).model_dump() | {"bands": BANDS}
    shares = ({"one": 0.5, "two": 0.5}, {"one": 0.95, "two": 0.05})
    running(desk, Play.model_validate(plan | {"band_shares": shares}))
    each_its_own(desk)
    found = [decide(desk, clock, days).shares for days in (6, 1, 1)][-1]
    assert found[0]["one"] >= 0.3 - 1e-9
    assert found[0]["two"] <= 0.6 + 1e-9
    assert found[1]["one"] <= 0.95 + 1e-9


def test_an_edit_of_anything_else_leaves_what_bands_draw_to_the_last_digit(desk: Desk) -> None:
    shares = ({"one": 0.1 + 0.2, "two": 0.7}, {"one": 1 / 3, "two": 2 / 3})
    before = banded(band_shares=shares)
    wanted = read_changes({"contacts_per_day": 7})
    assert changed_play(before, wanted, desk, [30, 10]).band_shares == before.band_shares
    with pytest.raises(InvalidInputError, match="changes nothing"):
        changed_play(before, read_changes({"contacts_per_day": before.limits.contacts_per_day}), desk, [30, 10])


def test_when_people_take_a_sequence_out_its_share_goes_to_the_others_band_by_band(desk: Desk) -> None:
    first, second = play().sequences
    third = first.model_copy(update={"key": "three", "share": 0.45})
    sequences = (first.model_copy(update={"share": 0.45}), second.model_copy(update={"share": 0.1}), third)
    shares = ({"one": 0.8, "two": 0.1, "three": 0.1}, {"one": 0.1, "two": 0.1, "three": 0.8})
    before = banded(sequences=sequences, band_shares=shares)
    after = changed_play(before, read_changes({"sequences": ["one", "two"]}), desk, [300, 100])
    assert after.band_shares[0] == pytest.approx({"one": 8 / 9, "two": 1 / 9})
    assert after.band_shares[1] == pytest.approx({"one": 0.5, "two": 0.5})
    assert {one.key: one.share for one in after.sequences} == pytest.approx({"one": 0.7917, "two": 0.2083}, abs=1e-3)


def test_a_lesson_remembers_each_band_and_the_next_campaign_reads_it_by_band(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk)
    each_its_own(desk)
    clock.advance(40 * DAY)
    state = measure({"campaign_id": campaign_id, "look": 4}, desk)
    learn(state, desk)
    with desk.store.read() as connection:
        [lesson] = lessons.usable(connection, clock.now())
    [letter] = lesson.evidence["letters"]
    assert letter["bands"] == BANDS.model_dump(mode="json")
    assert letter["by_band"][0]["two"] == {"contacts": 200, "conversions": 60}
    assert letter["by_band"][1]["two"] == {"contacts": 200, "conversions": 10}
    nothing = {"one": (0.0, 0.0), "two": (0.0, 0.0), HELD_OUT: (50.0, 3.0)}
    keys = ["one", "two"]
    read = arm_counts([nothing, nothing], told_arms(lesson), keys, clock.now(), BANDS)
    assert read.segment == (0, 1, 0, 1)
    assert read.campaign == (0, 0, 1, 1)
    other = Bands(feature="orders_count", cuts=(5,))
    assert arm_counts([nothing, nothing], told_arms(lesson), keys, clock.now(), other).segment == (0, 1, 2)
    shares = best_shares(believe(read), seed=1)
    assert shares[0, 1] > 0.8
    assert shares[1, 0] > 0.8


def test_a_decision_is_valued_by_what_was_chosen_for_the_band_of_each(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk)
    each_its_own(desk)
    decide(desk, clock, 6)
    with desk.store.write() as connection:
        made = proposals.get(connection, "p1").proposal
        proposals.decide(
            connection, proposal_id="p1", version=1, digest=made.digest, verdict="approve", actor="cli:marie", at=START
        )
        # As if they had entered after the decision, by shares that were still even.
        connection.execute(update(enrolments).values(entered_at=clock.now() + timedelta(hours=1)))
    buy(desk, [*_of(TREATED[:400], 1, 60), *_of(LOYAL, 0, 60), *HOLDOUT[:5]], clock.now() + DAY)
    clock.advance(7 * DAY)
    [line] = [one for one in decision_ledger(desk).lines if one.campaign_id == campaign_id]
    assert line.noria is not None
    assert line.noria.chosen == pytest.approx({"one": 0.5, "two": 0.5}, abs=0.06)
    assert line.noria.value.mean > 0.25


def test_a_round_takes_no_sequence_from_a_band_that_needs_it_and_its_variations_keep_what_bands_draw(
    desk: Desk, clock: ManualClock
) -> None:
    running(desk)
    each_its_own(desk)
    for days in (6, 1, 1, 1):
        decide(desk, clock, days)
    [live] = observe(desk, "t1")
    assert min(min(one.chances) for one in live.arms) > 0.9
    assert len(live.shares) == 2
    found = ideas([live])
    assert {one.kind for one in found} <= {"vary"}
    for idea in found:
        after, tried = redrawn(banded(), idea)
        assert tried
        assert after.band_shares[0]["two"] > after.band_shares[0]["one"]
        assert after.band_shares[1]["two"] < after.band_shares[1]["one"]
        assert all(sum(one.values()) == pytest.approx(1) for one in after.band_shares)
