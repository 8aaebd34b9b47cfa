"""The browsing of simulated customers: the same in every run, however the time is cut, and only while people are up."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

from evals.market.browsing import Browsing
from evals.market.traits import Habit

STARTS_AT = datetime(2017, 10, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CONTACTS = range(1, 1001)
PRODUCTS = ["a", "b", "c"]


def test_cutting_the_time_in_pieces_changes_nothing() -> None:
    browsing = Browsing(3, CONTACTS, PRODUCTS)
    whole = browsing.between(STARTS_AT, STARTS_AT + 10 * DAY)
    hours = [STARTS_AT + timedelta(hours=7 * step) for step in range(35)]
    ends = [*hours[1:], STARTS_AT + 10 * DAY]
    pieces = [event for since, until in zip(hours, ends, strict=True) for event in browsing.between(since, until)]
    assert [event.event_id for event in pieces] == [event.event_id for event in whole]
    assert len({event.event_id for event in whole}) == len(whole)


def test_everything_happens_while_people_are_up_and_names_a_product_of_the_shop() -> None:
    events = Browsing(3, CONTACTS, PRODUCTS).between(STARTS_AT, STARTS_AT + 10 * DAY)
    assert {8 <= event.at.hour < 22 for event in events} == {True}
    assert {event.properties["product_id"] for event in events} == set(PRODUCTS)
    assert all(event.properties["simulated"] for event in events)


def test_another_seed_is_another_story_of_about_the_same_size() -> None:
    one, other = (Browsing(seed, CONTACTS, PRODUCTS).between(STARTS_AT, STARTS_AT + 30 * DAY) for seed in (1, 2))
    assert {event.event_id for event in one}.isdisjoint(event.event_id for event in other)
    carts = [sum(event.kind == "cart" for event in events) for events in (one, other)]
    # 1.6 % of a thousand contacts a day, for thirty days.
    assert all(400 < count < 560 for count in carts)


def test_nobody_browses_once_they_are_gone_and_rare_buyers_look_around_rarely() -> None:
    gone_day = (STARTS_AT + 10 * DAY).timestamp() / 86_400
    habits = {one: Habit(0.01 if one <= 500 else 0.1, gone_day if one % 2 else math.inf) for one in CONTACTS}
    events = Browsing(3, CONTACTS, PRODUCTS, habits=habits).between(STARTS_AT, STARTS_AT + 30 * DAY)
    assert max(one.at for one in events if one.contact_id % 2) < STARTS_AT + 11 * DAY
    stayed = Counter(one.contact_id <= 500 for one in events if one.contact_id % 2 == 0)
    assert 0 < stayed[True] < 0.3 * stayed[False]


def test_whoever_never_bought_fills_in_most_of_the_forms() -> None:
    events = Browsing(3, CONTACTS, PRODUCTS, leads=range(1, 101)).between(STARTS_AT, STARTS_AT + 60 * DAY)
    forms = Counter(one.contact_id <= 100 for one in events if one.kind == "form")
    # 1 % of a hundred a day, and 0.04 % of nine hundred.
    assert 35 < forms[True] < 85
    assert 8 < forms[False] < 40
