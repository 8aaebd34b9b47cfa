"""What runs without showing its worth is named with its numbers, and what has shown it or is too young is not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from agents.desk import Desk
from agents.measure import measure
from agents.worth import UNSEEN_DAYS, WATCHED_DAYS, Line, report_weekly, worth
from memory import enrolments, journal, ledger, snapshot
from memory.alerts import Alert, finish_alert, list_alerts, raise_alerts
from memory.clock import ManualClock
from memory.ledger import Message
from memory.schema import contacts
from memory.store import Store
from tests import examples
from tests.agents.trial import START, buy, desk_of, launch
from tools import campaign as steering

DAY = timedelta(days=1)
LATE = {"type": "compare", "field": "recency_days", "operator": ">=", "value": 60}


@pytest.fixture
def desk(any_store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    clock.advance_to(START)
    return desk_of(any_store, tmp_path, clock)


def of(desk: Desk, kind: str) -> list[Line]:
    return [one for one in worth(desk).lines if one.kind == kind]


def wrote_to(desk: Desk, campaign_id: str, ids: Iterable[int]) -> None:
    """A mail of the campaign left to each of them now."""
    at = desk.clock.now()
    with desk.store.write() as connection:
        inside = {one.contact_id: one for one in enrolments.of_campaign(connection, campaign_id)}
        rows = [
            Message(
                message_key=f"{campaign_id}-{one}", campaign_id=campaign_id, contact_id=one,
                enrolment_id=inside[one].enrolment_id, version=1, sequence_key="one", step_key="reminder",
                occurrence=1, channel="email", purpose="marketing", state="sent", planned_at=at, due_at=at,
                deadline_at=at + DAY, sent_at=at,
            )
            for one in ids
        ]  # fmt: skip
        ledger.plan(connection, rows, actor="test", at=at)


def silent_for(desk: Desk, days: int | None, ids: Iterable[int]) -> None:
    last = None if days is None else desk.clock.now() - days * DAY
    with desk.store.write() as connection:
        connection.execute(
            update(contacts).where(contacts.c.contact_id.in_(list(ids))).values(last_human_signal_at=last)
        )


@pytest.mark.parametrize(
    ("silent", "days", "named"), [(16, 60, True), (15, 60, False), (30, 59, False), (30, None, False)]
)
def test_a_campaign_that_mostly_writes_to_people_who_are_gone_is_named(
    desk: Desk, silent: int, days: int | None, named: bool
) -> None:
    campaign_id = launch(desk.store, treated=range(1, 31), holdout=range(31, 41))
    silent_for(desk, 1, range(1, 31))
    silent_for(desk, days, range(1, silent + 1))
    wrote_to(desk, campaign_id, range(1, 31))
    found = of(desk, "follow_ups")
    assert [one.campaign_id for one in found] == [campaign_id] * named
    if named:
        assert found[0].numbers["to_the_silent"] == silent
        assert f"{silent} of 30 messages" in found[0].sentence


def test_follow_ups_that_are_shown_to_work_are_not_named(desk: Desk, clock: ManualClock) -> None:
    play = examples.play(holdout_share=0.5)
    campaign_id = launch(desk.store, treated=range(1, 401), holdout=range(401, 801), play=play)
    buy(desk, range(1, 161), START + DAY)
    clock.advance(7 * DAY)
    silent_for(desk, 100, range(1, 401))
    wrote_to(desk, campaign_id, range(1, 41))
    assert len(of(desk, "follow_ups")) == 1
    measure({"campaign_id": campaign_id, "look": 1}, desk)
    assert of(desk, "follow_ups") == []


def record(desk: Desk, *, bought_late: int, bought_recent: int) -> str:
    """100 who bought 90 days ago, 100 who bought 20 days ago; some of each have ordered since a goal window ago."""
    campaign_id = launch(
        desk.store, treated=range(1, 201), holdout=[], play=examples.play(audience=LATE, goal={"window_days": 14})
    )
    snapshot.refresh(desk.store, desk.lake)
    now = desk.clock.now()
    buy(desk, range(1, 101), now - 90 * DAY)
    buy(desk, range(101, 201), now - 20 * DAY)
    buy(desk, [*range(1, bought_late + 1), *range(101, 101 + bought_recent)], now - 3 * DAY)
    return campaign_id


def test_a_signal_that_tells_nobody_apart_is_named_with_its_interval(desk: Desk) -> None:
    campaign_id = record(desk, bought_late=20, bought_recent=22)
    [found] = of(desk, "signal")
    assert found.campaign_id == campaign_id
    assert (found.numbers["with"], found.numbers["with_reached"]) == (100, 20)
    assert (found.numbers["without"], found.numbers["without_reached"]) == (100, 22)
    assert float(found.numbers["low"]) < 0 < float(found.numbers["high"])
    assert "No separation shown" in found.sentence
    assert worth(desk) == worth(desk)


@pytest.mark.parametrize(("late", "recent"), [(5, 60), (60, 5)])
def test_a_signal_that_tells_people_apart_is_not_named_whichever_way(desk: Desk, late: int, recent: int) -> None:
    record(desk, bought_late=late, bought_recent=recent)
    assert of(desk, "signal") == []


def test_too_few_outcomes_say_nothing_of_a_signal(desk: Desk) -> None:
    record(desk, bought_late=4, bought_recent=4)
    found = worth(desk)
    assert [one for one in found.lines if one.kind == "signal"] == []
    assert "8 orders in 14 days" in found.untold[0]


def test_a_readout_by_which_nobody_decides_anything_is_named_until_somebody_does(
    desk: Desk, clock: ManualClock
) -> None:
    campaign_id = launch(desk.store, treated=range(1, 21), holdout=[21, 22], days=200)
    clock.advance(50 * DAY)
    measure({"campaign_id": campaign_id, "look": 1}, desk)
    clock.advance(WATCHED_DAYS * DAY - timedelta(seconds=1))
    assert of(desk, "read_out") == []
    clock.advance(timedelta(seconds=1))
    [found] = of(desk, "read_out")
    assert (found.campaign_id, found.numbers["days"], found.numbers["verdict"]) == (
        campaign_id, WATCHED_DAYS, "inconclusive",
    )  # fmt: skip
    with desk.store.write() as connection:
        steering.pause(connection, campaign_id, at=clock.now(), actor="cli:marie", reason="nothing shows")
    assert of(desk, "read_out") == []


def test_alerts_that_nobody_sees_to_are_counted_by_what_raises_them(desk: Desk, clock: ManualClock) -> None:
    with desk.store.write() as connection:
        raise_alerts(connection, [Alert(step_key="ring", raised_at=clock.now() - one * DAY) for one in range(3)])
    clock.advance(UNSEEN_DAYS * DAY - timedelta(seconds=1))
    [found] = of(desk, "alerts")
    assert found.numbers == {"alerts": 2, "oldest_days": UNSEEN_DAYS + 1, "step": "ring"}
    with desk.store.write() as connection:
        for one in list_alerts(connection):
            finish_alert(connection, one.alert_id, at=clock.now(), actor="cli:marie")
    assert of(desk, "alerts") == []


def test_the_report_comes_once_a_week_and_does_not_pile_up(desk: Desk, clock: ManualClock) -> None:
    record(desk, bought_late=20, bought_recent=22)

    def told() -> tuple[int, int]:
        with desk.store.read() as connection:
            lines = list(journal.entries(connection, action="worth.reported"))
            return len(lines), len([one for one in list_alerts(connection) if one.step_key == "worth"])

    assert report_weekly(desk) is None
    assert told() == (0, 0)
    for week in (1, 2):
        clock.advance(7 * DAY - timedelta(seconds=1))
        assert report_weekly(desk) is None
        clock.advance(timedelta(seconds=1))
        buy(desk, [*range(1, 21), *range(101, 123)], clock.now() - DAY)
        found: Any = report_weekly(desk)
        assert found.at == clock.now()
        assert report_weekly(desk) is None
        assert told() == (week, 1)
    with desk.store.read() as connection:
        [alert] = list_alerts(connection)
        assert journal.verify(connection).intact
    assert "noria worth" in alert.task["en"]


def test_an_empty_record_has_nothing_to_tell(desk: Desk) -> None:
    assert (worth(desk).campaigns, worth(desk).lines) == (0, ())
