"""Once a quarter, contacts outside all marketing are compared with everybody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.desk import Desk
from agents.learning.counts import MeasurementError
from agents.learning_graph import run_due_looks
from agents.programme import bounds, programme_readout
from memory import consents, readouts
from memory.assignment import in_programme_holdout, quarter
from memory.clock import ManualClock
from memory.journal import entries
from memory.store import Store
from memory.workspace import get_value
from tests.agents.trial import START, buy, desk_of, launch
from tests.tools.scene import add_contacts

DAY = timedelta(days=1)
SHARE = 0.3
QUARTER_END = datetime(2025, 4, 1, tzinfo=UTC)


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    return desk_of(store, tmp_path, clock, programme_share=SHARE)


def held_out(desk: Desk, ids: range) -> list[int]:
    with desk.store.read() as connection:
        salt = get_value(connection, "salt")
    return [one for one in ids if in_programme_holdout(salt, one, SHARE, START)]


@given(st.integers(min_value=0, max_value=12 * 366 * 24))
def test_quarters_follow_each_other_without_a_gap(hours: int) -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    start, end = bounds(at)
    assert start <= at < end
    assert bounds(end)[0] == end
    assert {quarter(start), quarter(end - timedelta(microseconds=1))} == {quarter(at)}


def test_everybody_who_allowed_mail_counts_by_the_hash_of_the_quarter(desk: Desk, clock: ManualClock) -> None:
    ids = range(1, 201)
    launch(desk.store, treated=[201], holdout=[202])
    add_contacts(desk.store, ids)
    add_contacts(desk.store, range(301, 311), consent="")
    outside = held_out(desk, range(1, 203))
    inside = [one for one in ids if one not in outside]
    buy(desk, [*inside[:40], outside[0], 301], START + DAY)
    buy(desk, outside[1:9], START - DAY, name="before")
    buy(desk, outside[1:9], QUARTER_END, name="after")
    clock.advance(60 * DAY)
    found = programme_readout(desk, START)
    assert (found.look, found.looks_planned) == (1, 1)
    assert (found.holdout.contacts, found.holdout.conversions) == (len(outside), 1)
    assert (found.treated.contacts, found.treated.conversions) == (202 - len(outside), 40)


def test_who_withdraws_during_the_quarter_still_counts(desk: Desk, clock: ManualClock) -> None:
    launch(desk.store, treated=range(1, 41), holdout=[41])
    with desk.store.write() as connection:
        said = consents.Consent(contact_id=1, channel="email", purpose="marketing", state="withdrawn", at=START + DAY)
        early = consents.Consent(contact_id=2, channel="email", purpose="marketing", state="withdrawn", at=START - DAY)
        consents.record(connection, [said, early])
    clock.advance(60 * DAY)
    found = programme_readout(desk, START)
    assert found.holdout.contacts + found.treated.contacts == 40
    assert sum(one.unsubscribed for one in found.reactions) == 1


def test_a_quarter_that_is_over_is_read_and_journalled_once(desk: Desk, clock: ManualClock) -> None:
    launch(desk.store, treated=range(1, 41), holdout=[41], days=120)
    clock.advance_to(QUARTER_END - timedelta(seconds=1))
    assert readouts_of_programme(desk) == []
    clock.advance_to(QUARTER_END)
    ran = run_due_looks(desk)
    assert readouts_of_programme(desk) == ran[-1:]
    assert run_due_looks(desk) == []
    with desk.store.read() as connection:
        assert len(list(entries(connection, action="programme.read"))) == 1
    assert programme_readout(desk, START) == programme_readout(desk, QUARTER_END - DAY)


def test_a_quarter_that_still_runs_is_a_peek_that_is_not_stored(desk: Desk, clock: ManualClock) -> None:
    launch(desk.store, treated=range(1, 41), holdout=[41])
    clock.advance(DAY)
    assert programme_readout(desk, clock.now()).look is None
    assert readouts_of_programme(desk) == []


def test_without_a_holdout_or_a_campaign_there_is_nothing_to_measure(
    desk: Desk, store: Store, tmp_path: Path, clock: ManualClock
) -> None:
    with pytest.raises(MeasurementError, match="No campaign ran in 2025Q1"):
        programme_readout(desk, START)
    assert run_due_looks(desk) == []
    with pytest.raises(MeasurementError, match="no programme holdout"):
        programme_readout(desk_of(store, tmp_path, clock), START)


def readouts_of_programme(desk: Desk) -> list[str]:
    with desk.store.read() as connection:
        return [one.readout_id for one in readouts.of_programme(connection)]
