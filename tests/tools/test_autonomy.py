"""What goes wrong with a campaign that nobody was asked about takes its kind of action down the ladder."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from memory import autonomy, campaigns, consents, proposals, reputation
from memory.clock import ManualClock
from memory.play import Offer, Play
from memory.proposal import Approvals, ProposalStatus
from memory.reputation import Fate
from memory.schema import campaign_versions, offers
from memory.standing import domain_of
from memory.store import Store
from tests import examples
from tests.policies.worlds import base_pack
from tests.tools.scene import NOW, Chosen, add_contacts, outbox, play, workplace
from tools.autonomy import lower_level, raise_level
from tools.campaign import stop
from tools.launch import Launch, launch
from tools.reputation import watch
from tools.worker import tick
from tools.workplace import Workplace

DAY = timedelta(days=1)


@pytest.fixture
def place(store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    add_contacts(store, range(1, 4))
    with store.write() as connection:
        raise_level(connection, "one_off", "auto", actor="cli:marie", reason="it does well", record={}, at=NOW)
    return workplace(store, clock, tmp_path)


def level(store: Store) -> tuple[str, str]:
    with store.read() as connection:
        found = autonomy.rung(connection, "one_off")
    return found.level, found.reason


def approve_alone(place: Workplace, wanted: Play) -> None:
    found = examples.proposal(
        play=wanted, approvals=Approvals(people=1, asks_because=()), created_at=NOW, expires_at=NOW + 3 * DAY
    )
    with place.store.write() as connection:
        proposals.submit(connection, found, author="noria", at=NOW, open_limit=1)
        assert proposals.approve_alone(connection, "p1", NOW)
        proposals.swap_status(connection, "p1", ProposalStatus.OPEN, ProposalStatus.APPROVED, NOW)


def start_alone(place: Workplace, wanted: Play) -> Launch:
    approve_alone(place, wanted)
    chosen: Any = Chosen(range(1, 4))
    return launch(place, "p1", features=chosen)


def test_a_campaign_that_nobody_was_asked_about_is_sent_and_its_kind_stays(place: Workplace, tmp_path: Path) -> None:
    assert start_alone(place, play()).status is ProposalStatus.LAUNCHED
    tick(place)
    assert len(outbox(tmp_path)) == 3
    assert level(place.store)[0] == "auto"


def test_one_that_waits_at_the_door_while_the_level_is_lowered_is_turned_away(place: Workplace) -> None:
    approve_alone(place, play())
    with place.store.write() as connection:
        lower_level(connection, "one_off", "approve", actor="cli:marie", reason="slower", at=NOW)
    done = launch(place, "p1")
    assert done.status is ProposalStatus.VOIDED
    assert "somebody has to be asked" in done.sentence


def test_drift_takes_it_down(place: Workplace, tmp_path: Path) -> None:
    campaign_id = start_alone(place, play()).campaign_id
    with place.store.write() as connection:
        body = campaigns.get_version(connection, campaign_id, 1).body
        connection.execute(update(campaign_versions).values(body={**body, "owner": "eve"}))
    tick(place)
    assert outbox(tmp_path) == {}
    assert level(place.store) == ("approve", f"Campaign {campaign_id} drifted.")


def test_a_refusal_for_what_the_campaign_is_takes_it_down(place: Workplace) -> None:
    values: dict[str, Any] = {"offer_id": "spring", "kind": "percent", "value": 500, "labels": {"en": "5 % off"}}
    offer = Offer(**values, starts_at=NOW - DAY, ends_at=NOW + 60 * DAY)
    with place.store.write() as connection:
        connection.execute(offers.insert().values(**offer.model_dump(exclude={"single_use"}), approved_by="marie"))
    campaign_id = start_alone(place, play(offer=offer)).campaign_id
    with place.store.write() as connection:
        connection.execute(update(offers).values(value=5_000))
    tick(place)
    assert level(place.store) == ("approve", f"The rule offer refused messages of campaign {campaign_id}.")


def test_a_refusal_for_what_a_contact_did_does_not(place: Workplace) -> None:
    start_alone(place, play())
    with place.store.write() as connection:
        consents.withdraw(connection, 1, "email", "marketing", NOW, "the preference page")
    tick(place)
    assert level(place.store)[0] == "auto"


def test_a_stopped_sender_takes_every_kind_down(place: Workplace) -> None:
    sender = domain_of(play().brand.sender_address)
    with place.store.write() as connection:
        reputation.count(connection, [Fate(sender, "a.example", "sent", NOW)] * 200)
        reputation.count(connection, [Fate(sender, "a.example", "complaint", NOW)] * 20)
    assert [one.state for one in watch(place.store, base_pack(), NOW, "worker")] == ["stopped"]
    assert level(place.store)[0] == "approve"


def test_a_person_who_stops_it_takes_it_down(place: Workplace) -> None:
    campaign_id = start_alone(place, play()).campaign_id
    with place.store.write() as connection:
        stop(connection, campaign_id, at=NOW, actor="cli:marie", reason="not now")
    assert level(place.store) == ("approve", "cli:marie stopped the campaign of proposal p1.")
