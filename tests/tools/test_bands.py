"""Contacts of a band enter by the shares of their band, and what they were drawn by is kept with them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from memory import allocations, campaigns
from memory.allocations import NOBODY, Allocation, allocation_id_of
from memory.bands import Bands
from memory.clock import ManualClock
from memory.lake import LakeTable
from memory.play import Play
from memory.schema import enrolments
from memory.snapshot import refresh
from memory.steps import Sequence
from memory.store import Store
from tests.memory.builders import as_rows, purchase
from tests.tools.scene import DAY, NOW, Chosen, add_contacts, play, workplace
from tests.tools.test_trigger import cart_play, left_cart, run
from tools.audience import preview
from tools.worker import tick
from tools.workplace import Workplace

LOYAL, OTHERS = range(1, 31), range(31, 61)
BANDS = Bands(feature="orders_count", cuts=(2,))


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    """Half of the contacts ordered twice, the others never."""
    found = workplace(any_store, clock, tmp_path)
    add_contacts(any_store, [*LOYAL, *OTHERS])
    bought = [
        purchase(f"o{turn}-{one}", one, NOW - turn * 10 * DAY, ("coffee", 900)) for one in LOYAL for turn in (1, 2)
    ]
    found.lake.upsert(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, [order for order, _ in bought]))
    found.lake.upsert(LakeTable.LINES, as_rows(LakeTable.LINES, [line for _, lines in bought for line in lines]))
    return found


def two_carts(*shares: dict[str, float]) -> Play:
    steps = cart_play().sequences[0].steps
    sequences = tuple(Sequence(key=key, title=key, steps=steps, share=0.5) for key in ("one", "two"))
    return cart_play(sequences=sequences, bands=BANDS, band_shares=shares)


def drawn(place: Workplace) -> dict[int, set[tuple[str, float]]]:
    """By band, what was drawn and with which probability."""
    with place.store.read() as connection:
        rows = connection.execute(select(enrolments)).all()
    assert {row.contact_id for row in rows if row.band} == set(LOYAL)
    return {band: {(row.sequence_key, row.probability) for row in rows if row.band == band} for band in (0, 1)}


def test_whoever_a_trigger_lets_in_draws_by_the_shares_of_their_band(place: Workplace) -> None:
    run(place, two_carts({"one": 1.0, "two": 0.0}, {"one": 0.25, "two": 0.75}))
    for one in (*LOYAL, *OTHERS):
        left_cart(place, one)
    tick(place)
    assert drawn(place) == {0: {("one", 1.0)}, 1: {("one", 0.25), ("two", 0.75)}}


def test_whoever_came_a_moment_ago_is_let_in_too_in_the_lowest_band(place: Workplace) -> None:
    """The lake does not know them yet: nobody is lost for the number that nobody could read."""
    run(place, two_carts({"one": 1.0, "two": 0.0}, {"one": 0.0, "two": 1.0}))
    add_contacts(place.store, [99])
    left_cart(place, 99)
    left_cart(place, 1)
    tick(place)
    with place.store.read() as connection:
        rows = connection.execute(select(enrolments)).all()
    assert {(row.contact_id, row.band, row.sequence_key) for row in rows} == {(99, 0, "one"), (1, 1, "two")}


def test_one_band_may_be_left_alone_while_the_other_is_written_to(place: Workplace, clock: ManualClock) -> None:
    campaign_id = run(place, two_carts())
    at = clock.now() + timedelta(minutes=1)
    with place.store.write() as connection:
        found = Allocation(
            allocation_id=allocation_id_of(campaign_id, at),
            campaign_id=campaign_id,
            version=1,
            state="applied",
            before=campaigns.shares(connection, campaign_id, 1),
            shares=({"one": 0.0, "two": 0.0, NOBODY: 1.0}, {"one": 0.0, "two": 1.0, NOBODY: 0.0}),
            evidence={},
            reason="",
            decided_at=at,
            applied_at=at,
        )
        assert allocations.keep(connection, found, at=at)
    for one in (*LOYAL, *OTHERS):
        left_cart(place, one)
    tick(place)
    assert drawn(place) == {0: {(NOBODY, 1.0)}, 1: {("two", 1.0)}}


def test_a_campaign_that_begins_once_counts_its_bands_and_draws_by_them(place: Workplace) -> None:
    steps = play().sequences[0].steps
    sequences = tuple(Sequence(key=key, title=key, steps=steps, share=0.5) for key in ("one", "two"))
    everybody: dict[str, Any] = {"type": "all", "of": []}
    wanted = play(
        audience=everybody,
        sequences=sequences,
        bands=BANDS,
        band_shares=({"one": 1.0, "two": 0.0}, {"one": 0.0, "two": 1.0}),
    )
    refresh(place.store, place.lake)
    seen = preview(place.store, place.lake, place.pack, wanted, at=NOW)
    assert seen.bands == (len(OTHERS), len(LOYAL))
    run(place, wanted)
    assert drawn(place) == {0: {("one", 1.0)}, 1: {("two", 1.0)}}


def test_whose_number_is_not_on_record_is_in_the_lowest_band(place: Workplace) -> None:
    unknown: Any = Chosen([1, 2, 31])
    seen = preview(place.store, place.lake, place.pack, play(bands=BANDS), at=NOW, features=unknown)
    assert seen.bands == (3, 0)
