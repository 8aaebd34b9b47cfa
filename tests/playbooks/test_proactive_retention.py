"""A word before a win-back is needed: who is late by their own rhythm, what they answer, and what becomes of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from memory import alerts, contacts
from memory.clock import ManualClock
from memory.lake import LakeTable
from memory.store import Store
from tests.memory.builders import as_rows
from tests.playbooks.record import did, orders_of, propose, sent_to
from tests.playbooks.scene import DAY, HOUR, Shop, open_shop
from tests.tools.scene import NOW, add_contacts
from tools.unsubscribe import opt_out

LATE, FRENCH, CLICKED, ON_TIME, TOO_LATE, NEVER_WRITTEN = 1, 2, 3, 4, 5, 6
RHYTHM = (35, 65, 95, 125, 155)


def ordered(*contacts: int, earlier: int = 0) -> list[tuple[int, int]]:
    return [(one, ago + earlier) for one in contacts for ago in RHYTHM]


@pytest.fixture
def shop(store: Store, clock: ManualClock, tmp_path: Path) -> Shop:
    add_contacts(store, [LATE, CLICKED, ON_TIME, TOO_LATE, NEVER_WRITTEN])
    add_contacts(store, [FRENCH], language="fr")
    shop = open_shop(store, clock, tmp_path)
    habits = (
        ordered(LATE, FRENCH, CLICKED, NEVER_WRITTEN) + ordered(TOO_LATE, earlier=10) + ordered(ON_TIME, earlier=-15)
    )
    orders = [
        {"order_id": f"o{one}-{ago}", "contact_id": one, "at": NOW - ago * DAY, "total_cents": 900}
        for one, ago in habits
    ]
    shop.place.lake.append(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, orders), batch_id="orders")
    sends = sent_to((LATE, FRENCH, CLICKED, ON_TIME, TOO_LATE), (12,))
    shop.place.lake.append(LakeTable.SENDS, as_rows(LakeTable.SENDS, sends), batch_id="sends")
    clicks = did("click", (CLICKED,), 11)
    shop.place.lake.append(LakeTable.EVENTS, as_rows(LakeTable.EVENTS, clicks), batch_id="clicks")
    return shop


def test_only_who_is_a_little_late_and_has_ignored_our_mail_hears_from_us(shop: Shop) -> None:
    shop.run("proactive_retention", only="a_word")
    shop.passes(HOUR)
    assert {mail.contact for mail in shop.mails()} == {LATE, FRENCH}
    assert "Vous êtes client chez nous" in shop.mails(FRENCH)[0].text
    assert "You have been a customer of ours" in shop.mails(LATE)[0].text


def test_whoever_becomes_late_later_comes_in_then(shop: Shop) -> None:
    shop.run("proactive_retention", only="a_word")
    shop.passes(10 * DAY, every=DAY)
    assert shop.steps(ON_TIME) == []
    # Twenty days since the last order have become thirty-three.
    shop.passes(4 * DAY, every=DAY)
    assert shop.steps(ON_TIME) == ["word"]


@pytest.mark.parametrize(
    ("answer", "attributes", "tasks"),
    [
        ("all_well", {}, []),
        ("too_much_mail", {"wishes_less_mail": True}, []),
        ("not_found", {}, ["ask_what"]),
        ("", {}, []),
    ],
)
def test_each_answer_has_its_consequence(
    shop: Shop, store: Store, answer: str, attributes: dict[str, bool], tasks: list[str]
) -> None:
    shop.run("proactive_retention", only="a_question")
    shop.passes(HOUR)
    if answer:
        shop.happens("click", LATE, link=answer, message_key="m")
    shop.passes(6 * DAY, every=DAY)
    assert shop.steps(LATE) == ["question"]
    with store.read() as connection:
        assert contacts.get(connection, LATE).attributes == attributes
        assert [(one.contact_id, one.step_key) for one in alerts.list_alerts(connection)] == [
            (LATE, one) for one in tasks
        ]
    assert shop.entries(LATE)[0].exit_reason == "completed"


def test_an_order_ends_it_and_a_way_out_is_taken_at_once(shop: Shop, store: Store) -> None:
    shop.run("proactive_retention", only="a_question")
    shop.passes(HOUR)
    shop.buys(LATE)
    with store.write() as connection:
        opt_out(connection, FRENCH, "email", "the page", shop.clock.now())
    shop.passes(6 * DAY, every=DAY)
    assert shop.entries(LATE)[0].exit_reason == "goal"
    assert shop.entries(FRENCH)[0].exit_reason == "consent_withdrawn"


def test_who_was_written_to_three_times_this_week_waits_for_room(shop: Shop, store: Store) -> None:
    from memory import cap

    with store.write() as connection:
        locked = cap.lock(connection, [LATE], 3)
        for number, ago in enumerate((6, 5, 4)):
            limits = cap.Cap(3, 7)
            key = f"other-{number}"
            assert cap.reserve(connection, {LATE: key}, locked, cap=limits, at=NOW - ago * DAY) == {LATE}
            cap.settle(connection, [(LATE, key)], NOW - ago * DAY)
            locked = cap.lock(connection, [LATE], 3)
    shop.run("proactive_retention", only="a_word")
    shop.passes(12 * HOUR, every=HOUR)
    assert shop.steps(LATE) == []
    shop.passes(2 * DAY, every=2 * HOUR)
    assert shop.steps(LATE) == ["word"]


def test_nobody_comes_in_again_within_four_months(shop: Shop) -> None:
    shop.run("proactive_retention", only="a_word")
    shop.passes(30 * DAY, every=5 * DAY)
    assert [one.occurrence for one in shop.entries(LATE)] == [1]
    assert shop.steps(LATE) == ["word"]


def test_the_holdout_hears_nothing(shop: Shop, store: Store) -> None:
    many = range(10, 50)
    add_contacts(store, many)
    orders = [
        {"order_id": f"o{one}-{ago}", "contact_id": one, "at": NOW - ago * DAY, "total_cents": 900}
        for one, ago in ordered(*many)
    ]
    shop.place.lake.append(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, orders), batch_id="many")
    shop.place.lake.append(LakeTable.SENDS, as_rows(LakeTable.SENDS, sent_to(many, (9,))), batch_id="sent")
    shop.run("proactive_retention", holdout_share=0.3)
    shop.passes(DAY, every=12 * HOUR)
    held_out = {one for one in many if shop.entries(one)[0].in_holdout}
    assert held_out
    assert {mail.contact for mail in shop.mails()} & set(many) == set(many) - held_out


def test_a_late_morning_of_another_zone_is_waited_for(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(store, [LATE], time_zone="America/New_York")
    shop = open_shop(store, clock, tmp_path)
    orders = [{"order_id": f"o{ago}", "contact_id": LATE, "at": NOW - ago * DAY, "total_cents": 900} for ago in RHYTHM]
    shop.place.lake.append(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, orders), batch_id="orders")
    shop.place.lake.append(LakeTable.SENDS, as_rows(LakeTable.SENDS, sent_to((LATE,), (12,))), batch_id="sends")
    shop.run("proactive_retention", only="a_word")
    shop.passes(DAY, every=HOUR)
    [mail] = shop.mails(LATE)
    # Nine o'clock in New York.
    assert timedelta() <= mail.at - (NOW + 5 * HOUR) < HOUR


def test_late_customers_who_ignore_our_mail_lead_to_a_proposal(store: Store, tmp_path: Path) -> None:
    proposal, why = propose(
        store, tmp_path, "proactive_retention", orders=orders_of(range(1, 161), (*RHYTHM, 185)),
        sends=sent_to(range(1, 161), (12,)), signal_at=NOW - 35 * DAY,
    )  # fmt: skip
    assert proposal is not None, why
    assert proposal.play.trigger.kind == "segment"
    assert proposal.audience.reachable == 160
    assert proposal.play.goal.window_days == 28


def test_customers_on_time_lead_to_none(store: Store, tmp_path: Path) -> None:
    on_time = [ago - 20 for ago in (*RHYTHM, 185, 215)]
    proposal, why = propose(
        store,
        tmp_path,
        "proactive_retention",
        orders=orders_of(range(1, 161), on_time),
        sends=sent_to(range(1, 161), (9,)),
    )
    assert proposal is None
    assert "Nobody shows its signal now" in why
