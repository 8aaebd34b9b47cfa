"""An advertising audience holds nobody longer than the campaign that put them on it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from memory import campaigns
from memory.clock import ManualClock
from memory.schema import campaign_versions
from memory.steps import ExitStep, Listing, SendStep, Sequence, WaitStep
from memory.store import Store
from memory.workspace import turn_switch
from tests.tools.scene import DAY, add_contacts, counts, play, reasons, start, workplace
from tools import campaign
from tools.channels.sandbox import SandboxChannel
from tools.intake import Incoming, receive
from tools.unsubscribe import opt_out
from tools.worker import tick
from tools.workplace import Workplace

MINUTE = timedelta(minutes=1)


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    names: Any = ("email", "audience")
    add_contacts(any_store, [1, 2], channel="audience")
    return workplace(
        any_store, clock, tmp_path, channels={name: SandboxChannel(tmp_path / "outbox", name) for name in names}
    )


def listed(key: str = "list", action: Any = "add", audience: str = "carts") -> SendStep:
    return SendStep(key=key, channel="audience", listing=Listing(audience=audience, action=action))


def on_a_list(*steps: Any, days: int = 10, **changes: Any) -> Any:
    wait = WaitStep(key="wait", days=days)
    return play(
        sequences=(Sequence(key="one", title="One", steps=(listed(), wait, *steps, ExitStep(key="end")), share=1),),
        **changes,
    )


def said(tmp_path: Path) -> list[str]:
    """What the audience was told: the actions, in the order of the files' making."""
    files = sorted((tmp_path / "outbox").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(path.read_text())["action"] for path in files]


def orders(place: Workplace, contact: int) -> None:
    at = place.clock.now()
    properties = {"order_id": f"o{contact}", "total_cents": 2_000, "currency": "EUR", "lines": []}
    receive(place.store, [Incoming(event_id="e1", kind="order", at=at, contact=contact, properties=properties)], at)


def test_whoever_orders_is_taken_off_within_a_minute_and_the_others_stay(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    start(place, on_a_list(), [1, 2])
    tick(place)
    assert said(tmp_path) == ["add", "add"]
    clock.advance(DAY)
    orders(place, 1)
    tick(place)
    clock.advance(MINUTE)
    tick(place)
    assert said(tmp_path) == ["add", "add", "remove"]
    clock.advance(MINUTE)
    tick(place)
    assert counts(place.store) == {"sent": 3}


def test_whoever_withdraws_is_taken_off_although_they_consent_to_nothing(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    start(place, on_a_list(), [1])
    tick(place)
    with place.store.write() as connection:
        opt_out(connection, 1, "audience", "the page", clock.now())
    tick(place)
    tick(place)
    assert said(tmp_path) == ["add", "remove"]


@pytest.mark.parametrize("how", ["stopped", "finished"])
def test_with_the_end_of_a_campaign_everybody_is_taken_off(
    place: Workplace, clock: ManualClock, tmp_path: Path, how: str
) -> None:
    done = start(place, on_a_list(days=60), [1, 2])
    tick(place)
    if how == "stopped":
        with place.store.write() as connection:
            campaign.stop(connection, done.campaign_id, at=clock.now(), actor="cli:marie", reason="enough")
    else:
        with place.store.read() as connection:
            clock.advance_to(campaigns.get(connection, done.campaign_id).ends_at)
        tick(place)
    tick(place)
    tick(place)
    assert said(tmp_path) == ["add", "add", "remove", "remove"]


def test_whoever_the_play_itself_took_off_is_not_taken_off_again(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    start(place, on_a_list(listed("off", "remove"), days=2), [1])
    for _ in range(4):
        tick(place)
        clock.advance(DAY)
    assert said(tmp_path) == ["add", "remove"]


def test_whom_another_campaign_wants_on_the_audience_stays_until_that_one_ends(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    first = start(place, on_a_list(days=60), [1])
    other = start(place, on_a_list(days=60, playbook="cross_sell"), [1], proposal_id="p2")
    tick(place)
    tick(place)
    assert said(tmp_path) == ["add", "add"]
    for number, one in enumerate((first, other)):
        with place.store.write() as connection:
            campaign.stop(connection, one.campaign_id, at=clock.now(), actor="cli:marie", reason="enough")
        tick(place)
        tick(place)
        assert ("remove" in said(tmp_path)) == (number == 1)


def test_a_stopped_workspace_takes_nobody_off_until_it_may_act_again(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    start(place, on_a_list(), [1])
    tick(place)
    orders(place, 1)
    for stopped in (True, False):
        with place.store.write() as connection:
            turn_switch(connection, stopped=stopped, actor="cli:marie", reason="", at=clock.now())
        tick(place)
        tick(place)
        assert ("remove" in said(tmp_path)) == (not stopped)


def test_a_play_that_somebody_touched_names_no_audience_to_leave(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    start(place, on_a_list(), [1])
    tick(place)
    orders(place, 1)
    with place.store.write() as connection:
        body = connection.execute(campaign_versions.select()).one().body
        body["sequences"][0]["steps"][0]["listing"]["audience"] = "another"
        connection.execute(update(campaign_versions).values(body=body))
    clock.advance(MINUTE)
    tick(place)
    tick(place)
    assert said(tmp_path) == ["add"]


def test_whoever_was_never_put_on_is_never_taken_off(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, [3])
    start(place, on_a_list(), [1, 3])
    tick(place)
    orders(place, 1)
    tick(place)
    tick(place)
    assert said(tmp_path) == ["add", "remove"]
    assert reasons(place.store)["sent"] == {"": 2}
