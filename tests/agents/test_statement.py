"""The account of a month: what it gained is measured or not said, and every line is of that month only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from agents.desk import Desk
from agents.learning.intervals import Estimate
from agents.statement import Statement, last_month, make_statement
from memory import journal
from memory.assignment import in_programme_holdout
from memory.clock import ManualClock
from memory.errors import InvalidInputError
from memory.lake import LakeTable
from memory.schema import campaigns, lookups, messages
from memory.store import Store
from memory.workspace import get_value
from tests import examples
from tests.agents.test_worth import wrote_to
from tests.agents.trial import START, buy, desk_of, launch, playbooks
from tests.memory.builders import as_rows, purchase
from tests.plays import offer_for

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
APRIL = datetime(2025, 4, 1, tzinfo=UTC)
SHARE = 0.3
EVERYBODY = range(1, 301)


@pytest.fixture
def desk(any_store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    clock.advance_to(START)
    return desk_of(any_store, tmp_path, clock, programme_share=SHARE, message_cost_micros=500_000)


def run(desk: Desk) -> str:
    return launch(desk.store, treated=EVERYBODY, holdout=[])


def march(desk: Desk, clock: ManualClock) -> Statement:
    """The account of March, drawn up in April."""
    clock.advance_to(APRIL + DAY)
    return make_statement(desk, "2025-03")


def outside(desk: Desk) -> list[int]:
    with desk.store.read() as connection:
        salt = get_value(connection, "salt")
    return [one for one in EVERYBODY if in_programme_holdout(salt, one, SHARE, START)]


def test_the_gain_is_measured_against_contacts_outside_all_marketing(desk: Desk, clock: ManualClock) -> None:
    run(desk)
    inside = [one for one in EVERYBODY if one not in outside(desk)]
    buy(desk, inside[:150], START + DAY)
    buy(desk, outside(desk)[:20], START + DAY)
    found = march(desk, clock)
    assert found.gain is not None
    assert (found.gain.outside, found.gain.marketed) == (len(outside(desk)), len(inside))
    assert found.gain.since == START > found.since
    assert found.gain.kind == "revenue"
    assert found.gain.orders.low > 0
    expected = len(inside) * 2_000 * (150 / len(inside) - 20 / len(outside(desk)))
    assert found.gain.total_cents.value == pytest.approx(expected, rel=0.05)


def test_without_contacts_outside_of_marketing_nothing_is_said_of_the_gain(
    any_store: Store, tmp_path: Path, clock: ManualClock
) -> None:
    clock.advance_to(START)
    desk = desk_of(any_store, tmp_path, clock)
    campaign_id = run(desk)
    wrote_to(desk, campaign_id, [1])
    stop(desk, [1], "recent_purchase")
    found = march(desk, clock)
    assert found.gain is None
    assert "no programme holdout" in found.why_no_gain
    assert [one.forgone_cents for one in found.guardrails] == [None]


def stop(desk: Desk, ids: list[int], reason: str) -> None:
    with desk.store.write() as connection:
        connection.execute(
            update(messages)
            .where(messages.c.contact_id.in_(ids))
            .values(state="suppressed", reason=reason, sent_at=None)
        )


def test_only_what_left_in_the_month_counts_and_what_rules_stopped_stands_apart(desk: Desk, clock: ManualClock) -> None:
    campaign_id = run(desk)
    # As many of either, whoever the draw left out of all marketing.
    for some in (outside(desk), [one for one in EVERYBODY if one not in outside(desk)]):
        buy(desk, some[: round(0.45 * len(some))], START + DAY)
    wrote_to(desk, campaign_id, range(1, 11))
    stop(desk, [1, 2], "recent_purchase")
    stop(desk, [3], "goal")
    clock.advance_to(APRIL)
    wrote_to(desk, campaign_id, [11])
    found = march(desk, clock)
    assert found.sent == {"email": 7}
    assert found.message_cost_cents == 4
    [rule] = found.guardrails
    assert (rule.rule, rule.messages) == ("recent_purchase", 2)
    assert found.gain is not None
    assert found.gain.total_cents.low < 0 < found.gain.total_cents.high
    assert rule.forgone_cents is None


@pytest.mark.parametrize("brings", [True, False], ids=["a gain", "a loss"])
def test_what_a_rule_kept_back_is_worth_what_messages_brought_once_that_is_beyond_chance(
    desk: Desk, clock: ManualClock, brings: bool
) -> None:
    campaign_id = run(desk)
    inside = [one for one in EVERYBODY if one not in outside(desk)]
    most, few = (inside, outside(desk)) if brings else (outside(desk), inside)
    buy(desk, most[: round(0.9 * len(most))], START + DAY)
    buy(desk, few[: round(0.1 * len(few))], START + DAY)
    wrote_to(desk, campaign_id, range(1, 10))
    stop(desk, [1, 2], "recent_purchase")
    found = march(desk, clock)
    [rule] = found.guardrails
    assert found.gain is not None
    assert (found.gain.total_cents.value > 0) is brings
    assert rule.forgone_cents == Estimate(
        value=2 / 7 * found.gain.total_cents.value,
        low=2 / 7 * found.gain.total_cents.low,
        high=2 / 7 * found.gain.total_cents.high,
    )


def test_a_discount_counts_on_an_order_that_followed_an_offer_within_its_window(desk: Desk, clock: ManualClock) -> None:
    play = examples.play(goal={"window_days": 14}, offer=offer_for(playbooks()["win_back"]))
    campaign_id = launch(desk.store, treated=range(1, 6), holdout=[], play=play)
    wrote_to(desk, campaign_id, [1, 2, 3])
    orders = [
        {**purchase(name, contact, START + days * DAY, ("coffee", 2_000))[0], "discount_cents": cents}
        for name, contact, days, cents in (
            ("after", 1, 1, 300),
            ("full_price", 2, 1, 0),
            ("too_late", 3, 15, 300),
            ("no_message", 4, 1, 300),
            ("before", 1, -1, 300),
        )
    ]
    desk.lake.upsert(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, orders))
    found = march(desk, clock)
    assert (found.discounted_orders, found.discount_cents) == (1, 300)


def test_minutes_of_people_are_the_pauses_between_what_they_did(desk: Desk, clock: ManualClock) -> None:
    run(desk)
    said = [("cli:ann", 0), ("cli:ann", 10), ("cli:ann", 15), ("cli:ann", 60), ("cli:bob", 12), ("noria", 13)]
    with desk.store.write() as connection:
        for actor, minute in said:
            journal.append(
                connection, at=START + minute * MINUTE, actor=actor, action="decision.approve", subject="p", payload={}
            )
    found = march(desk, clock)
    # Two sittings of Ann, of 15 minutes and of nothing, one of Bob, each with two minutes of reading.
    assert (found.minutes, found.people, found.decisions) == (21, 2, 5)


def test_tokens_of_models_count_in_the_month_in_which_they_were_used(desk: Desk, clock: ManualClock) -> None:
    run(desk)
    with desk.store.write() as connection:
        for name, tokens, at in (("a", 700, START), ("b", 0, START), ("c", 900, APRIL)):
            row = {"lookup_id": name, "thread_id": "t", "name": "model", "arguments": {}, "result": {}, "at": at}
            connection.execute(insert(lookups).values(**row, tokens=tokens))
    found = march(desk, clock)
    assert (found.model_calls, found.model_tokens) == (1, 700)


def test_the_same_record_gives_the_same_account_and_another_record_another(desk: Desk, clock: ManualClock) -> None:
    campaign_id = run(desk)
    buy(desk, EVERYBODY[:90], START + DAY)
    wrote_to(desk, campaign_id, [1, 2])
    first = march(desk, clock)
    assert make_statement(desk, "2025-03") == first
    stop(desk, [1], "recent_purchase")
    assert make_statement(desk, "2025-03").digest != first.digest


def test_a_month_that_is_not_over_is_told_so_far_and_one_to_come_not_at_all(desk: Desk, clock: ManualClock) -> None:
    run(desk)
    clock.advance(10 * DAY)
    found = make_statement(desk, "2025-03")
    assert not found.is_over
    assert found.until == clock.now()
    with pytest.raises(InvalidInputError, match="has not begun"):
        make_statement(desk, "2025-04")
    with pytest.raises(InvalidInputError, match="no month"):
        make_statement(desk, "March")


def test_a_campaign_that_somebody_touched_spoils_no_account(desk: Desk, clock: ManualClock) -> None:
    campaign_id = run(desk)
    with desk.store.write() as connection:
        connection.execute(update(campaigns).where(campaigns.c.campaign_id == campaign_id).values(name="Touched"))
    assert march(desk, clock).discounted_orders == 0


@pytest.mark.parametrize(
    ("now", "month"),
    [(datetime(2025, 1, 1, tzinfo=UTC), "2024-12"), (datetime(2025, 3, 31, 23, tzinfo=UTC), "2025-02")],
)
def test_without_a_month_the_last_one_that_is_over_is_meant(now: datetime, month: str) -> None:
    assert last_month(now) == month
