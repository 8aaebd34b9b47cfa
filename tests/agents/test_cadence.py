"""The rhythm of a series: slower where letters tire or drive people away, faster only behind its bound, else kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import update

from agents.cadence import cadence
from agents.desk import Desk
from agents.playbook import Playbook
from agents.series import rhythm
from memory import consents
from memory.campaigns import campaign_id_of
from memory.clock import ManualClock
from memory.lake import LakeTable
from memory.schema import campaigns
from memory.store import Store
from policies.pack import Pack
from tests import examples
from tests.agents.trial import START, desk_of, launch
from tests.agents.world import playbooks
from tests.memory.builders import Row, as_rows, purchase
from tests.policies.worlds import own_pack
from tools.intake import Incoming, receive

DAY = timedelta(days=1)
OUT, WRITTEN = range(1, 201), range(201, 1_001)
"""A fifth is held out."""


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    return desk_of(store, tmp_path, clock)


def newsletter(**changes: Any) -> Playbook:
    """Weekly or every two weeks, and read for as long."""
    known = playbooks()["newsletter"]
    values = {"days_between": 7, "rhythms": (7, 14), "goal": {"window_days": 14}, **changes}
    return Playbook.model_validate({**known.model_dump(), **values})


def send(
    desk: Desk,
    every: int,
    bought: Sequence[float],
    anyway: float = 0.1,
    written: Sequence[int] = WRITTEN,
    out: Sequence[int] = OUT,
) -> list[str]:
    """A series of letters, after each of which these shares of those written to, and of those held out, order.

    Others order after each letter, as in a shop where nobody's habit tells. Returns the letters' ids.
    """
    first, pairs = campaign_id_of("letter0"), list[tuple[Row, list[Row]]]()
    for number, share in enumerate(bought):
        key = {"holdout_key": first} if number else {}
        play = examples.play(playbook="newsletter", goal={"window_days": 14}, holdout_share=0.2, **key)
        at = START + number * every * DAY
        launch(
            desk.store, treated=written, holdout=out, proposal_id=f"letter{number}", play=play, starts_at=at,
            known=bool(number),
        )  # fmt: skip
        buyers = [*taken(written, share, number), *taken(out, anyway, number)]
        pairs += [purchase(f"{one}-{number}", one, at + DAY, ("coffee", 2_000)) for one in buyers]
    desk.lake.upsert(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, [order for order, _ in pairs]))
    desk.lake.upsert(LakeTable.LINES, as_rows(LakeTable.LINES, [line for _, lines in pairs for line in lines]))
    ids = [campaign_id_of(f"letter{number}") for number in range(len(bought))]
    with desk.store.write() as connection:
        connection.execute(update(campaigns).where(campaigns.c.campaign_id.in_(ids[1:])).values(holdout_key=first))
    assert isinstance(desk.clock, ManualClock)
    # On the day before the last letter the next one would be due, when all letters but the last have been counted.
    desk.clock.advance_to(START + (len(bought) * every - 1) * DAY)
    return ids


def taken(people: Sequence[int], share: float, turn: int) -> list[int]:
    number = round(share * len(people))
    return [people[(turn * number + one) % len(people)] for one in range(number)]


def moved(desk: Desk, playbook: Playbook) -> tuple[int, str] | None:
    found = cadence(desk, playbook)
    return None if found is None else (found[1].then_days, found[1].cause)


@cache
def capped(messages: int, days: int) -> Pack:
    return own_pack(f"  frequency: {{parameters: {{messages: {messages}, window_days: {days}}}}}\n")


TIRING = (0.4, 0.3, 0.2, 0.1, 0.1, 0.1)
SELLING = (0.5,) * 7
NOTHING = (0.1,) * 7


def test_letters_that_do_less_the_more_came_before_come_more_seldom_and_the_newest_letter_says_why(desk: Desk) -> None:
    ids = send(desk, 7, TIRING)
    found = cadence(desk, newsletter())
    assert found is not None
    about, told = found
    assert about == ids[-1]
    assert (told.cause, told.now_days, told.then_days, told.letters) == ("fewer", 7, 14, 5)
    assert (told.contacts, told.held_out) == (len(WRITTEN), len(OUT))
    assert told.step is not None
    assert 0 < told.step.gain.low < told.value
    assert told.sentence.startswith("By 5 letters to 800 contacts with 200 held out, one every 14 days brings +")


@pytest.mark.parametrize("bought", [NOTHING, SELLING], ids=["no effect", "sells every time"])
def test_letters_that_do_nothing_or_the_same_every_time_keep_their_rhythm(desk: Desk, bought: Sequence[float]) -> None:
    send(desk, 7, bought)
    assert cadence(desk, newsletter()) is None


def test_letters_that_sell_come_more_often_behind_the_bound(desk: Desk) -> None:
    send(desk, 14, SELLING)
    assert moved(desk, newsletter(days_between=14)) == (7, "more")


@pytest.mark.parametrize(
    "world",
    [
        lambda desk: send(desk, 14, NOTHING),
        lambda desk: send(desk, 14, SELLING[:4]),
        lambda desk: send(desk, 14, SELLING, written=WRITTEN[:120], out=OUT[:30]),
    ],
    ids=["no effect", "too few letters", "too few people"],
)
def test_letters_of_which_nobody_can_be_sure_do_not_come_more_often(desk: Desk, world: Callable[[Desk], Any]) -> None:
    world(desk)
    assert cadence(desk, newsletter(days_between=14)) is None


@pytest.mark.parametrize(("days", "allowed"), [(7, True), (10, False)])
def test_no_rhythm_is_ahead_of_the_cap(desk: Desk, days: int, allowed: bool) -> None:
    send(desk, 14, SELLING)
    assert (cadence(replace(desk, pack=capped(1, days)), newsletter(days_between=14)) is not None) is allowed


@pytest.mark.parametrize("rhythms", [(7,), ()], ids=["no slower one", "none but its own"])
def test_a_rhythm_that_the_playbook_does_not_name_is_never_proposed(desk: Desk, rhythms: tuple[int, ...]) -> None:
    send(desk, 7, TIRING)
    assert cadence(desk, newsletter(rhythms=rhythms)) is None


@pytest.mark.parametrize(("share", "slower"), [(0.06, True), (0.02, False)], ids=["many", "as many as may"])
def test_letters_that_drive_people_away_come_more_seldom(desk: Desk, share: float, slower: bool) -> None:
    send(desk, 7, SELLING[:3], written=WRITTEN[:600], out=OUT[:150])
    with desk.store.write() as connection:
        for number in range(2):
            for one in taken(WRITTEN[:600], share, number):
                consents.withdraw(connection, one, "email", "marketing", START + (number * 7 + 2) * DAY, "the page")
    found = moved(desk, newsletter())
    assert found == ((14, "unsubscribed") if slower else None)


@pytest.mark.parametrize(("number", "slower"), [(15, True), (2, False)])
def test_letters_of_which_people_complain_come_more_seldom(desk: Desk, number: int, slower: bool) -> None:
    send(desk, 7, SELLING[:3], written=WRITTEN[:600], out=OUT[:150])
    at = START + 2 * DAY
    events = [Incoming(event_id=f"e{one}", kind="complaint", at=at, contact=one) for one in WRITTEN[:number]]
    receive(desk.store, events, at)
    assert moved(desk, newsletter()) == ((14, "complained") if slower else None)


def test_whoever_leaves_anyway_does_not_leave_because_of_the_letters(desk: Desk) -> None:
    send(desk, 7, SELLING[:3], written=WRITTEN[:600], out=OUT[:150])
    with desk.store.write() as connection:
        for one in (*WRITTEN[:72], *OUT[:20]):
            consents.withdraw(connection, one, "email", "marketing", START + 2 * DAY, "the page")
    assert cadence(desk, newsletter()) is None


def test_where_people_leave_and_no_slower_rhythm_is_named_letters_do_not_come_more_often_either(desk: Desk) -> None:
    send(desk, 14, SELLING)
    with desk.store.write() as connection:
        for one in taken(WRITTEN, 0.25, 0):
            consents.withdraw(connection, one, "email", "marketing", START + 2 * DAY, "the page")
    assert cadence(desk, newsletter(days_between=14)) is None


def test_a_letter_that_is_paused_is_no_reason_for_another_rhythm(desk: Desk) -> None:
    ids = send(desk, 7, TIRING)
    with desk.store.write() as connection:
        connection.execute(update(campaigns).where(campaigns.c.campaign_id == ids[-1]).values(status="paused"))
    assert cadence(desk, newsletter()) is None


def test_a_playbook_names_its_rhythms_in_order_and_its_own_among_them() -> None:
    for changes in ({"rhythms": (14, 7)}, {"rhythms": (14, 28)}, {"days_between": None}, {"rhythms": (7, 7)}):
        with pytest.raises(ValidationError, match="name the rhythms"):
            newsletter(**changes)


@given(
    rhythms=st.sets(st.integers(1, 90), min_size=1, max_size=5).map(sorted),
    own=st.integers(0, 4),
    cap=st.sampled_from([(1, 7), (3, 7), (1, 10), (2, 30), (1, 60)]),
)
def test_whatever_the_cap_a_rhythm_is_one_that_was_named_or_the_shortest_that_the_cap_lets_be(
    desk_without_letters: Desk, rhythms: list[int], own: int, cap: tuple[int, int]
) -> None:
    playbook = newsletter(rhythms=tuple(rhythms), days_between=rhythms[own % len(rhythms)])
    (messages, window), pack = cap, capped(*cap)
    desk = replace(desk_without_letters, pack=pack)
    with desk.store.read() as connection:
        days = rhythm(connection, desk, playbook).days
    assert days * messages >= window
    assert days in rhythms or days == -(-window // messages)


@pytest.fixture(scope="module")
def desk_without_letters(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    store = Store(f"sqlite:///{folder / 'store.db'}")
    store.migrate()
    return desk_of(store, folder, ManualClock(START))
