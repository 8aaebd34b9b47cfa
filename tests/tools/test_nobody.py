"""Whoever draws nobody is counted and gets nothing; the others draw by the shares of the day."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from memory import allocations, campaigns
from memory.allocations import NOBODY, Allocation, allocation_id_of
from memory.clock import ManualClock
from memory.play import Play
from memory.schema import messages
from memory.steps import Sequence
from memory.store import Store
from tests import examples
from tests.tools.scene import DAY, PROOF, add_contacts, counts, workplace
from tests.tools.test_trigger import MINUTE, cart_play, inside, left_cart, run
from tools.unsubscribe import stop_contact
from tools.worker import tick
from tools.workplace import Workplace

CONTACTS = range(1, 61)


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    return workplace(any_store, clock, tmp_path)


def two_carts() -> Play:
    steps = cart_play().sequences[0].steps
    return cart_play(sequences=tuple(Sequence(key=key, title=key, steps=steps, share=0.5) for key in ("one", "two")))


def give(place: Workplace, campaign_id: str, shares: dict[str, float]) -> None:
    """Put shares in force as a decision does."""
    at = place.clock.now()
    with place.store.write() as connection:
        found = Allocation(
            allocation_id=allocation_id_of(campaign_id, at),
            campaign_id=campaign_id,
            version=1,
            state="applied",
            before=campaigns.shares(connection, campaign_id, 1),
            shares=(shares,),
            evidence={},
            reason="",
            decided_at=at,
            applied_at=at,
        )
        assert allocations.keep(connection, found, at=at)


def test_contacts_enter_by_the_shares_of_the_day_and_each_keeps_the_probability(
    place: Workplace, clock: ManualClock
) -> None:
    add_contacts(place.store, CONTACTS)
    campaign_id = run(place, two_carts())
    give(place, campaign_id, {"one": 0.1, "two": 0.4, NOBODY: 0.5})
    for one in CONTACTS:
        left_cart(place, one)
    tick(place)
    entered = inside(place, campaign_id)
    assert len(entered) == len(CONTACTS)
    assert {(one.sequence_key, one.probability) for one in entered} == {("one", 0.1), ("two", 0.4), (NOBODY, 0.5)}
    assert 18 <= sum(one.sequence_key == NOBODY for one in entered) <= 42


def test_whoever_draws_nobody_has_left_and_is_never_written_to(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, CONTACTS)
    campaign_id = run(place, two_carts())
    give(place, campaign_id, {"one": 0.2, "two": 0.2, NOBODY: 0.6})
    for one in CONTACTS:
        left_cart(place, one)
    for wait in (0 * MINUTE, 20 * MINUTE, DAY):
        clock.advance(wait)
        tick(place)
    silent = [one for one in inside(place, campaign_id) if one.sequence_key == NOBODY]
    assert {(one.state, one.exit_reason, one.exited_at == one.entered_at) for one in silent} == {
        ("exited", NOBODY, True)
    }
    with place.store.read() as connection:
        written = set(connection.execute(select(messages.c.contact_id)).scalars())
    assert written == set(CONTACTS) - {one.contact_id for one in silent}
    with place.store.write() as connection:
        assert stop_contact(connection, silent[0].contact_id, "email", "consent_withdrawn", clock.now()) == (0, 0)


def test_whoever_may_not_be_written_to_is_not_let_in_as_nobody_either(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, CONTACTS, consent="", proof=PROOF)
    campaign_id = run(place, two_carts())
    give(place, campaign_id, {"one": 0.1, "two": 0.1, NOBODY: 0.8})
    for one in CONTACTS:
        left_cart(place, one)
    tick(place)
    assert inside(place, campaign_id) == []
    assert counts(place.store) == {}


def test_no_sequence_can_bear_the_name_of_those_who_get_nothing() -> None:
    steps = examples.play().sequences[0].steps
    for name in ("nobody", "holdout"):
        with pytest.raises(ValueError, match=f"no sequence may be called {name}"):
            examples.play(sequences=(Sequence(key=name, title="One", steps=steps, share=1),))
