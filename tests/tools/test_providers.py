"""Campaigns through providers that misbehave, and reports that come late, twice and in any order."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from memory.clock import ManualClock
from memory.play import Play
from memory.schema import messages, suppressions
from memory.store import Store
from tests.tools.channels.callers import CALLERS
from tests.tools.channels.providers import KEY, PROVIDERS, Provider
from tests.tools.scene import NOW, add_contacts, address, counts, play, start, workplace
from tests.tools.test_other_channels import of, text
from tools.channels.provider import ProviderChannel
from tools.channels.vendors import VENDORS
from tools.intake import receive
from tools.worker import tick
from tools.workplace import Workplace

FAULTS: list[int | str] = [429, 500, "cut", "cut after", "cut body", "page", "garbage", 503, "slow", 401]
CONTACTS = 24


def campaign(server: Provider) -> Play:
    """One message on the channel that the provider carries."""
    return play() if VENDORS[server.vendor].carries == "email" else of(text())


def people(place: Workplace, server: Provider, ids: Sequence[int]) -> None:
    add_contacts(place.store, ids, channel=VENDORS[server.vendor].carries)


def who(server: Provider, contact_id: int) -> str:
    """The contact's address as the provider knows it."""
    return address(contact_id) if VENDORS[server.vendor].carries == "email" else f"+3360000{contact_id:04}"


def rows(store: Store) -> list[Any]:
    with store.read() as connection:
        return list(connection.execute(select(messages).order_by(messages.c.message_id)).all())


@pytest.fixture(params=PROVIDERS)
def server(request: pytest.FixtureRequest) -> Iterator[Provider]:
    with PROVIDERS[request.param]() as found:
        yield found


@pytest.fixture
def place(server: Provider, store: Store, clock: ManualClock, tmp_path: Path) -> Iterator[Workplace]:
    channel = server.channel(connections=2)
    assert isinstance(channel, ProviderChannel)
    # So that a campaign of some contacts is several requests, and each may meet another fault.
    channel._group = min(channel._group, 3)
    yield workplace(store, clock, tmp_path, channels={VENDORS[server.vendor].carries: channel})
    channel.close()


@pytest.mark.slow(seconds=8)
def test_through_every_fault_nothing_is_lost_and_nothing_is_doubled(
    server: Provider, place: Workplace, clock: ManualClock
) -> None:
    people(place, server, range(1, CONTACTS + 1))
    server.faults = [*FAULTS]
    start(place, campaign(server), range(1, CONTACTS + 1))
    for _ in range(6):
        tick(place)
        clock.advance(timedelta(minutes=30))
    found = rows(place.store)
    assert max(server.delivered.values()) == 1
    # Every message has an end, and what is called sent or failed is so.
    assert {row.state for row in found} <= {"sent", "unknown"}
    assert {row.message_key for row in found if row.state == "sent"} <= set(server.delivered)
    assert sum(counts(place.store).values()) == CONTACTS
    for row in found:
        assert row.state == "sent" or row.reason
        assert KEY not in str(row.reason)
        assert "@" not in str(row.reason)
        assert "+336" not in str(row.reason)
    # The reports then say of the unknown ones that were delivered that they were; of the others nobody ever hears.
    caller, at = CALLERS[server.vendor](), clock.now()
    named = {row.message_key: row.contact_id for row in found}
    calls = [
        caller.say("delivered", address=who(server, named[key]), key=key, at=at, event_id=f"e-{key}")
        for key in server.delivered
    ]
    webhook = caller.webhook()
    for call in random.Random(7).sample(calls * 2, 2 * len(calls)):
        assert webhook.problem(call, at) == ""
        receive(place.store, webhook.read(call, at), at)
    after = rows(place.store)
    assert {row.message_key for row in after if row.state == "sent"} == set(server.delivered)


def test_a_provider_that_asks_everybody_for_patience_gets_it_and_the_messages_wait(
    place: Workplace, server: Provider, clock: ManualClock
) -> None:
    people(place, server, range(1, 7))
    server.faults, server.retry_after = [429] * 50, "900"
    start(place, campaign(server), range(1, 7))
    tick(place)
    assert counts(place.store) == {"planned": 6}
    # One answer speaks for those who come after it.
    assert len(server.requests) <= 2
    assert all(row.due_at >= clock.now() + timedelta(minutes=14) for row in rows(place.store))
    server.faults, server.retry_after = [], ""


def test_a_wrong_key_sends_nothing_loses_nothing_and_is_named_without_being_shown(
    server: Provider, store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    channel = server.channel(key="a wrong key that nobody may see")
    if server.vendor == "ses":
        server.status, server.answer = 403, {"message": "The request signature does not match"}
    place = workplace(store, clock, tmp_path, channels={VENDORS[server.vendor].carries: channel})
    people(place, server, [1, 2])
    start(place, campaign(server), [1, 2])
    tick(place)
    channel.close()
    assert counts(place.store) == {"planned": 2}
    for row in rows(place.store):
        assert row.reason.startswith(f"{VENDORS[server.vendor].title} does not take our messages: 40")
        assert "wrong key" not in row.reason
    if server.vendor != "ses":
        assert not server.delivered


REPORTS = [
    ("delivered", "sent", None),
    ("accepted", "sent", None),
    ("bounce", "failed", "hard_bounce"),
    ("complaint", "unknown", "complained"),
    ("unsubscribe", "unknown", "unsubscribed"),
]


@pytest.mark.parametrize(("kind", "state", "suppression"), REPORTS)
def test_a_report_settles_what_nobody_knew_and_stops_what_must_stop(
    store: Store, clock: ManualClock, tmp_path: Path, kind: str, state: str, suppression: str | None
) -> None:
    caller = CALLERS["sendgrid"]()
    with PROVIDERS["sendgrid"]() as server:
        channel = server.channel()
        place = workplace(store, clock, tmp_path, channel)
        add_contacts(place.store, [1])
        server.faults = ["cut after"]
        start(place, play(), [1])
        tick(place)
        channel.close()
    (row,) = rows(store)
    assert row.state == "unknown"
    call = caller.say(kind, address=address(1), key=row.message_key, at=NOW)
    for _ in range(2):
        receive(store, caller.webhook().read(call, NOW), NOW)
    (row,) = rows(store)
    assert row.state == state
    with store.read() as connection:
        assert connection.execute(select(suppressions.c.reason)).scalar() == suppression


def test_a_report_on_an_address_that_has_changed_since_is_known_by_the_message(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    caller = CALLERS["sendgrid"]()
    with PROVIDERS["sendgrid"]() as server:
        channel = server.channel()
        place = workplace(store, clock, tmp_path, channel)
        add_contacts(place.store, [1])
        start(place, play(), [1])
        tick(place)
        channel.close()
    (row,) = rows(store)
    call = caller.say("delivered", address="former@shop.example.com", key=row.message_key, at=NOW)
    assert receive(store, caller.webhook().read(call, NOW), NOW).strangers == 0
