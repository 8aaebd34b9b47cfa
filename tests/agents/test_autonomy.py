"""The ladder of autonomy in the deliberation: nobody is asked where nobody has to be, and the record decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agents.autonomy import look_after, record_of
from agents.desk import Desk
from agents.learning.forecast import forecast, score
from agents.learning.intervals import Effect
from agents.learning.priors import Prior
from agents.planning import plan
from agents.resume import Threads
from memory import alerts, autonomy, forecasts, proposals
from memory.forecasts import StoredForecast, forecast_id_of
from memory.proposal import LADDER, Approvals, ProposalStatus
from tests import examples
from tests.agents.world import BRIEF, NOW, World, first_proposal, journalled, make_desk, open_world
from tests.policies.worlds import own_pack
from tools.autonomy import raise_level

MADE = forecast(Prior(mean=0.2, sd=0.3), base_rate=0.1, treated_contacts=90, holdout_contacts=10)
FEW = "  approval: {parameters: {raise_after_decisions: 2, one_person_when_new: false}}\n"


def at_auto(desk: Desk) -> None:
    with desk.store.write() as connection:
        raise_level(connection, "one_off", "auto", actor="cli:marie", reason="it does well", record={}, at=NOW)


@pytest.fixture
def alone(fresh: Path) -> Iterator[World]:
    """A workspace at auto whose pack lets win-backs go alone."""
    with open_world(fresh, names=("win_back",)) as world:
        at_auto(world.desk)
        desk = replace(world.desk, pack=own_pack(FEW))
        yield World(world.folder, desk, Threads(desk, world.threads.checkpointer), world.clock)


def test_at_auto_nobody_is_asked_and_the_journal_says_whose_yes_it_was(alone: World) -> None:
    plan(alone.threads, BRIEF)
    found = first_proposal(alone)
    with alone.store.read() as connection:
        assert proposals.get(connection, found.proposal_id).status is ProposalStatus.APPROVED
        (decision,) = proposals.decisions_on(connection, found.proposal_id)
    assert (decision.actor, decision.digest) == (LADDER, found.digest)
    assert alone.threads.waiting(found.thread_id) == []
    assert [one.actor for one in journalled(alone, "proposal.approved")] == [LADDER]
    # Going over it again, as after a crash, gives no second yes.
    alone.threads.recover()
    assert len(journalled(alone, "decision.approve")) == 1


def test_at_auto_what_never_ran_before_is_put_before_people(fresh: Path) -> None:
    with open_world(fresh, names=("win_back",)) as world:
        at_auto(world.desk)
        plan(world.threads, BRIEF)
        found = first_proposal(world)
        assert found.approvals.asks_because == ("It never ran before.",)
        assert len(world.threads.waiting(found.thread_id)) == 1


@pytest.fixture
def desk(fresh: Path) -> Iterator[Desk]:
    found = replace(make_desk(fresh), pack=own_pack(FEW))
    yield found
    found.store.close()


def finish(desk: Desk, number: int, *, observed: float, approve: bool = False) -> None:
    """A proposal that could have gone alone, its forecast, and what was then measured."""
    made = examples.proposal(f"p{number}", approvals=Approvals(people=1, asks_because=()))
    with desk.store.write() as connection:
        proposals.submit(connection, made, author="noria", at=NOW, open_limit=99)
        if approve:
            proposals.decide(
                connection, proposal_id=made.proposal_id, version=1, digest=made.digest, verdict="approve",
                actor="cli:marie", at=NOW,
            )  # fmt: skip
        forecast_id = forecast_id_of(made.proposal_id, 1)
        forecasts.keep(
            connection,
            StoredForecast(
                forecast_id=forecast_id, proposal_id=made.proposal_id, proposal_version=1, metric="orders",
                body=MADE.model_dump(mode="json"), made_at=NOW,
            ),
        )  # fmt: skip
        body = score(MADE, Effect(estimate=observed, standard_error=0.1)).model_dump(mode="json")
        forecasts.score(connection, forecast_id, readout_id=f"r{number}", body=body, at=NOW)


def test_a_raise_is_proposed_once_and_only_on_agreement_and_calibration(desk: Desk) -> None:
    for number in range(9):
        finish(desk, number, observed=0.2, approve=number < 2)
    assert look_after(desk) == []
    finish(desk, 9, observed=0.2)
    assert look_after(desk) == ["one_off"]
    assert look_after(desk) == []
    with desk.store.read() as connection:
        assert autonomy.rung(connection, "one_off").level == "approve"
        (alert,) = alerts.list_alerts(connection)
        assert record_of(connection, desk.pack, "one_off").supports_auto
        assert record_of(connection, desk.pack, "triggered").forecasts == 0
    assert "noria autonomy raise one_off auto" in alert.task["en"]


@pytest.mark.parametrize(("missed", "calibrated"), [(4, True), (5, False)])
def test_forecasts_that_miss_too_often_propose_nothing_and_take_auto_down(
    desk: Desk, missed: int, calibrated: bool
) -> None:
    for number in range(10):
        finish(desk, number, observed=-2.0 if number < missed else 0.2, approve=True)
    assert (look_after(desk) == ["one_off"]) is calibrated
    at_auto(desk)
    assert (look_after(desk) == ["one_off"]) is not calibrated
    with desk.store.read() as connection:
        now = autonomy.rung(connection, "one_off")
    assert now.level == ("auto" if calibrated else "approve")
    assert calibrated or "50% of 10 outcomes" in now.reason
