"""The real intake understands what the market reports."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from evals.market.event import Delivered, MarketEvent
from evals.market.handover import contact_ids, incoming
from evals.market.history import Histories
from evals.market.market import Market
from evals.market.world import World
from evals.shop.export import CUT_OFF
from memory.events import KINDS
from memory.lake import Lake
from memory.schema import contact_aliases, contacts, intake
from memory.store import Store
from tools.drain import drain
from tools.intake import receive

WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def week(histories: Histories) -> list[MarketEvent]:
    """A week of a market in which mailboxes die often, so that each kind of event but one is seen."""
    world = World.draw("normal", 3).model_copy(
        update={"dead_mailbox_share": 0.03, "unsubscribe_share": 0.02, "complaint_share": 0.02}
    )
    market = Market(world, histories, starts_at=CUT_OFF)
    mail = [
        Delivered(contact, f"m-{contact}", "autumn", None, CUT_OFF, is_offer=False)
        for contact in histories.contact_ids.tolist()[:400]
    ]
    mailed = {message.contact_id for message in mail}
    return [event for event in market.advance(CUT_OFF, CUT_OFF + WEEK, mail) if event.contact_id in mailed]


def test_every_kind_of_event_is_one_that_noria_counts(week: list[MarketEvent]) -> None:
    kinds = {event.kind for event in week}
    assert kinds == {"order", "visit", "click", "unsubscribe", "complaint", "bounce"}
    assert kinds <= set(KINDS)


def test_clicks_of_scanners_are_told_from_those_of_people(week: list[MarketEvent]) -> None:
    clicks = [(event, incoming(event).human) for event in week if event.kind == "click"]
    assert {human for _, human in clicks} == {True, False}
    assert all(human == (":machine:" not in event.event_id) for event, human in clicks)
    assert all(incoming(event).human for event in week if event.kind != "click")


def test_a_week_goes_through_the_intake_into_the_lake(
    week: list[MarketEvent], histories: Histories, store: Store, tmp_path: Path
) -> None:
    with store.write() as connection:
        connection.execute(
            insert(contacts),
            [
                {"contact_id": contact, "email": f"{contact}@example.com", "created_at": CUT_OFF, "updated_at": CUT_OFF}
                for contact in histories.contact_ids.tolist()[:400]
            ],
        )
    receipt = receive(store, [incoming(event) for event in week], CUT_OFF + WEEK)
    assert (receipt.accepted, receipt.duplicates, receipt.strangers) == (len(week), 0, 0)
    assert receive(store, [incoming(event) for event in week], CUT_OFF + WEEK).duplicates == len(week)
    with store.read() as connection:
        kept = connection.execute(select(intake.c.properties)).scalars().all()
    assert all(properties["simulated"] is True for properties in kept)

    lake = Lake(tmp_path / "lake")
    assert drain(store, lake) == len(week)
    orders = [event.properties for event in week if event.kind == "order"]
    sql = lake.connect().con
    counted = sql.execute("SELECT count(*), sum(total_cents) FROM orders").fetchall()[0]
    assert counted == (len(orders), sum(order["total_cents"] for order in orders))
    lines = sql.execute("SELECT count(*), sum(amount_cents) FROM lines").fetchall()[0]
    assert lines == (sum(len(order["lines"]) for order in orders), sum(order["total_cents"] for order in orders))
    assert Counter(dict(sql.execute("SELECT kind, count(*) FROM events GROUP BY 1").fetchall())) == Counter(
        event.kind for event in week
    )


def test_contacts_are_known_by_the_ids_of_the_source_that_named_them(store: Store) -> None:
    with store.write() as connection:
        connection.execute(
            insert(contacts),
            [{"contact_id": number, "created_at": CUT_OFF, "updated_at": CUT_OFF} for number in (1, 2)],
        )
        connection.execute(
            insert(contact_aliases),
            [
                {"source": "shop", "alias": "C00042", "contact_id": 2},
                {"source": "elsewhere", "alias": "C00042", "contact_id": 1},
            ],
        )
    assert contact_ids(store, "shop") == {"C00042": 2}
