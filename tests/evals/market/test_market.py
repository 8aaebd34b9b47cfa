"""The market as the demo drives it: deterministic, labelled, on time, and fair to every arm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pytest

from evals.market.event import Delivered, MarketEvent
from evals.market.history import Histories
from evals.market.market import Market
from evals.market.trial import simulate_trial
from evals.market.world import World, WorldKind
from evals.shop.export import CUT_OFF
from memory.errors import InvalidInputError, NotFoundError

DAY = timedelta(days=1)


def _mailing(histories: Histories, at: datetime, *, every: int = 1, offer: bool = False) -> list[Delivered]:
    return [
        Delivered(contact, f"m-{contact}-{at:%m%d%H%M}", "autumn", "Cheese", at, is_offer=offer)
        for contact in histories.contact_ids.tolist()[::every]
    ]


def _play(
    kind: WorldKind,
    histories: Histories,
    messages: Sequence[Delivered],
    *,
    days: int = 14,
    step: timedelta = DAY,
    seed: int = 3,
) -> list[MarketEvent]:
    market, events = Market(World.draw(kind, seed), histories, starts_at=CUT_OFF), []
    while market.now < CUT_OFF + days * DAY:
        to_at = min(market.now + step, CUT_OFF + days * DAY)
        due = [message for message in messages if market.now <= message.delivered_at < to_at]
        events += market.advance(market.now, to_at, due)
    return events


def _orders(events: Sequence[MarketEvent]) -> set[str]:
    return {event.event_id for event in events if event.kind == "order"}


@pytest.fixture(scope="module")
def mailing(histories: Histories) -> list[Delivered]:
    """Two mailings to everybody, the second of them an offer."""
    return _mailing(histories, CUT_OFF + timedelta(hours=9)) + _mailing(histories, CUT_OFF + 5 * DAY, offer=True)


@pytest.fixture(scope="module")
def normal(histories: Histories, mailing: list[Delivered]) -> list[MarketEvent]:
    """Two weeks of a normal world with those mailings."""
    return _play("normal", histories, mailing)


def test_a_seed_repeats_every_event_and_another_seed_does_not(
    histories: Histories, mailing: list[Delivered], normal: list[MarketEvent]
) -> None:
    assert _play("normal", histories, mailing) == normal
    assert _orders(_play("normal", histories, mailing, seed=4)) != _orders(normal)


@pytest.mark.parametrize("step", [timedelta(hours=7), timedelta(days=14)])
def test_the_size_of_the_steps_changes_nothing(
    histories: Histories, mailing: list[Delivered], normal: list[MarketEvent], step: timedelta
) -> None:
    assert _play("normal", histories, mailing, step=step) == normal


def test_every_event_is_labelled_named_once_in_its_span_and_in_order(normal: list[MarketEvent]) -> None:
    assert all(event.properties["simulated"] is True for event in normal)
    assert len({event.event_id for event in normal}) == len(normal)
    assert all(CUT_OFF <= event.at < CUT_OFF + 14 * DAY for event in normal)
    assert [event.at for event in normal] == sorted(event.at for event in normal)


def test_lines_add_up_to_the_order_and_come_from_the_catalogue(histories: Histories, normal: list[MarketEvent]) -> None:
    catalogue = dict(zip(histories.shelf.product_ids, histories.shelf.categories, strict=True))
    orders = [event.properties for event in normal if event.kind == "order"]
    assert len(orders) > 1000
    for order in orders:
        assert sum(line["amount_cents"] for line in order["lines"]) == order["total_cents"] > 0
        assert all(line["quantity"] >= 1 and line["amount_cents"] >= 0 for line in order["lines"])
        assert all(catalogue[line["product_id"]] == line["category"] for line in order["lines"])
        assert len({line["product_id"] for line in order["lines"]}) == len(order["lines"])


def test_contacts_mostly_buy_what_they_bought_before(histories: Histories, normal: list[MarketEvent]) -> None:
    rows = {contact: row for row, contact in enumerate(histories.contact_ids.tolist())}
    keys, products = histories.shelf.favourite_keys, histories.shelf.favourite_products
    known, seen = 0, 0
    for event in [event for event in normal if event.kind == "order"][:500]:
        row = rows[event.contact_id]
        own = {histories.shelf.product_ids[index] for index in products[(keys > row) & (keys <= row + 1)].tolist()}
        known += sum(line["product_id"] in own for line in event.properties["lines"])
        seen += len(event.properties["lines"])
    assert known / seen > 0.9


def test_the_market_and_the_fast_path_sell_the_same_orders(histories: Histories) -> None:
    treated = np.arange(histories.size) % 2 == 0
    messages = _mailing(histories, CUT_OFF, every=2)
    sold = Counter(event.contact_id for event in _play("normal", histories, messages) if event.kind == "order")
    outcome = simulate_trial(
        World.draw("normal", 3), histories, treated, starts_at=CUT_OFF, window_days=14, campaign="autumn"
    )
    assert [sold[contact] for contact in histories.contact_ids.tolist()] == outcome.orders.tolist()


def test_a_null_world_sells_the_same_with_and_without_messages_but_people_still_click(
    histories: Histories, mailing: list[Delivered]
) -> None:
    mailed, silent = _play("null", histories, mailing), _play("null", histories, [])
    assert _orders(mailed) == _orders(silent)
    kinds = Counter(event.kind for event in mailed)
    assert kinds["click"] > 100
    assert kinds["visit"] > 50
    assert {event.kind for event in silent} == {"order"}


def test_reactions_other_than_purchases_do_not_betray_the_world(
    histories: Histories, mailing: list[Delivered], normal: list[MarketEvent]
) -> None:
    null = [event for event in _play("null", histories, mailing) if event.kind != "order"]
    assert null == [event for event in normal if event.kind != "order"]


def test_harm_only_removes_purchases(histories: Histories, mailing: list[Delivered]) -> None:
    mailed, silent = (_orders(_play("harmful", histories, messages)) for messages in (mailing, []))
    assert mailed < silent


def test_two_runs_share_the_purchases_of_everybody_who_was_not_mailed(histories: Histories) -> None:
    half = _play("normal", histories, _mailing(histories, CUT_OFF, every=2))
    nobody = _play("normal", histories, [])
    mailed = set(histories.contact_ids.tolist()[::2])
    left_alone = [[event for event in run if event.contact_id not in mailed] for run in (half, nobody)]
    assert left_alone[0] == left_alone[1]


def test_machines_click_at_once_under_their_own_name_and_people_later(normal: list[MarketEvent]) -> None:
    clicks = [event.properties for event in normal if event.kind == "click"]
    machines = [click for click in clicks if "Scanner" in click["user_agent"] or "Prefetch" in click["user_agent"]]
    people = [click for click in clicks if click not in machines]
    assert machines
    assert people
    assert max(click["seconds_after_delivery"] for click in machines) <= 8
    assert min(click["seconds_after_delivery"] for click in people) >= 40


def test_reactions_follow_a_delivery_of_that_message_to_that_contact(
    mailing: list[Delivered], normal: list[MarketEvent]
) -> None:
    delivered = {message.message_key: message for message in mailing}
    for event in normal:
        if event.kind != "order":
            message = delivered[event.properties["message_key"]]
            assert event.contact_id == message.contact_id
            assert event.at > message.delivered_at


def test_a_contact_unsubscribes_at_most_once_and_a_dead_mailbox_only_bounces(
    histories: Histories, normal: list[MarketEvent]
) -> None:
    many = [message for day in range(14) for message in _mailing(histories, CUT_OFF + day * DAY)]
    events = _play("normal", histories, many)
    leaving = [event.contact_id for event in events if event.kind == "unsubscribe"]
    assert len(leaving) == len(set(leaving)) > 0
    bounced = {event.contact_id for event in events if event.kind == "bounce"}
    assert bounced
    assert not {event.contact_id for event in events if event.kind in ("click", "visit", "complaint")} & bounced
    # Tired people leave more readily than after the two messages of the other run.
    assert len(leaving) / 14 > sum(event.kind == "unsubscribe" for event in normal) / 2


def test_only_offers_are_redeemed_each_once_and_within_their_life(normal: list[MarketEvent]) -> None:
    used = [event for event in normal if "redeemed_message_key" in event.properties]
    assert used
    keys = [event.properties["redeemed_message_key"] for event in used]
    assert len(keys) == len(set(keys))
    assert all(key.endswith("10060600") for key in keys)
    assert all(event.at > CUT_OFF + 5 * DAY for event in used)


def test_a_message_about_a_category_sells_that_category(histories: Histories) -> None:
    silent = _orders(_play("normal", histories, []))
    mailed = _play("normal", histories, _mailing(histories, CUT_OFF))
    caused = [event for event in mailed if event.kind == "order" and event.event_id not in silent]
    assert caused
    assert all(any(line["category"] == "Cheese" for line in event.properties["lines"]) for event in caused)


def test_a_late_message_is_answered_from_now_on(histories: Histories) -> None:
    market = Market(World.draw("normal", 3), histories, starts_at=CUT_OFF)
    market.advance(CUT_OFF, CUT_OFF + 2 * DAY, [])
    events = market.advance(CUT_OFF + 2 * DAY, CUT_OFF + 3 * DAY, _mailing(histories, CUT_OFF + DAY))
    assert any(event.kind == "click" for event in events)
    assert min(event.at for event in events) >= CUT_OFF + 2 * DAY


def test_time_neither_jumps_nor_runs_backwards(histories: Histories) -> None:
    market = Market(World.draw("normal", 3), histories, starts_at=CUT_OFF)
    with pytest.raises(InvalidInputError, match="cannot be played"):
        market.advance(CUT_OFF + DAY, CUT_OFF + 2 * DAY, [])
    with pytest.raises(InvalidInputError, match="cannot be played"):
        market.advance(CUT_OFF, CUT_OFF - DAY, [])
    assert market.advance(CUT_OFF, CUT_OFF, []) == []


def test_a_message_from_the_future_or_to_a_stranger_is_refused(histories: Histories) -> None:
    market = Market(World.draw("normal", 3), histories, starts_at=CUT_OFF)
    with pytest.raises(InvalidInputError, match="before its delivery"):
        market.advance(CUT_OFF, CUT_OFF + DAY, _mailing(histories, CUT_OFF + DAY)[:1])
    with pytest.raises(NotFoundError, match="without this contact"):
        market.advance(CUT_OFF, CUT_OFF + DAY, [Delivered(7, "m", "autumn", None, CUT_OFF, is_offer=False)])
    # A refused step leaves the market where it was.
    assert market.now == CUT_OFF
    assert market.advance(CUT_OFF, CUT_OFF + DAY, [])
