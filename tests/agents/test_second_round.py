"""The wheel turns: what one campaign taught, conclusive or not, is where the next proposal of its kind starts from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from agents.analyst import size
from agents.learning_graph import due_looks, run_due_looks
from agents.measures import lookups_for
from agents.planning import plan
from agents.provider import Recall, Resembling, Task
from agents.resume import Threads
from memory import campaigns, forecasts, lessons, proposals
from memory.lake import LakeTable
from memory.lessons import Lesson
from memory.proposal import Proposal
from memory.schema import enrolments
from tests.agents.test_learn import LESSON
from tests.agents.world import BRIEF, World, first_proposal, open_world, say
from tests.memory.builders import as_rows, purchase
from tests.tools.scene import workplace
from tools.launch import launch

DAY = timedelta(days=1)


@pytest.fixture
def win_back(fresh: Path) -> Iterator[World]:
    with open_world(fresh, names=["win_back"]) as world:
        yield world


def first_round(world: World, *, treated_share: float, holdout_share: float) -> tuple[Proposal, Lesson]:
    """Plan, approve, launch, let so many of each side order on the second day, and take every look."""
    plan(world.threads, BRIEF)
    proposal = first_proposal(world)
    say(world, proposal, "approve")
    world.threads.apply_decisions()
    place = workplace(world.store, world.clock, world.folder)
    campaign_id = launch(place, proposal.proposal_id).campaign_id
    with world.store.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        rows = connection.execute(
            select(enrolments.c.contact_id, enrolments.c.in_holdout).where(enrolments.c.campaign_id == campaign_id)
        ).all()
    sides = {side: sorted(row.contact_id for row in rows if row.in_holdout is side) for side in (True, False)}
    buyers = sides[False][: round(treated_share * len(sides[False]))]
    buyers += sides[True][: round(holdout_share * len(sides[True]))]
    bought = [purchase(f"new{one}", one, campaign.starts_at + DAY, ("coffee", 2_000)) for one in buyers]
    world.desk.lake.upsert(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, [order for order, _ in bought]))
    world.desk.lake.upsert(LakeTable.LINES, as_rows(LakeTable.LINES, [line for _, few in bought for line in few]))
    world.clock.advance_to(campaign.ends_at)
    assert len(due_looks(world.desk)) == 4
    run_due_looks(world.desk, world.threads.checkpointer)
    with world.store.read() as connection:
        (lesson,) = lessons.usable(connection, world.clock.now())
        assert len(forecasts.scores(connection)) == 1
    return proposal, lesson


def second_proposal(world: World, first: Proposal) -> Proposal:
    made = plan(world.threads, BRIEF)
    assert made.proposal_ids, made.withheld
    (proposal_id,) = made.proposal_ids
    assert proposal_id != first.proposal_id
    with world.store.read() as connection:
        return proposals.get(connection, proposal_id).proposal


@pytest.mark.slow
def test_an_inconclusive_lesson_is_recalled_and_moves_the_next_forecast_a_little(win_back: World) -> None:
    first, lesson = first_round(win_back, treated_share=0.15, holdout_share=0.25)
    assert lesson.verdict == "inconclusive"
    assert "contacts would settle it" in lesson.text["en"]
    second = second_proposal(win_back, first)
    (use,) = second.lessons
    assert (use.lesson_id, use.sentence) == (lesson.lesson_id, lesson.text["en"])
    assert use.effect_before == pytest.approx(first.forecast.effect_mean)
    assert use.effect_after == pytest.approx(second.forecast.effect_mean)
    assert lesson.effect < use.effect_after < use.effect_before
    assert 0 < use.weight < 0.5


@pytest.mark.slow
def test_a_withdrawn_lesson_moves_nothing(win_back: World) -> None:
    first, lesson = first_round(win_back, treated_share=0.15, holdout_share=0.25)
    with win_back.store.write() as connection:
        lessons.set_state(
            connection, lesson.lesson_id, "withdrawn", reason="a strike", actor="cli:marie", at=win_back.clock.now()
        )
    second = second_proposal(win_back, first)
    assert second.lessons == ()
    assert second.forecast.effect_mean == pytest.approx(first.forecast.effect_mean)


def test_the_forecast_is_on_record_before_anything_is_sent_and_once_per_version(win_back: World) -> None:
    plan(win_back.threads, BRIEF)
    proposal = first_proposal(win_back)
    with win_back.store.read() as connection:
        stored = forecasts.of_proposal(connection, proposal.proposal_id, proposal.version)
    assert stored is not None
    assert stored.made_at == win_back.clock.now()
    assert stored.body["effect_mean"] == proposal.forecast.effect_mean
    assert stored.body["treated_contacts"] == proposal.audience.treated
    changes = {"holdout_share": 0.5} if proposal.play.holdout_share != 0.5 else {"holdout_share": 0.4}
    say(win_back, proposal, "edit", changes=changes)
    win_back.threads.apply_decisions()
    edited = first_proposal(win_back)
    with win_back.store.read() as connection:
        again = forecasts.of_proposal(connection, edited.proposal_id, edited.version)
        assert forecasts.of_proposal(connection, proposal.proposal_id, proposal.version) == stored
    assert again is not None
    assert (again.proposal_version, again.body["holdout_contacts"]) == (2, edited.audience.holdout)


@pytest.mark.parametrize(("mean", "sd", "proposed"), [(0.0, 0.01, False), (0.15, 0.25, True)])
def test_what_is_expected_to_change_nothing_is_not_put_before_people(
    fresh: Path, mean: float, sd: float, proposed: bool
) -> None:
    with open_world(fresh, names=["win_back"]) as world:
        playbook = world.desk.playbooks["win_back"]
        prior = playbook.prior.model_copy(update={"mean": mean, "sd": sd})
        playbooks = {"win_back": playbook.model_copy(update={"prior": prior})}
        found = plan(Threads(replace(world.desk, playbooks=playbooks), world.threads.checkpointer), BRIEF)
    assert bool(found.proposal_ids) is proposed
    told = " ".join(one.sentence for one in found.withheld)
    assert ("It is expected to change nothing: 0.0 additional orders" in told) is not proposed


def test_the_evidence_counts_every_lesson_that_moved_the_forecast(win_back: World) -> None:
    desk, playbook = win_back.desk, win_back.desk.playbooks["win_back"]
    own = LESSON.model_copy(update={"lesson_id": "l0"})
    other = LESSON.model_copy(update={"playbook": "cross_sell"})
    with desk.store.write() as connection:
        proposals.write_brief(connection, BRIEF, win_back.clock.now())
    told = []
    for near in ((), (Resembling(lesson=other, similarity=0.9),)):
        recall = Recall(lessons=(own,), resembling=near)
        lookups = lookups_for(desk, f"t{len(near)}")
        sized = size(Task(desk=desk, lookups=lookups, brief=BRIEF, playbook=playbook, recall=recall))
        told.append((len(sized.lessons), [one.sentence for one in sized.evidence if "lesson" in one.sentence]))
    assert told == [
        (1, ["1 lesson of an earlier campaign bears on it."]),
        (2, ["2 lessons of earlier campaigns bear on it."]),
    ]
