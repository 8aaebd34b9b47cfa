"""Outcomes count everybody who entered, holdout included, and only what they paid for while they were observed."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from agents.desk import Desk
from agents.outcomes import Member, Outcomes, campaign_outcomes, count_outcomes
from memory import consents
from memory import contacts as people
from memory.clock import ManualClock
from memory.lake import LakeTable
from memory.play import Goal
from memory.schema import messages, to_micros
from memory.store import Store
from tests import examples
from tests.agents.trial import START, buy, desk_of, launch
from tests.memory.builders import as_rows, purchase
from tools.drain import drain
from tools.intake import Incoming, receive

DAY = timedelta(days=1)
END = START + 28 * DAY
WINDOW = 14


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    return desk_of(store, tmp_path, clock)


def outcomes(
    desk: Desk, campaign_id: str, as_of: datetime = END, *, category: str = "", arms: tuple[str, ...] = ("one",)
) -> Outcomes:
    goal = Goal(window_days=WINDOW, category=category)
    return campaign_outcomes(desk.store, desk.lake, campaign_id, goal=goal, arms=arms, as_of=as_of)


def counted(found: Outcomes) -> dict[str, tuple[int, int]]:
    return {arm.name: (arm.contacts, arm.conversions) for arm in found.arms}


def order_event(order_id: str, contact_id: int, at: datetime, **more: Any) -> Incoming:
    lines = [{"product_id": "product-coffee", "category": "coffee", "amount_cents": 900}]
    said = {"order_id": order_id, "currency": "EUR", "total_cents": 900, "lines": lines, **more}
    return Incoming(event_id=f"shop:{order_id}", kind="order", at=at, contact=contact_id, properties=said)


def test_everybody_who_entered_counts_mailed_or_not_and_the_holdout_too(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=range(1, 9), holdout=[9, 10])
    buy(desk, [1, 2, 9], START + DAY)
    # No message was ever sent, and still all of them are in the counts.
    assert counted(outcomes(desk, campaign_id)) == {"holdout": (2, 1), "one": (8, 2)}


def test_each_contact_counts_once_however_often_they_buy(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1], holdout=[2])
    for days in (1, 2, 3):
        buy(desk, [1], START + days * DAY)
    assert counted(outcomes(desk, campaign_id))["one"] == (1, 1)


@pytest.mark.parametrize(
    ("moment", "counts"),
    [
        (START - timedelta(microseconds=1), False),
        (START, True),
        (START + WINDOW * DAY - timedelta(microseconds=1), True),
        (START + WINDOW * DAY, False),
    ],
)
def test_a_purchase_before_entering_or_after_the_window_does_not_count(
    desk: Desk, moment: datetime, counts: bool
) -> None:
    campaign_id = launch(desk.store, treated=[1], holdout=[2])
    buy(desk, [1, 2], moment)
    expected = 1 if counts else 0
    assert counted(outcomes(desk, campaign_id)) == {"holdout": (1, expected), "one": (1, expected)}


def test_nothing_after_the_moment_of_the_look_counts_and_open_windows_are_told(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1, 2], holdout=[3])
    buy(desk, [1], START + 3 * DAY)
    buy(desk, [2], START + 8 * DAY)
    early, late = outcomes(desk, campaign_id, START + 7 * DAY), outcomes(desk, campaign_id)
    assert (counted(early)["one"], early.open_windows) == ((2, 1), 3)
    assert (counted(late)["one"], late.open_windows) == ((2, 2), 0)


def test_who_has_not_entered_yet_is_not_counted(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1], holdout=[2], entered_at=START + 10 * DAY)
    assert counted(outcomes(desk, campaign_id, START + 5 * DAY)) == {"holdout": (0, 0), "one": (0, 0)}
    assert counted(outcomes(desk, campaign_id)) == {"holdout": (1, 0), "one": (1, 0)}


def test_a_goal_with_a_category_wants_a_line_of_it(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1, 2, 3], holdout=[4])
    buy(desk, [1, 4], START + DAY, [("tea", 500)])
    buy(desk, [2], START + DAY, [("tea", 500), ("coffee", 900)])
    buy(desk, [3], START + DAY, [("coffee", -900)])
    assert counted(outcomes(desk, campaign_id, category="coffee")) == {"holdout": (1, 0), "one": (3, 1)}


def test_a_return_is_no_purchase_but_lowers_what_a_buyer_brought_in(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1, 2], holdout=[3])
    buy(desk, [1], START + DAY, [("coffee", 2_000)])
    buy(desk, [1, 2], START + 2 * DAY, [("coffee", -500)], name="return")
    found = outcomes(desk, campaign_id)
    assert counted(found)["one"] == (2, 1)
    assert found.values.treated == (1_500,)


def test_opens_and_clicks_never_matter(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1, 2], holdout=[3])
    buy(desk, [2, 3], START + DAY)
    before = outcomes(desk, campaign_id)
    rows = [
        {"event_id": f"{kind}{one}", "contact_id": one, "kind": kind, "at": START + DAY}
        for kind in ("open", "click", "visit", "cart")
        for one in (1, 3)
    ]
    desk.lake.append(LakeTable.EVENTS, as_rows(LakeTable.EVENTS, rows), batch_id="b")
    live = [Incoming(event_id=f"live{one}", kind="open", at=START + DAY, contact=one) for one in (1, 3)]
    receive(desk.store, live, START + 2 * DAY)
    assert outcomes(desk, campaign_id) == before


def test_a_live_order_counts_before_and_after_it_is_drained_and_never_twice(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1], holdout=[2])
    receive(desk.store, [order_event("a", 1, START + DAY), order_event("b", 2, START + 20 * DAY)], END)
    live = outcomes(desk, campaign_id)
    drain(desk.store, desk.lake)
    assert counted(live) == {"holdout": (1, 0), "one": (1, 1)}
    assert live.values.treated == (900,)
    assert outcomes(desk, campaign_id) == live


def test_a_live_order_reaches_a_goal_by_category(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1], holdout=[2])
    receive(desk.store, [order_event("a", 1, START + DAY)], END)
    assert counted(outcomes(desk, campaign_id, category="coffee"))["one"] == (1, 1)
    assert counted(outcomes(desk, campaign_id, category="tea"))["one"] == (1, 0)


def add_products(desk: Desk, **costs: int | None) -> None:
    rows = [{"product_id": f"product-{name}", "cost_cents": cost} for name, cost in costs.items()]
    desk.lake.replace(LakeTable.PRODUCTS, as_rows(LakeTable.PRODUCTS, rows))


def test_values_are_margins_where_every_cost_is_known_and_revenue_otherwise(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1], holdout=[2])
    buy(desk, [1], START + DAY, [("coffee", 2_000), ("tea", 500)])
    buy(desk, [2], START + DAY, [("coffee", 1_500)])
    add_products(desk, coffee=800, tea=100)
    known = outcomes(desk, campaign_id).values
    add_products(desk, coffee=800, tea=None)
    unknown = outcomes(desk, campaign_id).values
    assert (known.kind, known.treated, known.holdout) == ("margin", (1_600,), (700,))
    assert (unknown.kind, unknown.treated, unknown.holdout) == ("revenue", (2_500,), (1_500,))


def test_an_order_without_lines_has_no_known_cost(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1], holdout=[2])
    order, _ = purchase("bare", 1, START + DAY, ("coffee", 2_000))
    desk.lake.upsert(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, [order]))
    assert outcomes(desk, campaign_id).values.kind == "revenue"


def test_what_sending_cost_is_taken_off(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=range(1, 5), holdout=[5])
    with desk.store.write() as connection:
        connection.execute(
            insert(messages),
            [
                {
                    "message_key": f"k{one}",
                    "campaign_id": campaign_id,
                    "contact_id": one,
                    "enrolment_id": one,
                    "version": 1,
                    "sequence_key": "one",
                    "step_key": "reminder",
                    "occurrence": 1,
                    "channel": "email",
                    "purpose": "marketing",
                    "state": state,
                    "planned_at": START,
                    "due_at": START,
                    "deadline_at": END,
                    "sent_at": START if state == "sent" else None,
                }
                for one, state in ((1, "sent"), (2, "sent"), (3, "suppressed"), (5, "withheld"))
            ],
        )
    found = campaign_outcomes(
        desk.store,
        desk.lake,
        campaign_id,
        goal=Goal(window_days=WINDOW),
        arms=("one",),
        as_of=END,
        message_cost_micros=1_500_000,
    )
    assert found.values.treated_cost_cents == 3


def test_unsubscribes_and_complaints_are_counted_per_arm(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1, 2, 3], holdout=[4, 5])
    said = [
        Incoming(event_id="u1", kind="unsubscribe", at=START + DAY, contact=1),
        Incoming(event_id="u4", kind="unsubscribe", at=START + DAY, contact=4),
        Incoming(event_id="c2", kind="complaint", at=START + DAY, contact=2),
    ]
    receive(desk.store, said, START + DAY)
    with desk.store.write() as connection:
        withdrawn = consents.Consent(
            contact_id=5, channel="email", purpose="marketing", state="withdrawn", at=START - DAY
        )
        consents.record(connection, [withdrawn])
    live = outcomes(desk, campaign_id)
    drain(desk.store, desk.lake)
    for found in (live, outcomes(desk, campaign_id)):
        reactions = {arm.name: (arm.unsubscribed, arm.complained) for arm in found.arms}
        assert reactions == {"holdout": (1, 0), "one": (1, 1)}


def test_a_person_who_turns_out_to_stand_in_two_arms_is_flagged_and_left_out(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1, 2], holdout=[3, 4])
    buy(desk, [1, 2, 3, 4], START + DAY)
    with desk.store.write() as connection:
        people.merge(connection, kept=1, merged=3, actor="cli:marie", at=START + 2 * DAY)
    found = outcomes(desk, campaign_id)
    assert counted(found) == {"holdout": (1, 1), "one": (1, 1)}
    assert found.mixed_contacts == 1


def test_a_person_merged_within_one_arm_counts_once_with_everything_they_bought(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1, 2], holdout=[3])
    buy(desk, [2], START + DAY, [("coffee", 700)])
    with desk.store.write() as connection:
        people.merge(connection, kept=1, merged=2, actor="cli:marie", at=START + 2 * DAY)
    found = outcomes(desk, campaign_id)
    assert counted(found)["one"] == (1, 1)
    assert (found.mixed_contacts, found.values.treated) == (0, (700,))


def test_two_sequences_are_two_arms(desk: Desk) -> None:
    first = examples.play().sequences[0]
    both = tuple(first.model_copy(update={"key": key, "share": 0.5}) for key in ("even", "odd"))
    campaign_id = launch(desk.store, treated=range(1, 7), holdout=[7], play=examples.play(sequences=both))
    buy(desk, [1, 3, 2], START + DAY)
    found = outcomes(desk, campaign_id, arms=("even", "odd"))
    assert counted(found) == {"holdout": (1, 0), "even": (3, 1), "odd": (3, 2)}


def test_the_counts_are_those_of_a_plain_loop(desk: Desk) -> None:
    chance = random.Random(7)
    half_days = [START + timedelta(hours=12 * step) for step in range(-4, 40)]
    members = [
        Member(one, chance.choice(("holdout", "one")), since, since + chance.choice((3, 7, 14)) * DAY)
        for one in range(1, 61)
        for since in [chance.choice(half_days)]
    ]
    bought = [
        (f"o{number}", chance.randint(1, 70), chance.choice(half_days), chance.choice((-100, 0, 250)))
        for number in range(300)
    ]
    rows = [
        {"order_id": name, "contact_id": one, "at": to_micros(at), "total_cents": cents}
        for name, one, at, cents in bought
    ]
    desk.lake.replace(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, rows))
    found = count_outcomes(desk.store, desk.lake, members, arms=("holdout", "one"))
    for arm in found.arms:
        mine = [one for one in members if one.arm == arm.name]
        paid = {
            one.contact_id: [
                cents for _, who, at, cents in bought if who == one.contact_id and one.since <= at < one.until
            ]
            for one in mine
        }
        buyers = [one for one, cents in sorted(paid.items()) if any(each > 0 for each in cents)]
        assert (arm.contacts, arm.conversions) == (len(mine), len(buyers))
        values = found.values.holdout if arm.name == "holdout" else found.values.treated
        assert list(values) == [sum(paid[one]) for one in buyers]
