"""The ladder of autonomy in the deliberation: nobody is asked where nobody has to be, and the record decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agents.autonomy import look_after, record_of
from agents.change import propose_change
from agents.desk import Desk
from agents.learning.forecast import forecast, score
from agents.learning.intervals import Effect
from agents.learning.priors import Prior
from agents.measure import measure
from agents.planning import plan
from agents.resume import Threads
from memory import alerts, autonomy, forecasts, proposals
from memory.campaigns import campaign_id_of
from memory.clock import ManualClock
from memory.forecasts import StoredForecast, forecast_id_of
from memory.proposal import LADDER, Approvals, ProposalStatus
from memory.store import Store
from tests import examples
from tests.agents import trial
from tests.agents.world import BRIEF, NOW, World, first_proposal, journalled, make_desk, open_world
from tests.policies.worlds import own_pack
from tests.tools.scene import workplace
from tools.autonomy import raise_level
from tools.worker import tick

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


@pytest.mark.parametrize("changes", [{"copies": {"reminder": {"en": {"subject": "In our own words"}}}}, {}])
def test_an_edit_of_a_campaign_that_went_alone_takes_its_kind_down(alone: World, changes: dict[str, object]) -> None:
    plan(alone.threads, BRIEF)
    alone.threads.apply_decisions()
    tick(replace(workplace(alone.store, alone.clock, alone.folder), pack=alone.desk.pack))
    campaign_id = campaign_id_of(first_proposal(alone).proposal_id)
    if changes:
        propose_change(alone.threads, campaign_id, changes, in_flight="stay", actor="cli:marie")
    else:
        # The same campaign under another policy is no judgement on it.
        desk = replace(alone.desk, pack=own_pack(FEW + "  frequency: {parameters: {messages: 2}}\n"))
        renewing = Threads(desk, alone.threads.checkpointer)
        propose_change(renewing, campaign_id, {}, in_flight="stay", actor="cli:marie")
    with alone.store.read() as connection:
        now = autonomy.rung(connection, "one_off")
    assert now.level == ("approve" if changes else "auto")
    assert not changes or "cli:marie changed the campaign of proposal" in now.reason


@pytest.mark.parametrize("approver", [LADDER, "cli:marie"])
def test_measured_harm_takes_down_the_kind_of_what_went_alone(
    store: Store, tmp_path: Path, clock: ManualClock, approver: str
) -> None:
    measuring = trial.desk_of(store, tmp_path, clock)
    at_auto(measuring)
    campaign_id = trial.launch(
        store, treated=range(1, 401), holdout=range(401, 801), play=examples.play(holdout_share=0.5),
        approvals=Approvals(people=1, asks_because=()),
    )  # fmt: skip
    with store.write() as connection:
        made = proposals.get(connection, "p1").proposal
        if approver == LADDER:
            assert proposals.approve_alone(connection, "p1", clock.now())
        else:
            proposals.decide(
                connection, proposal_id="p1", version=1, digest=made.digest, verdict="approve", actor=approver,
                at=clock.now(),
            )  # fmt: skip
    trial.buy(measuring, [*range(1, 41), *range(401, 601)], trial.START + timedelta(days=1))
    clock.advance(timedelta(days=7))
    measure({"campaign_id": campaign_id, "look": 1}, measuring)
    with store.read() as connection:
        now = autonomy.rung(connection, "one_off")
    assert now.level == ("approve" if approver == LADDER else "auto")
    assert approver != LADDER or now.reason == f"Campaign {campaign_id} did harm."


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
