"""A look says what its numbers support, counts what had happened at its moment, and stops only what harms."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.desk import Desk
from agents.learning.counts import MeasurementError
from agents.learning.looks import FOUR_LOOKS, critical_values, crossing_probability
from agents.learning.readout import ReadOut
from agents.look import planned_looks, tell_looks_left
from agents.measure import measure, read_campaign
from memory import campaigns, readouts
from memory.alerts import list_alerts
from memory.clock import ManualClock
from memory.errors import NotFoundError
from memory.journal import entries, verify
from memory.lake import LakeTable
from memory.readouts import StoredReadOut, Verdict
from memory.store import Store
from tests import examples
from tests.agents.trial import PERIOD_DAYS, START, buy, desk_of, launch
from tests.memory.builders import as_rows

DAY = timedelta(days=1)


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    return desk_of(store, tmp_path, clock)


def look_at(desk: Desk, campaign_id: str, look: int) -> StoredReadOut:
    readout_id = measure({"campaign_id": campaign_id, "look": look}, desk)["readout_id"]
    with desk.store.read() as connection:
        return readouts.get(connection, readout_id)


def status(desk: Desk, campaign_id: str) -> str:
    with desk.store.read() as connection:
        return campaigns.get(connection, campaign_id).status


def harmful(desk: Desk) -> str:
    """Half of 400 in the holdout buy at once, and a tenth of 400 who got mail."""
    play = examples.play(holdout_share=0.5)
    campaign_id = launch(desk.store, treated=range(1, 401), holdout=range(401, 801), play=play)
    buy(desk, [*range(1, 41), *range(401, 601)], START + DAY)
    return campaign_id


def test_looks_are_planned_at_the_quarters_of_the_campaigns_time(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1], holdout=[2])
    with desk.store.read() as connection:
        planned = planned_looks(campaigns.get(connection, campaign_id))
    assert planned == tuple(START + days * DAY for days in (7, 14, 21, 28))


@pytest.mark.parametrize("orders_in", [(0.5, 0.97, 0.985, 1.0), (0.125, 0.5, 0.875, 1.0), (0.1, 0.3, 0.6, 1.0)])
def test_looks_by_the_calendar_hardly_change_the_rate_of_false_alarms(orders_in: tuple[float, ...]) -> None:
    # All at once, so many a day, and late: shares of the orders that are in at each look.
    assert crossing_probability(critical_values(FOUR_LOOKS), orders_in) < 0.055


def test_a_tiny_list_is_inconclusive_and_is_told_what_would_settle_it(desk: Desk, clock: ManualClock) -> None:
    campaign_id = launch(desk.store, treated=range(1, 21), holdout=[21, 22])
    buy(desk, range(1, 13), START + DAY)
    clock.advance(PERIOD_DAYS * DAY)
    found = ReadOut.model_validate(look_at(desk, campaign_id, 4).body)
    assert found.verdict == "inconclusive"
    assert found.contacts_needed is not None
    assert found.contacts_needed > 22
    assert "Inconclusive" in found.text["en"]
    assert "Non concluant" in found.text["fr"]


def test_a_look_counts_what_had_happened_at_its_moment_however_late_it_is_taken(desk: Desk, clock: ManualClock) -> None:
    campaign_id = launch(desk.store, treated=range(1, 21), holdout=range(21, 31))
    buy(desk, [1, 2, 21], START + 6 * DAY)
    buy(desk, [3, 4], START + 8 * DAY)
    clock.advance(50 * DAY)
    first, second = (ReadOut.model_validate(look_at(desk, campaign_id, look).body) for look in (1, 2))
    assert (first.treated.conversions, first.holdout.conversions, first.open_windows) == (2, 1, 30)
    assert (second.treated.conversions, second.holdout.conversions, second.open_windows) == (4, 1, 0)


def test_a_clear_gain_at_the_last_look_works_and_finishes_the_campaign(desk: Desk, clock: ManualClock) -> None:
    play = examples.play(holdout_share=0.5)
    campaign_id = launch(desk.store, treated=range(1, 401), holdout=range(401, 801), play=play)
    buy(desk, [*range(1, 161), *range(401, 441)], START + DAY)
    clock.advance(PERIOD_DAYS * DAY)
    assert look_at(desk, campaign_id, 4).verdict == "works"
    assert status(desk, campaign_id) == "finished"


def test_harm_pauses_the_campaign_with_the_reason_and_nothing_else_is_acted_on(desk: Desk, clock: ManualClock) -> None:
    campaign_id = harmful(desk)
    clock.advance(7 * DAY)
    assert look_at(desk, campaign_id, 1).verdict == "harms"
    assert status(desk, campaign_id) == "paused"
    with desk.store.read() as connection:
        (stopped,) = entries(connection, action="campaign.paused")
        assert stopped.payload["reason"] == "It harms: look 1 of 4."
        assert {one.action for one in entries(connection, after=stopped.seq - 2)} == {
            "campaign.read",
            "campaign.paused",
        }
        [alert] = list_alerts(connection)
    assert (alert.campaign_id, alert.contact_id) == (campaign_id, None)
    assert "look 1 says that it harms" in alert.task["en"]


def test_an_inconclusive_early_look_leaves_the_campaign_running(desk: Desk, clock: ManualClock) -> None:
    campaign_id = launch(desk.store, treated=range(1, 21), holdout=[21, 22])
    clock.advance(7 * DAY)
    assert look_at(desk, campaign_id, 1).verdict == "inconclusive"
    assert status(desk, campaign_id) == "live"


def test_arms_of_the_wrong_size_make_a_look_invalid_whatever_they_bought(desk: Desk, clock: ManualClock) -> None:
    campaign_id = launch(desk.store, treated=range(1, 401), holdout=range(401, 601))
    buy(desk, range(1, 201), START + DAY)
    clock.advance(7 * DAY)
    found = look_at(desk, campaign_id, 1)
    assert found.verdict == "invalid"
    assert "Invalid" in found.body["text"]["en"]
    assert status(desk, campaign_id) == "live"


def test_a_peek_says_so_can_only_warn_and_writes_nothing(desk: Desk, clock: ManualClock) -> None:
    play = examples.play(holdout_share=0.5)
    good = launch(desk.store, treated=range(1, 401), holdout=range(401, 801), play=play)
    buy(desk, [*range(1, 301), *range(401, 441)], START + DAY)
    clock.advance(3 * DAY)
    found = read_campaign(desk, good)
    assert (found.look, found.verdict) == (None, "inconclusive")
    assert "between two planned looks" in found.text["en"]
    with desk.store.read() as connection:
        assert readouts.of_campaign(connection, good) == []
    assert status(desk, good) == "live"


def test_a_peek_warns_of_harm_and_leaves_the_stopping_to_a_look_or_a_person(desk: Desk, clock: ManualClock) -> None:
    campaign_id = harmful(desk)
    clock.advance(3 * DAY)
    assert read_campaign(desk, campaign_id).verdict == "harms"
    assert status(desk, campaign_id) == "live"


def test_a_peek_before_anybody_bought_shows_no_certainty(desk: Desk, clock: ManualClock) -> None:
    campaign_id = launch(desk.store, treated=range(1, 91), holdout=range(91, 101))
    clock.advance(DAY)
    found = read_campaign(desk, campaign_id)
    assert found.verdict == "inconclusive"
    assert found.difference.high > 0.1
    assert "+0.00 to +0.00" not in found.text["en"]


def test_reading_before_the_start_is_inconclusive_too(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1], holdout=[2], starts_at=START + DAY)
    found = read_campaign(desk, campaign_id)
    assert (found.verdict, found.treated.contacts) == ("inconclusive", 0)


@pytest.mark.parametrize(
    ("changes", "taken", "sentence"),
    [
        ({}, {}, "Look 1 of 4 comes on 10 March 2025, the last on 31 March 2025."),
        ({}, {1: "inconclusive", 2: "works", 3: "works"}, "Look 4 of 4 comes on 31 March 2025."),
        ({"status": "paused"}, {1: "harms"}, "No further look comes."),
        ({"status": "finished"}, dict.fromkeys(range(1, 5), "works"), "No further look comes."),
        ({"status": "cancelled"}, {}, "It was cancelled before anything left: no look comes."),
        ({"holdout_share": 0.0}, {}, "Nobody is held out, so nothing can be measured: no look comes."),
    ],
)
def test_the_next_look_is_told_or_why_none_comes(
    desk: Desk, changes: dict[str, Any], taken: dict[int, Verdict], sentence: str
) -> None:
    campaign_id = launch(desk.store, treated=[1], holdout=[2])
    with desk.store.read() as connection:
        campaign = replace(campaigns.get(connection, campaign_id), **changes)
    assert tell_looks_left(campaign, taken) == sentence


def test_a_look_that_is_not_due_or_not_planned_is_refused(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1], holdout=[2])
    with pytest.raises(MeasurementError, match=r"due on 10 March 2025"):
        read_campaign(desk, campaign_id, 1)
    with pytest.raises(MeasurementError, match="not planned"):
        read_campaign(desk, campaign_id, 5)
    with pytest.raises(NotFoundError):
        read_campaign(desk, "nowhere")


def test_a_campaign_that_holds_nobody_out_is_not_measured(desk: Desk) -> None:
    campaign_id = launch(desk.store, treated=[1, 2], holdout=[], play=examples.play(holdout_share=0.0))
    with pytest.raises(MeasurementError, match="holds nobody out"):
        read_campaign(desk, campaign_id)


def test_a_look_is_stored_and_journalled_once_with_its_counts(desk: Desk, clock: ManualClock) -> None:
    campaign_id = launch(desk.store, treated=range(1, 21), holdout=[21, 22])
    buy(desk, [1, 21], START + DAY)
    clock.advance(7 * DAY)
    first = look_at(desk, campaign_id, 1)
    buy(desk, [2, 3, 4], START + 2 * DAY)
    assert look_at(desk, campaign_id, 1) == first
    with desk.store.read() as connection:
        (entry,) = entries(connection, action="campaign.read", subject=campaign_id)
        assert verify(connection).intact
    counts = {name: entry.payload[name] for name in ("holdout_contacts", "holdout_conversions", "treated_contacts")}
    assert counts == {"holdout_contacts": 2, "holdout_conversions": 1, "treated_contacts": 20}


def test_last_touch_is_never_shown(desk: Desk, clock: ManualClock) -> None:
    campaign_id = launch(desk.store, treated=range(1, 21), holdout=range(21, 31))
    clicks = [{"event_id": f"c{one}", "contact_id": one, "kind": "click", "at": START + DAY} for one in range(1, 11)]
    desk.lake.append(LakeTable.EVENTS, as_rows(LakeTable.EVENTS, clicks), batch_id="clicks")
    buy(desk, [*range(1, 11), *range(21, 26)], START + DAY + timedelta(minutes=5))
    clock.advance(PERIOD_DAYS * DAY)
    body = look_at(desk, campaign_id, 4).body
    # Both halves bought, so nothing was added, however many clicked just before.
    assert body["difference"]["value"] == pytest.approx(0)
    assert body["incremental_conversions"]["value"] == pytest.approx(0)
    words = json.dumps(body).lower()
    assert not [word for word in ("click", "touch", "attribut", "open_rate", "opened") if word in words]


def test_people_in_two_arms_and_reactions_are_part_of_the_read_out(desk: Desk, clock: ManualClock) -> None:
    campaign_id = launch(desk.store, treated=range(1, 21), holdout=[21, 22])
    clock.advance(7 * DAY)
    found = ReadOut.model_validate(look_at(desk, campaign_id, 1).body)
    assert [one.name for one in found.reactions] == ["holdout", "one"]
    assert found.mixed_contacts == 0
