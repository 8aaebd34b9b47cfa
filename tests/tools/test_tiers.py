"""Offers by the value of the open cart: the best tier that is met, and none where none is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import update

from memory import contacts
from memory.clock import ManualClock
from memory.play import Offer, Play
from memory.proposal import ProposalStatus
from memory.schema import offers
from memory.store import Store
from tests.tools.scene import DAY, NOW, add_contacts, approve, outbox, reasons, start, workplace
from tests.tools.test_codes import coupons, mail
from tools.intake import Incoming, receive
from tools.launch import launch
from tools.tiers import by_tier
from tools.worker import tick
from tools.workplace import Workplace

PLAIN = "You left something.{% if offer.label %} You get {{ offer.label }}.{% endif %}"
NEEDS = "You get {{ offer.label }}."


def offer(percent: int, minimum: int) -> Offer:
    return Offer(
        offer_id=f"tier{percent}",
        kind="percent",
        value=percent * 100,
        labels={"en": f"{percent} % off"},
        minimum_basket_cents=minimum,
        starts_at=NOW - DAY,
        ends_at=NOW + 60 * DAY,
    )


SMALL, MIDDLE, LARGE = offer(5, 5_000), offer(10, 10_000), offer(15, 20_000)
BASKETS = {1: 4_999, 2: 5_000, 3: 10_001, 4: 1_000_000, 5: None}
"""The fifth contact has no cart."""


def tiered(body: str = PLAIN, **changes: Any) -> Play:
    play = coupons(mail("first", body), offer=SMALL)
    return play.model_copy(update={"tiers": (LARGE, MIDDLE), **changes})


def cart(contact_id: int, cents: object, minute: int = 0) -> Incoming:
    return Incoming(
        event_id=f"cart-{contact_id}-{minute}",
        kind="cart",
        at=NOW.replace(minute=minute) - DAY,
        contact=contact_id,
        properties={"value_cents": cents},
    )


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    found = workplace(any_store, clock, tmp_path)
    add_contacts(any_store, BASKETS)
    with any_store.write() as connection:
        for one in (SMALL, MIDDLE, LARGE):
            connection.execute(offers.insert().values(**one.model_dump(exclude={"single_use"}), approved_by="marie"))
    receive(any_store, [cart(one, cents) for one, cents in BASKETS.items() if cents is not None], NOW)
    return found


def promised(folder: Path) -> dict[str, int]:
    texts = [content.decode() for content in outbox(folder).values()]
    return {
        label: sum(label.replace("=", "=3D") in text for text in texts)
        for label in ("5 % off", "10 % off", "15 % off", "You get")
    }


def test_each_contact_gets_the_best_tier_that_the_open_cart_meets(place: Workplace, tmp_path: Path) -> None:
    start(place, tiered(), BASKETS)
    tick(place)
    assert reasons(place.store) == {"sent": {"": 5}}
    # "15 % off" holds "5 % off" too.
    assert promised(tmp_path) == {"5 % off": 2, "10 % off": 1, "15 % off": 1, "You get": 3}


def test_a_message_that_needs_an_offer_is_held_where_no_tier_is_met(place: Workplace) -> None:
    with place.store.read() as connection:
        assert contacts.get(connection, 1).open_cart_at is not None
    wanted = tiered(NEEDS)
    # Whoever meets none does not even enter.
    launched = start(place, wanted, BASKETS)
    assert launched.audience is not None
    assert {one.rule: one.contacts for one in launched.audience.subtractions} == {"bindings": 2}
    receive(place.store, [cart(2, 10, minute=5)], NOW)
    tick(place)
    assert reasons(place.store) == {"sent": {"": 2}, "planned": {"bindings": 1}}


def test_a_tier_that_changed_voids_the_launch_and_stops_its_own_messages(place: Workplace) -> None:
    start(place, tiered(), BASKETS)
    with place.store.write() as connection:
        connection.execute(update(offers).where(offers.c.offer_id == "tier15").values(value=9_000))
    approve(place.store, tiered(), proposal_id="p2", at=place.clock.now())
    again = launch(place, "p2")
    assert (again.status, "tier15" in again.sentence or "changed" in again.sentence) == (ProposalStatus.VOIDED, True)
    tick(place)
    assert reasons(place.store) == {"sent": {"": 4}, "suppressed": {"offer": 1}}


def test_the_cart_tells_its_newest_value_and_an_order_closes_it(place: Workplace) -> None:
    def shown(contact_id: int) -> str:
        with place.store.read() as connection:
            return next(
                (play.offer.offer_id if play.offer else "")
                for play, _ in by_tier(connection, tiered(), [contact_id], int)
            )

    assert shown(2) == "tier5"
    receive(place.store, [cart(2, 30_000, minute=5), cart(2, 10, minute=1)], NOW)
    assert shown(2) == "tier15"
    for minute, nonsense in enumerate(("30000", True, -1, 1.5, None), start=10):
        receive(place.store, [cart(2, nonsense, minute=minute)], NOW)
        assert shown(2) == ""
    receive(place.store, [cart(2, 30_000, minute=30)], NOW)
    bought = {"order_id": "o", "currency": "EUR", "total_cents": 1, "discount_cents": 0, "lines": []}
    receive(place.store, [Incoming(event_id="o", kind="order", at=NOW, contact=2, properties=bought)], NOW)
    assert shown(2) == ""


def test_tiers_stand_beside_an_offer_and_each_begins_elsewhere() -> None:
    values = tiered().model_dump(mode="json")
    assert Play.model_validate(values).digest != Play.model_validate({**values, "tiers": []}).digest
    for wrong in ({"offer": None}, {"tiers": [values["offer"]]}, {"tiers": [*values["tiers"], values["tiers"][0]]}):
        with pytest.raises(ValidationError, match="minimum basket of its own"):
            Play.model_validate({**values, **wrong})
