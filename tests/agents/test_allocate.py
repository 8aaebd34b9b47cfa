"""Shares move towards what works: a little a day, inside what was approved, and back when something goes wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from agents.allocate import MOST_MOVED, allocate
from agents.arm_counts import arm_counts, so_far
from agents.desk import Desk
from agents.learning.allocation import believe
from agents.learning.revenue import OrderValues
from agents.measure import read_campaign
from agents.outcomes import ArmOutcome, Member, Outcomes
from memory import allocations, autonomy, campaigns, consents
from memory.alerts import list_alerts
from memory.allocations import NOBODY, Allocation, Periods
from memory.autonomy import Level, Rung
from memory.clock import ManualClock
from memory.errors import ConflictError, NotFoundError
from memory.journal import entries
from memory.play import Goal, Limits, Play
from memory.schema import campaigns as campaign_rows
from memory.schema import enrolments
from memory.steps import Sequence
from memory.store import Store
from memory.trigger import EventTrigger
from tests import examples
from tests.agents.trial import START, buy, desk_of, launch
from tools.intake import Incoming, receive

DAY = timedelta(days=1)
TREATED, HOLDOUT = range(1, 401), range(401, 501)
ODD, EVEN = range(1, 401, 2), range(2, 401, 2)
"""Who drew the sequences "two" and "one"."""


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    return desk_of(store, tmp_path, clock)


def play(share_range: tuple[float, float] = (0.0, 1.0), nobody: float = 0.5) -> Play:
    steps = examples.play().sequences[0].steps
    return examples.play(
        trigger=EventTrigger(event="cart", runs_days=60),
        limits=Limits(contacts_per_day=1000, nobody_share_max=nobody),
        goal=Goal(window_days=5),
        holdout_share=0.2,
        sequences=tuple(
            Sequence(key=key, title=key.title(), steps=steps, share=0.5, share_range=share_range)
            for key in ("one", "two")
        ),
    )


def running(desk: Desk, level: Level = "auto", **changes: Any) -> str:
    """A campaign that lets contacts in; 200 drew each sequence, 100 are held out."""
    campaign_id = launch(desk.store, treated=TREATED, holdout=HOLDOUT, play=play(**changes))
    with desk.store.write() as connection:
        connection.execute(update(campaign_rows).values(trigger_kind="event", trigger_event="cart"))
        autonomy.keep(connection, Rung(kind="triggered", level=level))
    return campaign_id


def two_is_better(desk: Desk) -> None:
    """A fifth of those who drew "two" buy, a twentieth of the others and of the holdout."""
    buy(desk, [*ODD[:40], *EVEN[:10], *HOLDOUT[:5]], START + DAY)


def decide(desk: Desk, clock: ManualClock, days: float = 1) -> Allocation:
    """Let time pass and decide."""
    clock.advance(days * DAY)
    [decided] = allocate(desk)
    with desk.store.read() as connection:
        [campaign] = campaigns.list_campaigns(connection)
        found = allocations.of_campaign(connection, campaign.campaign_id)[-1]
    assert found.allocation_id == decided
    return found


def shares(desk: Desk, campaign_id: str) -> dict[str, float]:
    with desk.store.read() as connection:
        [found] = campaigns.shares(connection, campaign_id, 1)
    return found


def test_the_better_sequence_gets_more_but_no_more_than_a_day_may_move(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk)
    two_is_better(desk)
    first = decide(desk, clock, 6)
    assert first.state == "applied"
    assert shares(desk, campaign_id)["two"] == pytest.approx(0.5 + MOST_MOVED)
    assert decide(desk, clock).shares[0]["two"] == pytest.approx(0.5 + 2 * MOST_MOVED)
    with desk.store.read() as connection:
        noted = [one.payload["shares_millis"] for one in entries(connection, action="shares.applied")]
        assert campaigns.get(connection, campaign_id).holdout_share == 0.2
    assert noted == [[{"nobody": 0, "one": 400, "two": 600}], [{"nobody": 0, "one": 300, "two": 700}]]


def test_a_decision_is_made_once_a_day(desk: Desk, clock: ManualClock) -> None:
    running(desk)
    assert allocate(desk) == []
    decide(desk, clock)
    clock.advance(timedelta(hours=23))
    assert allocate(desk) == []
    clock.advance(timedelta(hours=1))
    assert len(allocate(desk)) == 1


def test_shares_never_leave_the_range_that_was_approved(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk, share_range=(0.45, 0.55))
    two_is_better(desk)
    for days in (6, 1, 1):
        decide(desk, clock, days)
    assert shares(desk, campaign_id) == pytest.approx({"nobody": 0, "one": 0.45, "two": 0.55})


def test_where_people_want_to_be_asked_a_decision_waits_for_a_yes_by_name(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk, "approve")
    two_is_better(desk)
    assert decide(desk, clock, 6).state == "waiting"
    newer = decide(desk, clock)
    assert shares(desk, campaign_id) == {"one": 0.5, "two": 0.5}
    with desk.store.write() as connection:
        assert [one.step_key for one in list_alerts(connection)] == [allocations.alert_key(campaign_id)]
        states = [one.state for one in allocations.of_campaign(connection, campaign_id)]
        assert states == ["declined", "waiting"]
        accepted = allocations.accept(connection, campaign_id, actor="cli:marie", at=clock.now())
        assert list_alerts(connection) == []
        [noted] = entries(connection, action="shares.applied")
    assert (accepted.allocation_id, accepted.actor, noted.actor) == (newer.allocation_id, "cli:marie", "cli:marie")
    assert shares(desk, campaign_id) == pytest.approx(newer.shares[0])


def test_what_was_declined_cannot_be_accepted_any_more(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk, "approve")
    two_is_better(desk)
    decide(desk, clock, 6)
    with desk.store.write() as connection:
        allocations.decline(connection, campaign_id, actor="cli:marie", reason="Not before the sale", at=clock.now())
        with pytest.raises(NotFoundError):
            allocations.accept(connection, campaign_id, actor="cli:marie", at=clock.now())
    assert shares(desk, campaign_id) == {"one": 0.5, "two": 0.5}


def test_where_nothing_may_be_done_it_is_only_written_down(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk, "suggest")
    two_is_better(desk)
    assert decide(desk, clock, 6).state == "suggested"
    assert shares(desk, campaign_id) == {"one": 0.5, "two": 0.5}


def test_a_sequence_that_people_flee_sends_the_shares_back_and_holds_them_there(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk)
    two_is_better(desk)
    decide(desk, clock, 6)
    opt_out(desk, ODD[50:65], clock)
    back = decide(desk, clock)
    assert (back.state, shares(desk, campaign_id)) == ("rolled_back", {"nobody": 0, "one": 0.5, "two": 0.5})
    assert "15 of 200 contacts of two unsubscribed; 2.0% is the limit." in back.reason
    assert decide(desk, clock).state == "kept"
    with desk.store.read() as connection:
        [alert] = list_alerts(connection)
    assert "back at the approved shares" in alert.task["en"]


def test_after_a_return_to_the_plan_each_move_waits_for_a_person(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk)
    two_is_better(desk)
    decide(desk, clock, 6)
    with desk.store.write() as connection:
        allocations.return_to_plan(connection, campaign_id, actor="cli:marie", reason="Too fast", at=clock.now())
        with pytest.raises(ConflictError):
            allocations.return_to_plan(connection, campaign_id, actor="cli:marie", reason="Again", at=clock.now())
    assert shares(desk, campaign_id) == {"nobody": 0, "one": 0.5, "two": 0.5}
    assert decide(desk, clock).state == "waiting"


def test_a_few_who_leave_prove_nothing(desk: Desk, clock: ManualClock) -> None:
    running(desk)
    two_is_better(desk)
    opt_out(desk, ODD[50:55], clock)
    assert decide(desk, clock, 6).state == "applied"


def test_where_every_message_does_harm_some_get_nothing(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk)
    buy(desk, [*ODD[:24], *EVEN[:24], *HOLDOUT[:18]], START + DAY)
    assert decide(desk, clock, 6).state == "applied"
    assert shares(desk, campaign_id)[NOBODY] == pytest.approx(MOST_MOVED)


def test_a_goal_that_brings_in_no_money_is_weighed_without_what_messages_cost(
    store: Store, tmp_path: Path, clock: ManualClock
) -> None:
    desk = desk_of(store, tmp_path, clock, message_cost_micros=50_000_000)
    signup = Goal(event="signup", window_days=5)
    campaign_id = launch(store, treated=TREATED, holdout=HOLDOUT, play=play().model_copy(update={"goal": signup}))
    with store.write() as connection:
        connection.execute(update(campaign_rows).values(trigger_kind="event", trigger_event="cart"))
        autonomy.keep(connection, Rung(kind="triggered", level="auto"))
    signed_up = [*ODD[:40], *EVEN[:10], *HOLDOUT[:5]]
    at = START + DAY
    receive(store, [Incoming(event_id=f"s{one}", kind="signup", at=at, contact=one) for one in signed_up], at)
    decide(desk, clock, 6)
    assert shares(desk, campaign_id) == pytest.approx({"nobody": 0, "one": 0.4, "two": 0.6})


def test_a_sequence_that_was_taken_out_leaves_every_count_with_the_holdouts_who_drew_it(
    desk: Desk, clock: ManualClock
) -> None:
    campaign_id = running(desk)
    two_is_better(desk)
    clock.advance(4 * DAY)
    whole = play()
    rest = whole.model_copy(update={"sequences": (whole.sequences[1].model_copy(update={"share": 1.0}),)})
    with desk.store.write() as connection:
        before = campaigns.get_version(connection, campaign_id, 1)
        new: dict[str, Any] = {
            "version": 2,
            "digest": rest.digest,
            "body": rest.model_dump(mode="json"),
            "activated_at": clock.now(),
        }
        campaigns.add_version(connection, replace(before, **new))
        end = campaigns.get(connection, campaign_id).ends_at
        campaigns.set_version(connection, campaign_id, 2, ends_at=end, priority=0)
    found = read_campaign(desk, campaign_id)
    assert (found.treated.contacts, found.holdout.contacts, found.verdict) == (200, 50, "inconclusive")
    assert [one.name for one in found.arms] == ["two"]
    decided = decide(desk, clock, 2)
    assert set(decided.evidence["counted"]) == {"holdout", "nobody", "two"}


def test_harm_that_the_read_out_proves_sends_the_shares_back(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk)
    two_is_better(desk)
    decide(desk, clock, 6)
    buy(desk, HOLDOUT[5:80], START + 2 * DAY)
    assert decide(desk, clock).reason == "The contacts who are written to do worse than the holdout."
    assert shares(desk, campaign_id)["two"] == 0.5


def test_arms_are_held_against_the_shares_that_they_were_drawn_by(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk)
    two_is_better(desk)
    decide(desk, clock, 6)
    clock.advance(DAY)
    # 300 more enter under 90 %, as decisions of a few days would make it.
    with desk.store.write() as connection:
        found = allocations.of_campaign(connection, campaign_id)[-1]
        later = found.model_copy(update={"allocation_id": "w2", "before": found.shares, "applied_at": clock.now()})
        assert allocations.keep(
            connection, later.model_copy(update={"shares": ({"one": 0.1, "two": 0.9},)}), at=clock.now()
        )
        rows = connection.execute(select(enrolments).where(enrolments.c.contact_id <= 375)).mappings().all()
        moved = [row["enrolment_id"] for row in rows if not row["in_holdout"]][:300]
        connection.execute(
            update(enrolments)
            .where(enrolments.c.enrolment_id.in_(moved))
            .values(entered_at=clock.now() + timedelta(hours=1), sequence_key="two")
        )
        connection.execute(
            update(enrolments).where(enrolments.c.enrolment_id.in_(moved[:30])).values(sequence_key="one")
        )
    clock.advance(DAY)
    read = read_campaign(desk, campaign_id)
    assert read.verdict != "invalid"
    assert read.sample_ratio.expected["two"] == pytest.approx(0.8 * (200 * 0.5 + 300 * 0.9))


def test_a_decision_on_shares_that_have_changed_since_is_not_kept(desk: Desk, clock: ManualClock) -> None:
    running(desk)
    two_is_better(desk)
    found = decide(desk, clock, 6)
    with desk.store.write() as connection:
        stale = found.model_copy(update={"allocation_id": "w2", "before": {"one": 0.5, "two": 0.5}})
        assert not allocations.keep(connection, stale, at=clock.now())


def test_campaigns_that_let_nobody_in_any_more_are_left_alone(desk: Desk, clock: ManualClock) -> None:
    running(desk)
    clock.advance(60 * DAY)
    assert allocate(desk) == []


def test_a_campaign_whose_contacts_all_entered_at_once_has_nothing_to_move(desk: Desk, clock: ManualClock) -> None:
    running(desk)
    with desk.store.write() as connection:
        connection.execute(update(campaign_rows).values(trigger_kind="once"))
    clock.advance(6 * DAY)
    assert allocate(desk) == []


def opt_out(desk: Desk, contacts: Iterable[int], clock: ManualClock) -> None:
    with desk.store.write() as connection:
        consents.record(
            connection,
            [
                consents.Consent(
                    contact_id=one,
                    channel="email",
                    purpose="marketing",
                    state="withdrawn",
                    at=START + DAY,
                    proof="page",
                )
                for one in contacts
            ],
        )


def test_a_season_is_not_taken_for_the_effect_of_a_sequence_that_was_drawn_more_in_it() -> None:
    """Both sequences do alike, 5 % in a quiet month and 20 % before a feast, when "two" was drawn nine times in ten."""
    quiet, feast = START, START + 30 * DAY
    drawn_by = Periods((quiet, feast), (({"one": 0.5, "two": 0.5},), ({"one": 0.1, "two": 0.8, NOBODY: 0.1},)))
    sizes = {quiet: {"one": 200, "two": 200, "holdout": 100}, feast: {"one": 40, "two": 320, "holdout": 90}}
    members: list[Member] = []
    reached: dict[int, datetime] = {}
    for since, arms in sizes.items():
        for arm, contacts in arms.items():
            ids = range(len(members), len(members) + contacts)
            members += [Member(one, arm, since, since + 5 * DAY) for one in ids]
            reached |= dict.fromkeys(ids[: round(contacts * (0.05 if since == quiet else 0.2))], since + DAY)
    counted = tuple(ArmOutcome(arm, 0, 0, 0, 0) for arm in ("holdout", "one", "two", NOBODY))
    values = OrderValues(holdout=(), treated=())
    [found] = so_far(Outcomes(counted, values, 0, 0, tuple(members), reached), drawn_by, 5, feast + 60 * DAY)
    rates = {arm: conversions / contacts for arm, (contacts, conversions) in found.items() if contacts}
    assert rates == pytest.approx(dict.fromkeys(("holdout", "one", "two"), rates["one"]))
    assert found["one"][0] < 240


def test_a_goal_that_most_reach_within_hours_counts_no_more_conversions_than_contacts() -> None:
    """As a confirmation does: everybody entered a few hours ago, and most have confirmed."""
    now = START + timedelta(hours=3)
    members = [Member(one, "one" if one % 2 else "two", START, now) for one in range(200)]
    reached = {one: START + timedelta(hours=1) for one in range(200) if one % 2 or one < 100}
    counted = tuple(ArmOutcome(arm, 0, 0, 0, 0) for arm in ("holdout", "one", "two", NOBODY))
    drawn_by = Periods((START,), (({"one": 0.5, "two": 0.5},),))
    values = OrderValues(holdout=(), treated=())
    [found] = so_far(Outcomes(counted, values, 0, 0, tuple(members), reached), drawn_by, 28, now)
    assert found["one"] == pytest.approx((100, 100))
    assert found["two"][0] >= found["two"][1] == pytest.approx(50)
    belief = believe(arm_counts([found], [], ["one", "two"], now)).mean[0]
    assert belief[0] > belief[1]


def test_no_more_contacts_are_left_alone_than_was_approved(desk: Desk, clock: ManualClock) -> None:
    campaign_id = running(desk, nobody=0.05)
    buy(desk, [*ODD[:24], *EVEN[:24], *HOLDOUT[:18]], START + DAY)
    for days in (6, 1):
        decide(desk, clock, days)
    assert shares(desk, campaign_id)[NOBODY] == pytest.approx(0.05)
