"""One likely category after the other, each looked up when its turn comes, on the clock."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from memory.clock import ManualClock
from memory.lake import LakeTable
from memory.store import Store
from tests.memory.builders import Row, as_rows
from tests.playbooks.record import orders_of, propose
from tests.playbooks.scene import DAY, HOUR, Shop, open_shop
from tests.tools.scene import NOW, add_contacts
from tools.unsubscribe import opt_out

ONE, FRENCH, ONLY_TWO_LEFT = 1, 2, 3
OTHERS = {"tea": range(100, 118), "cake": range(120, 134), "soap": range(140, 150)}
"""Who went on from coffee to what: tea most often, then cake, then soap."""
Bought = list[tuple[Row, list[Row]]]


def discoverers() -> Bought:
    return [
        each
        for category, who in OTHERS.items()
        for each in (*orders_of(who, (300,)), *orders_of(who, (200,), category))
    ]


def write(shop: Shop, pairs: Iterable[tuple[Row, list[Row]]], batch: str) -> None:
    pairs, lake = list(pairs), shop.place.lake
    lake.append(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, [order for order, _ in pairs]), batch_id=f"{batch}-orders")
    lines = [line for _, lines in pairs for line in lines]
    lake.append(LakeTable.LINES, as_rows(LakeTable.LINES, lines), batch_id=f"{batch}-lines")


@pytest.fixture
def shop(store: Store, clock: ManualClock, tmp_path: Path) -> Shop:
    add_contacts(store, [ONE, ONLY_TWO_LEFT, *(one for who in OTHERS.values() for one in who)])
    add_contacts(store, [FRENCH], language="fr")
    shop = open_shop(store, clock, tmp_path)
    write(shop, discoverers(), "others")
    write(shop, orders_of((ONE, FRENCH, ONLY_TWO_LEFT), (5, 35, 65)), "own")
    write(shop, orders_of((ONLY_TWO_LEFT,), (65,), "soap"), "soap")
    return shop


@pytest.mark.parametrize(("sequence", "days"), [("every_two_weeks", 14), ("every_three_weeks", 21)])
def test_each_category_has_its_turn(shop: Shop, sequence: str, days: int) -> None:
    shop.run("cross_sell_path", only=sequence)
    shop.passes(43 * DAY, every=DAY)
    first, second, third = shop.mails(ONE)
    assert [mail.subject.split(": ")[1] for mail in (first, second, third)] == ["tea", "cake", "soap"]
    assert [mail.at - NOW for mail in (first, second, third)] == [0 * DAY, days * DAY, 2 * days * DAY]
    assert shop.entries(ONE)[0].exit_reason == "completed"


def test_the_turn_ends_where_no_category_is_left(shop: Shop) -> None:
    shop.run("cross_sell_path", only="every_two_weeks")
    shop.passes(30 * DAY, every=DAY)
    assert [mail.subject.split(": ")[1] for mail in shop.mails(ONLY_TWO_LEFT)] == ["tea", "cake"]
    assert shop.entries(ONLY_TWO_LEFT)[0].exit_reason == "completed"


def test_a_category_is_the_one_of_its_day_and_not_of_the_entry(shop: Shop) -> None:
    shop.run("cross_sell_path", only="every_two_weeks")
    shop.passes(DAY, every=DAY)
    # Meanwhile twelve others have gone on from coffee to soap, which overtakes cake.
    late = range(200, 212)
    add_contacts(shop.place.store, late)
    write(shop, [*orders_of(late, (250,)), *orders_of(late, (20,), "soap")], "late")
    shop.passes(14 * DAY, every=DAY)
    named = [mail.subject.split(": ")[1] for mail in shop.mails(ONE)]
    assert named[0] == "tea"
    assert shop.entries(ONE)[0].bindings == {"category": named[1]}
    assert named[1] != "cake"


def test_whoever_orders_is_left_alone_and_comes_in_again_with_what_is_next_then(shop: Shop) -> None:
    shop.run("cross_sell_path", only="every_two_weeks")
    shop.passes(2 * DAY, every=DAY)
    shop.buys(ONE, category="tea")
    shop.passes(40 * DAY, every=2 * DAY)
    assert shop.steps(ONE) == ["first"]
    assert shop.entries(ONE)[0].exit_reason == "goal"
    for _ in range(3):
        shop.buys(ONE, category="coffee")
        shop.passes(10 * DAY, every=DAY)
    [_, again] = shop.mails(ONE)
    assert (again.step, again.subject.split(": ")[1]) == ("first", "cake")
    assert [one.occurrence for one in shop.entries(ONE)] == [1, 2]


def test_in_french_and_without_who_unsubscribes(shop: Shop, store: Store) -> None:
    shop.run("cross_sell_path", only="every_two_weeks")
    shop.passes(HOUR)
    [mail] = shop.mails(FRENCH)
    assert mail.subject == "Ce que d’autres ont découvert ensuite\u00a0: tea"
    with store.write() as connection:
        opt_out(connection, FRENCH, "email", "the page", shop.clock.now())
    shop.passes(16 * DAY, every=2 * DAY)
    assert shop.steps(FRENCH) == ["first"]
    assert shop.entries(FRENCH)[0].exit_reason == "consent_withdrawn"


def test_the_holdout_sees_no_category(shop: Shop, store: Store) -> None:
    many = range(300, 340)
    add_contacts(store, many)
    write(shop, orders_of(many, (6, 36, 66)), "many")
    shop.run("cross_sell_path", holdout_share=0.3)
    shop.passes(16 * DAY, every=4 * DAY)
    held_out = {one for one in many if shop.entries(one)[0].in_holdout}
    assert held_out
    assert {mail.contact for mail in shop.mails()} & set(many) == set(many) - held_out


def test_likely_categories_lead_to_a_proposal(store: Store, tmp_path: Path) -> None:
    habits = orders_of(range(1, 61), (5, 35, 65, 185))
    proposal, why = propose(
        store, tmp_path, "cross_sell_path", contacts=range(1, 161), orders=[*discoverers(), *habits]
    )
    assert proposal is not None, why
    assert proposal.audience.reachable == 60


def test_without_a_second_category_there_is_nothing_to_propose(store: Store, tmp_path: Path) -> None:
    only_tea = [*orders_of(OTHERS["tea"], (300,)), *orders_of(OTHERS["tea"], (200,), "tea")]
    proposal, why = propose(
        store, tmp_path, "cross_sell_path", orders=[*only_tea, *orders_of(range(1, 61), (5, 35, 65, 185))]
    )
    assert proposal is None
    assert "Nobody shows its signal now" in why
