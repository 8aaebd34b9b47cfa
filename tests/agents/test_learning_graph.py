"""Every planned look is taken once and teaches once: late, twice, by two workers, and after a kill."""

from __future__ import annotations

import signal
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from sqlalchemy import update

from agents.checkpoints import open_checkpoints
from agents.desk import Desk
from agents.learning.counts import MeasurementError
from agents.learning_graph import due_looks, run_due_looks
from memory import campaigns, forecasts, lessons, readouts
from memory.clock import ManualClock
from memory.errors import StoreError
from memory.journal import entries, verify
from memory.readouts import readout_id_of
from memory.schema import campaign_versions
from memory.store import Store
from memory.workspace import StoreClock
from tests import examples, forks
from tests.agents import dying_learner
from tests.agents.trial import PERIOD_DAYS, START, buy, desk_of, launch

DAY = timedelta(days=1)


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    return desk_of(store, tmp_path, clock)


def small(desk: Desk, proposal_id: str = "p1", first: int = 1) -> str:
    campaign_id = launch(
        desk.store,
        treated=range(first, first + 18),
        holdout=[first + 18, first + 19],
        proposal_id=proposal_id,
        starts_at=desk.clock.now(),
    )
    buy(desk, [first, first + 1, first + 18], desk.clock.now() + DAY, name=proposal_id)
    return campaign_id


def taken(desk: Desk, campaign_id: str) -> list[int]:
    with desk.store.read() as connection:
        return [one.look for one in readouts.of_campaign(connection, campaign_id)]


def test_looks_come_due_one_after_the_other_and_are_not_due_again(desk: Desk, clock: ManualClock) -> None:
    campaign_id = small(desk)
    assert (due_looks(desk), run_due_looks(desk)) == ([], [])
    for look in (1, 2, 3, 4):
        clock.advance(7 * DAY)
        assert due_looks(desk) == [(campaign_id, look)]
        assert run_due_looks(desk) == [readout_id_of(campaign_id, look)]
        assert run_due_looks(desk) == []
    with desk.store.read() as connection:
        assert campaigns.get(connection, campaign_id).status == "finished"
        assert [one.verdict for one in lessons.every(connection)] == ["inconclusive"]
        assert len(forecasts.scores(connection)) == 1


def test_looks_that_were_missed_are_taken_in_the_order_of_their_moments(desk: Desk, clock: ManualClock) -> None:
    one = small(desk)
    clock.advance(3 * DAY)
    two = small(desk, "p2", 101)
    clock.advance(12 * DAY)
    assert due_looks(desk) == [(one, 1), (two, 1), (one, 2)]
    assert run_due_looks(desk) == [readout_id_of(*look) for look in ((one, 1), (two, 1), (one, 2))]


def test_a_campaign_that_harms_is_not_looked_at_again_even_when_all_looks_are_late(
    desk: Desk, clock: ManualClock
) -> None:
    play = examples.play(holdout_share=0.5)
    campaign_id = launch(desk.store, treated=range(1, 401), holdout=range(401, 801), play=play)
    buy(desk, [*range(1, 41), *range(401, 601)], START + DAY)
    clock.advance(PERIOD_DAYS * DAY)
    assert run_due_looks(desk) == [readout_id_of(campaign_id, 1)]
    assert due_looks(desk) == []
    with desk.store.read() as connection:
        assert campaigns.get(connection, campaign_id).status == "paused"
        assert [one.verdict for one in lessons.every(connection)] == ["harms"]


def test_the_worker_may_have_finished_a_campaign_before_its_last_look(desk: Desk, clock: ManualClock) -> None:
    campaign_id = small(desk)
    clock.advance(PERIOD_DAYS * DAY)
    with desk.store.write() as connection:
        campaigns.swap_status(connection, campaign_id, ["live"], "finished", at=clock.now(), actor="worker")
    run_due_looks(desk)
    assert taken(desk, campaign_id) == [1, 2, 3, 4]


def test_a_cancelled_campaign_and_one_without_a_holdout_are_never_due(desk: Desk, clock: ManualClock) -> None:
    gone = small(desk)
    launch(desk.store, treated=[101], holdout=[], proposal_id="p2", play=examples.play(holdout_share=0.0))
    with desk.store.write() as connection:
        campaigns.swap_status(connection, gone, ["live"], "cancelled", at=clock.now(), actor="cli:marie")
    clock.advance(PERIOD_DAYS * DAY)
    assert due_looks(desk) == []


def test_a_campaign_that_was_tampered_with_is_not_read_and_keeps_no_other_from_being_read(
    desk: Desk, clock: ManualClock
) -> None:
    touched, other = small(desk), small(desk, "p2", 101)
    with desk.store.write() as connection:
        body = campaigns.get_version(connection, touched, 1).body
        body["goal"]["window_days"] = 365
        connection.execute(
            update(campaign_versions).where(campaign_versions.c.campaign_id == touched).values(body=body)
        )
    clock.advance(7 * DAY)
    with pytest.raises(MeasurementError, match="not what was approved"):
        run_due_looks(desk)
    assert (taken(desk, touched), taken(desk, other)) == ([], [1])


def assert_learned_once(desk: Desk, campaign_id: str) -> None:
    assert due_looks(desk) == []
    assert taken(desk, campaign_id) == [1, 2, 3, 4]
    with desk.store.read() as connection:
        assert len(lessons.every(connection)) == 1
        assert len(forecasts.scores(connection)) == 1
        for action, times in (("campaign.read", 4), ("lesson.written", 1), ("forecast.scored", 1)):
            assert len(list(entries(connection, action=action))) == times
        assert verify(connection).intact


@pytest.mark.slow
def test_a_kill_between_measuring_and_learning_is_made_good_by_the_next_run(
    desk: Desk, tmp_path: Path, clock: ManualClock
) -> None:
    campaign_id = small(desk)
    clock.advance(PERIOD_DAYS * DAY)
    StoreClock(desk.store).advance_to(clock.now())
    errors = tmp_path / "errors.txt"
    killed = forks.start(dying_learner.main, tmp_path, errors=errors)
    killed.join(timeout=240)
    assert killed.exitcode == -signal.SIGKILL, errors.read_text()
    assert taken(desk, campaign_id) == [1]
    assert due_looks(desk)[0] == (campaign_id, 1)
    run_due_looks(desk)
    assert_learned_once(desk, campaign_id)


@pytest.mark.parametrize("checkpoints_survive", [True, False])
def test_what_was_measured_is_learned_from_even_if_the_checkpoints_are_lost(
    desk: Desk, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, checkpoints_survive: bool
) -> None:
    campaign_id = small(desk)
    clock.advance(21 * DAY)
    run_due_looks(desk, InMemorySaver())
    clock.advance(7 * DAY)

    def fails(_state: object, _desk: Desk) -> None:
        raise StoreError("The disk is full.")

    saver = InMemorySaver()
    with monkeypatch.context() as patched:
        patched.setattr("agents.learning_graph.learn", fails)
        with pytest.raises(StoreError):
            run_due_looks(desk, saver)
    assert taken(desk, campaign_id) == [1, 2, 3, 4]
    assert due_looks(desk) == [(campaign_id, 4)]
    run_due_looks(desk, saver if checkpoints_survive else InMemorySaver())
    assert_learned_once(desk, campaign_id)


def test_two_workers_at_once_take_each_look_once(desk: Desk, tmp_path: Path, clock: ManualClock) -> None:
    campaign_id = small(desk)
    clock.advance(PERIOD_DAYS * DAY)
    start, failed = threading.Barrier(2), list[BaseException]()

    def work() -> None:
        store = Store(desk.store.url)
        own = desk_of(store, tmp_path, clock)
        try:
            with open_checkpoints(store, tmp_path) as saver:
                start.wait(timeout=30)
                run_due_looks(own, saver)
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            store.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert not failed
    assert_learned_once(desk, campaign_id)


def test_looks_are_taken_alike_on_both_engines(any_store: Store, tmp_path: Path, clock: ManualClock) -> None:
    desk = desk_of(any_store, tmp_path, clock)
    campaign_id = small(desk)
    clock.advance(PERIOD_DAYS * DAY)
    run_due_looks(desk, InMemorySaver())
    assert_learned_once(desk, campaign_id)
