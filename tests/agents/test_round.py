"""The weekly round, on a workspace that runs: it proposes, people decide, and the campaign follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agents.learning.priors import Prior
from agents.learning.readout import HOLDOUT, Arm, MeasurementPlan
from agents.learning.readout import measure as compare
from agents.live import QUIET_DAYS, observe
from agents.planning import plan
from agents.round import EVERY, Round, _alone, last_round, run_due_round, run_round
from memory import campaigns, enrolments, proposals, readouts
from memory.enrolments import Enrolment
from memory.errors import ConflictError
from memory.journal import verify
from memory.proposal import ROUND, ProposalStatus
from memory.readouts import StoredReadOut, readout_id_of
from memory.snapshot import refresh
from tests.agents.trial import buy
from tests.agents.world import BRIEF, World, first_proposal, journalled, open_world, say, status_of
from tests.policies.worlds import own_pack
from tests.tools.scene import add_contacts, workplace, write_enrolments
from tools.worker import tick
from tools.workplace import Workplace

DAY = timedelta(days=1)


@pytest.fixture
def world(fresh: Path) -> Iterator[World]:
    """A running thank-you after purchases, into which a hundred contacts came in ten days."""
    with open_world(fresh, names=["post_purchase"]) as opened:
        # In sixty days nearly all of these customers order anyway, and nothing would be proposed.
        thanks = opened.desk.playbooks["post_purchase"]
        goal = thanks.goal.model_copy(update={"window_days": 10})
        one = tuple(each for each in thanks.sequences if each.key == "after_5_days")
        assert isinstance(opened.desk.playbooks, dict)
        opened.desk.playbooks["post_purchase"] = thanks.model_copy(update={"goal": goal, "sequences": one})
        plan(opened.threads, BRIEF)
        say(opened, first_proposal(opened, "post_purchase"), "approve")
        opened.threads.apply_decisions()
        tick(workplace(opened.store, opened.clock, opened.folder))
        opened.clock.advance(10 * DAY)
        yield opened


@pytest.fixture
def place(world: World) -> Workplace:
    return workplace(world.store, world.clock, world.folder)


def campaign_id(world: World) -> str:
    with world.store.read() as connection:
        return campaigns.list_campaigns(connection)[0].campaign_id


def entered(world: World, number: int) -> None:
    with world.store.write() as connection:
        one = campaigns.list_campaigns(connection)[0]
        [sequence] = campaigns.get_version(connection, one.campaign_id, one.version).play.sequences
        rows = [
            Enrolment(
                campaign_id=one.campaign_id, contact_id=contact, version=1, in_holdout=contact % 2 == 0,
                sequence_key=sequence.key, probability=1.0, step_key=None, due_at=None, entered_at=one.starts_at,
            )
            for contact in range(1, number + 1)
        ]  # fmt: skip
        write_enrolments(connection, rows)


def looked(world: World, treated: int, holdout: int) -> str:
    """A look at a thousand contacts on each side, of whom so many reached the goal; returns what it says."""
    arms = [
        Arm(name=name, share=0.5, contacts=1_000, conversions=number)
        for name, number in ((HOLDOUT, holdout), ("after_5_days", treated))
    ]
    found = compare(arms, MeasurementPlan(contacts_planned=2_000), 4, Prior())
    of, now = campaign_id(world), world.clock.now()
    with world.store.write() as connection:
        readouts.keep(
            connection,
            StoredReadOut(
                readout_id=readout_id_of(of, 1), campaign_id=of, look=1, looks_planned=4, verdict=found.verdict,
                body=found.model_dump(mode="json"), planned_at=now, read_at=now,
            ),
            facts={},
        )  # fmt: skip
    return found.verdict


def the_proposal(found: Round) -> str:
    [outcome] = [one for one in found.outcomes if one.idea.kind != "test"]
    assert outcome.proposal_id, outcome.withheld
    return outcome.proposal_id


def test_what_works_is_varied_once_people_say_yes(world: World, place: Workplace) -> None:
    entered(world, 100)
    assert looked(world, 300, 200) == "works"
    proposal_id = the_proposal(run_round(world.threads))
    with world.store.read() as connection:
        stored = proposals.get(connection, proposal_id)
        assert campaigns.get(connection, campaign_id(world)).version == 1
    proposal = stored.proposal
    assert (stored.status, stored.last_editor, proposal.kind) == (ProposalStatus.OPEN, None, "change_campaign")
    assert readout_id_of(campaign_id(world), 1) in proposal.evidence[0].sentence
    assert [one.payload["campaigns"] for one in journalled(world, "round.done")] == [1]
    assert proposal.findings
    for one in ("cli:marie", "cli:paul"):
        say(world, proposal, "approve", actor=one)
    world.threads.apply_decisions()
    tick(place)
    with world.store.read() as connection:
        after = campaigns.get(connection, campaign_id(world))
        [shares] = campaigns.shares(connection, after.campaign_id, after.version)
    assert after.version == 2
    assert shares["after_5_days"] == pytest.approx(0.8)
    assert len(shares) > 1


def test_what_harms_ends_once_people_say_yes_even_under_another_policy(world: World, place: Workplace) -> None:
    entered(world, 20)
    assert looked(world, 150, 300) == "harms"
    found = run_round(world.threads)
    proposal_id = the_proposal(found)
    with world.store.read() as connection:
        proposal = proposals.get(connection, proposal_id).proposal
    assert (proposal.kind, proposal.findings, proposal.forecast.incremental_mean) == ("retire_campaign", (), 0.0)
    say(world, proposal, "approve")
    world.threads.apply_decisions()
    tick(replace(place, pack=own_pack("  frequency: {parameters: {messages: 2}}\n")))
    assert status_of(world, proposal_id) is ProposalStatus.LAUNCHED
    with world.store.read() as connection:
        assert campaigns.get(connection, campaign_id(world)).status == "cancelled"
        left = {one.state for one in enrolments.of_campaign(connection, campaign_id(world))}
        assert verify(connection).intact
    assert left == {"exited"}


def test_a_no_is_not_asked_again_for_a_while_and_a_round_that_runs_twice_proposes_once(world: World) -> None:
    entered(world, 100)
    looked(world, 300, 200)
    first = run_round(world.threads)
    proposal_id = the_proposal(first)
    assert run_round(world.threads) == first
    with world.store.read() as connection:
        proposal = proposals.get(connection, proposal_id).proposal
    assert [one.actor for one in journalled(world, "proposal.submitted", proposal_id)] == [ROUND]
    say(world, proposal, "reject", reason="Not now")
    world.threads.apply_decisions()
    world.clock.advance(EVERY)
    second = run_due_round(world.threads)
    assert second is not None
    assert [one for one in second.outcomes if one.idea.kind != "test"] == []


def test_a_playbook_that_people_turned_down_is_not_tested_again_for_a_while(fresh: Path) -> None:
    with open_world(fresh, names=["win_back"]) as opened:
        plan(opened.threads, BRIEF)
        say(opened, first_proposal(opened), "reject", reason="Not now")
        opened.threads.apply_decisions()
        opened.clock.advance(EVERY)
        assert run_round(opened.threads).outcomes == ()
        opened.clock.advance(QUIET_DAYS * DAY)
        assert [one.idea.kind for one in run_round(opened.threads).outcomes] == ["test"]


def test_the_round_is_due_a_week_after_the_first_work_and_then_every_week(world: World) -> None:
    assert run_due_round(world.threads) is None
    world.clock.advance(EVERY - timedelta(hours=1))
    assert run_due_round(world.threads) is None
    assert last_round(world.desk)[0] is None
    world.clock.advance(timedelta(hours=1))
    found = run_due_round(world.threads)
    assert found is not None
    assert found.looked_at == 1
    assert run_due_round(world.threads) is None
    assert last_round(world.desk) == (found, world.clock.now() + EVERY)


def test_while_a_worker_is_at_a_round_no_other_begins_or_goes_on_with_one(world: World) -> None:
    assert run_due_round(world.threads) is None
    world.clock.advance(EVERY)
    with _alone(world.desk) as free:
        assert free
        assert run_due_round(world.threads) is None
        with pytest.raises(ConflictError, match="going on"):
            run_round(world.threads)
    assert run_due_round(world.threads) is not None


def parted(world: World, *, frequent: int, seldom: int) -> None:
    """Two thousand contacts came in, half of whom had ordered before; a fifth of those held out order again.

    Of those who are written to so manieth do, among who had ordered before and among the others; 0 is nobody.
    """
    people = range(10_001, 12_001)
    add_contacts(world.store, people)
    refresh(world.store, world.desk.lake)
    with world.store.write() as connection:
        one = campaigns.list_campaigns(connection)[0]
        [sequence] = campaigns.get_version(connection, one.campaign_id, one.version).play.sequences
        held_out = set(people[:: round(1 / one.holdout_share)])
        rows = [
            Enrolment(
                campaign_id=one.campaign_id, contact_id=contact, version=1, in_holdout=contact in held_out,
                sequence_key=sequence.key, probability=1.0, step_key=None, due_at=None, entered_at=one.starts_at,
            )
            for contact in people
        ]  # fmt: skip
        write_enrolments(connection, rows)
    written = [contact for contact in people if contact not in held_out]
    before = [contact for contact in people if contact % 4 < 2]
    for weeks in (5, 9, 13):
        buy(world.desk, before, one.starts_at - timedelta(weeks=weeks), name=f"before{weeks}")
    again = [*sorted(held_out)[::5]]
    for step, group in ((frequent, set(before)), (seldom, set(people) - set(before))):
        again += [contact for contact in written if contact in group][::step] if step else []
    buy(world.desk, again, one.starts_at + DAY, name="again")
    world.clock.advance(2 * DAY)


def test_what_harms_some_goes_on_for_those_whom_it_helps_once_people_say_yes(world: World, place: Workplace) -> None:
    parted(world, frequent=2, seldom=0)
    found = run_round(world.threads)
    assert [one.idea.kind for one in found.outcomes if one.idea.kind != "test"] == ["narrow"]
    with world.store.read() as connection:
        before = campaigns.get(connection, campaign_id(world))
        first = campaigns.get_version(connection, before.campaign_id, 1).play
        proposal = proposals.get(connection, the_proposal(found)).proposal
    assert before.version == 1
    assert (proposal.kind, proposal.play.replaces.in_flight if proposal.play.replaces else "") == (
        "change_campaign",
        "stay",
    )
    assert proposal.play.audience["of"][0] == first.audience
    assert proposal.play.audience["of"][1]["operator"] == ">"
    assert proposal.play.holdout_share == first.holdout_share
    assert "By 2000 contacts" in proposal.evidence[0].sentence
    for one in ("cli:marie", "cli:paul"):
        say(world, proposal, "approve", actor=one)
    world.threads.apply_decisions()
    tick(place)
    with world.store.read() as connection:
        after = campaigns.get(connection, before.campaign_id)
        version = campaigns.get_version(connection, after.campaign_id, after.version)
    assert (after.version, after.holdout_share) == (2, before.holdout_share)
    assert version.play.audience == proposal.play.audience
    # The contacts of two audiences tell of neither, so nothing is narrowed twice.
    assert observe(world.desk, "again")[0].targeted == 0


def test_where_all_do_alike_nobody_is_left_out(world: World) -> None:
    parted(world, frequent=5, seldom=5)
    found = run_round(world.threads)
    assert "narrow" not in {one.idea.kind for one in found.outcomes}
    [seen] = observe(world.desk, "again")
    assert (seen.stop, seen.targeted) == (None, 2000)
