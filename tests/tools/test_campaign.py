"""Pausing, resuming and stopping one campaign."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from memory import campaigns, enrolments, ledger
from memory.clock import ManualClock
from memory.errors import ConflictError
from memory.schema import campaign_versions
from memory.store import Store
from tests.tools.scene import DAY, add_contacts, counts, outbox, play, reasons, start, workplace
from tools import campaign
from tools.worker import tick
from tools.workplace import Workplace

WHO = {"actor": "cli:marie", "reason": "The shop is closed"}


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    return workplace(any_store, clock, tmp_path)


def _act(place: Workplace, act: object, campaign_id: str) -> campaigns.Campaign:
    assert callable(act)
    with place.store.write() as connection:
        found = act(connection, campaign_id, at=place.clock.now(), **WHO)
    assert isinstance(found, campaigns.Campaign)
    return found


def test_a_paused_campaign_sends_nothing_until_it_is_resumed(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, [1, 2])
    launched = start(place, play(), [1, 2])
    assert _act(place, campaign.pause, launched.campaign_id).status == "paused"
    tick(place)
    assert outbox(tmp_path) == {}
    assert _act(place, campaign.resume, launched.campaign_id).status == "live"
    tick(place)
    assert len(outbox(tmp_path)) == 2


def test_a_drifted_campaign_cannot_be_resumed(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, [1])
    launched = start(place, play(), [1])
    with place.store.write() as connection:
        body = {**campaigns.get_version(connection, launched.campaign_id, 1).body, "owner": "eve"}
        connection.execute(update(campaign_versions).values(body=body))
    tick(place)
    with pytest.raises(ConflictError, match="not what was approved"):
        _act(place, campaign.resume, launched.campaign_id)
    tick(place)
    assert outbox(tmp_path) == {}


def test_a_stopped_campaign_cancels_what_is_planned_and_lets_everybody_out(place: Workplace, tmp_path: Path) -> None:
    add_contacts(place.store, [1, 2])
    launched = start(place, play(), [1, 2])
    assert _act(place, campaign.stop, launched.campaign_id).status == "cancelled"
    tick(place)
    assert outbox(tmp_path) == {}
    assert reasons(place.store) == {"suppressed": {"cancelled": 2}}
    with place.store.read() as connection:
        assert ledger.reconcile(connection).balances
        assert {one.state for one in enrolments.of_campaign(connection, launched.campaign_id)} == {"exited"}
    with pytest.raises(ConflictError, match="nothing left to stop"):
        _act(place, campaign.stop, launched.campaign_id)


def test_a_campaign_stopped_after_its_first_mail_is_still_measured(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1, 2])
    launched = start(place, play(), [1, 2])
    tick(place)
    assert counts(place.store)["sent"] == 2
    clock.advance(DAY)
    found = _act(place, campaign.stop, launched.campaign_id)
    assert found.status == "finished"
    assert found.ends_at > clock.now()


def test_a_half_finished_launch_cannot_be_opened_by_hand(place: Workplace) -> None:
    add_contacts(place.store, [1])
    launched = start(place, play(), [1])
    with pytest.raises(ConflictError, match="Only a paused campaign"):
        _act(place, campaign.resume, launched.campaign_id)
