"""A campaign that cannot show what it is worth waits for its owner, and nothing of it is lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory import campaigns, journal, readouts
from memory.alerts import list_alerts
from memory.campaigns import Campaign
from memory.clock import ManualClock
from memory.errors import ConflictError, InvalidInputError
from memory.play import Limits
from memory.readouts import StoredReadOut, Verdict, readout_id_of
from memory.store import Store
from memory.trigger import SegmentTrigger
from tests.tools.scene import DAY, add_contacts, counts, play, start, workplace
from tools import campaign as steering
from tools.renewal import pause_lapsed, renew
from tools.worker import tick
from tools.workplace import Workplace

REVIEW_DAYS = 14
EVERYBODY = {"type": "all", "of": []}


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    add_contacts(any_store, [1, 2])
    return workplace(any_store, clock, tmp_path)


def running(place: Workplace, **changes: Any) -> str:
    """A campaign with a second mail that is due after the review date."""
    wanted = play(sends=2, wait_days=20, review_days=REVIEW_DAYS, **changes)
    campaign_id = start(place, wanted, [1, 2]).campaign_id
    tick(place)
    return campaign_id


def of(place: Workplace, campaign_id: str) -> Campaign:
    with place.store.read() as connection:
        return campaigns.get(connection, campaign_id)


def looked(place: Workplace, campaign_id: str, verdict: Verdict, planned_at: datetime) -> None:
    row = StoredReadOut(
        readout_id=readout_id_of(campaign_id, 1), campaign_id=campaign_id, look=1, looks_planned=4, verdict=verdict,
        body={}, planned_at=planned_at, read_at=planned_at,
    )  # fmt: skip
    with place.store.write() as connection:
        readouts.keep(connection, row, facts={})


def renewed(place: Workplace, campaign_id: str, *, days: int = 30, reason: str = "we learn from it") -> Campaign:
    at = place.clock.now()
    with place.store.write() as connection:
        return renew(
            connection, place.pack, campaign_id, until=at + days * DAY, at=at, actor="cli:marie", reason=reason
        )


@pytest.mark.parametrize("verdict", [None, "inconclusive", "invalid", "harms"])
def test_without_a_readout_that_says_it_works_it_pauses_on_its_day_and_asks_its_owner(
    place: Workplace, clock: ManualClock, verdict: Verdict | None
) -> None:
    campaign_id = running(place)
    if verdict is not None:
        looked(place, campaign_id, verdict, clock.now() + 5 * DAY)
    clock.advance(REVIEW_DAYS * DAY - timedelta(seconds=1))
    assert pause_lapsed(place) == []
    clock.advance(timedelta(seconds=1))
    assert pause_lapsed(place) == [campaign_id]
    assert pause_lapsed(place) == []
    with place.store.read() as connection:
        [alert] = list_alerts(connection)
        [line] = journal.entries(connection, action="campaign.paused", subject=campaign_id)
    assert (alert.owner, alert.campaign_id) == (of(place, campaign_id).owner, campaign_id)
    assert f"noria campaigns renew {campaign_id}" in alert.task["en"]
    assert (verdict or "no look") in line.payload["reason"]


def test_a_readout_that_works_moves_the_date_on_and_counts_once(place: Workplace, clock: ManualClock) -> None:
    campaign_id = running(place)
    looked(place, campaign_id, "works", clock.now() + 5 * DAY)
    clock.advance(REVIEW_DAYS * DAY)
    assert pause_lapsed(place) == []
    assert of(place, campaign_id).review_at == clock.now() + REVIEW_DAYS * DAY
    clock.advance(REVIEW_DAYS * DAY)
    assert pause_lapsed(place) == [campaign_id]


def test_people_in_flight_wait_and_go_on_after_the_renewal(place: Workplace, clock: ManualClock) -> None:
    campaign_id = running(place)
    clock.advance(REVIEW_DAYS * DAY)
    pause_lapsed(place)
    clock.advance(10 * DAY)
    tick(place)
    assert counts(place.store) == {"sent": 2}
    assert renewed(place, campaign_id).status == "live"
    tick(place)
    assert counts(place.store) == {"sent": 4}
    with place.store.read() as connection:
        assert list_alerts(connection) == []
        assert journal.verify(connection).intact


def test_a_lapsed_campaign_is_not_resumed_past_its_owner(place: Workplace, clock: ManualClock) -> None:
    campaign_id = running(place)
    clock.advance(REVIEW_DAYS * DAY)
    pause_lapsed(place)
    with place.store.write() as connection, pytest.raises(ConflictError) as refused:
        steering.resume(connection, campaign_id, at=clock.now(), actor="cli:marie", reason="")
    assert "campaigns renew" in refused.value.remedy


@pytest.mark.parametrize(("days", "reason"), [(0, "good"), (91, "good"), (30, " ")])
def test_a_renewal_is_for_a_while_and_for_a_reason(place: Workplace, days: int, reason: str) -> None:
    campaign_id = running(place)
    before = of(place, campaign_id).review_at
    with pytest.raises(InvalidInputError):
        renewed(place, campaign_id, days=days, reason=reason)
    assert of(place, campaign_id).review_at == before


def test_a_campaign_that_is_over_is_not_renewed(place: Workplace, clock: ManualClock) -> None:
    campaign_id = running(place)
    with place.store.write() as connection:
        steering.stop(connection, campaign_id, at=clock.now(), actor="cli:marie", reason="")
    with pytest.raises(ConflictError, match="finished"):
        renewed(place, campaign_id)


def test_what_has_sent_everything_runs_out_by_itself(place: Workplace, clock: ManualClock) -> None:
    campaign_id = start(place, play(review_days=1), [1, 2]).campaign_id
    tick(place)
    clock.advance(2 * DAY)
    tick(place)
    assert pause_lapsed(place) == []
    assert of(place, campaign_id).status == "live"


def test_what_still_lets_people_in_is_reviewed_with_nothing_planned(place: Workplace, clock: ManualClock) -> None:
    wanted = play(
        review_days=1, trigger=SegmentTrigger(runs_days=30), limits=Limits(contacts_per_day=5), audience=EVERYBODY
    )
    campaign_id = start(place, wanted, []).campaign_id
    clock.advance(2 * DAY)
    assert pause_lapsed(place) == [campaign_id]
