"""A change of rhythm is proposed by the weekly round with its evidence, and nothing moves before people say yes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from agents.follow_up import propose_next_letters
from agents.look import planned_looks
from agents.planning import plan
from agents.round import EVERY, Round, run_round
from agents.series import rhythm
from memory import campaigns, proposals
from memory.campaigns import Campaign
from memory.clock import ManualClock
from memory.finding import Verdict
from memory.proposal import Proposal, ProposalStatus
from memory.schema import enrolments
from tests.agents.world import BRIEF, World, copy_of, first_proposal, open_world, say, status_of
from tests.tools.scene import workplace
from tools.unsubscribe import opt_out
from tools.worker import tick

DAY = timedelta(days=1)
FRUITS = ("apples", "pears", "plums", "figs", "quinces")
LEAVING = 7
"""So many of some 130 readers leave after each letter."""


@pytest.fixture(scope="module")
def four_letters(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime]:
    """Four weekly newsletters, each proposed by the worker and approved, and when the last one has left."""
    folder = copy_of(filled, tmp_path_factory.mktemp("four-letters"))
    with open_world(folder, names=["newsletter"], only_sequence="any_hour") as opened:
        plan(opened.threads, BRIEF)
        approve(opened, first_proposal(opened, "newsletter"))
        for _ in range(3):
            send(opened)
            leave(opened)
            opened.clock.advance(5 * DAY)
            [proposal_id] = propose_next_letters(opened.threads)
            issue(opened, proposal_id)
        send(opened)
        return folder, opened.clock.now()


@pytest.fixture
def world(four_letters: tuple[Path, datetime], tmp_path: Path) -> Iterator[World]:
    folder, now = four_letters
    clock = ManualClock(now)
    with open_world(
        copy_of(folder, tmp_path / "own"), names=["newsletter"], only_sequence="any_hour", clock=clock
    ) as opened:
        yield opened


def proposal_of(world: World, proposal_id: str) -> Proposal:
    with world.store.read() as connection:
        return proposals.get(connection, proposal_id).proposal


def approve(world: World, proposal: Proposal) -> None:
    say(world, proposal, "approve")
    world.threads.apply_decisions()
    tick(workplace(world.store, world.clock, world.folder))
    assert status_of(world, proposal.proposal_id) is ProposalStatus.LAUNCHED


def issue(world: World, proposal_id: str) -> Proposal:
    """A letter that was proposed, in words of its own and approved."""
    proposal = proposal_of(world, proposal_id)
    fruit = FRUITS[proposal.play.schedule.starts_at.isocalendar().week % len(FRUITS)]
    copies = {
        step.key: {language: {"subject": f"{copy.subject}, {fruit}"} for language, copy in step.copies.items()}
        for _, step in proposal.play.sends()
    }
    say(world, proposal, "edit", changes={"copies": copies})
    world.threads.apply_decisions()
    approve(world, proposal_of(world, proposal_id))
    return proposal_of(world, proposal_id)


def send(world: World) -> None:
    """A day goes by in which the letter leaves, and one more."""
    for _ in range(8):
        world.clock.advance(DAY / 4)
        tick(workplace(world.store, world.clock, world.folder))


def leave(world: World) -> None:
    letter = newest(world).campaign_id
    query = select(enrolments.c.contact_id).where(enrolments.c.campaign_id == letter, ~enrolments.c.in_holdout)
    with world.store.write() as connection:
        for one in sorted(connection.execute(query).scalars())[:LEAVING]:
            opt_out(connection, one, "email", "the page", world.clock.now())


def newest(world: World) -> Campaign:
    with world.store.read() as connection:
        found = campaigns.last_letter(connection, "newsletter")
    assert found is not None
    return found


def days(world: World) -> int:
    with world.store.read() as connection:
        return rhythm(connection, world.desk, world.desk.playbooks["newsletter"]).days


def day_of(moment: datetime) -> date:
    return moment.astimezone(ZoneInfo("Europe/Paris")).date()


def rhythm_proposals(found: Round) -> list[str]:
    return [one.proposal_id for one in found.outcomes if one.idea.kind == "rhythm"]


def test_readers_who_leave_slow_the_letters_once_people_say_yes_and_not_before(world: World) -> None:
    last = newest(world)
    [proposal_id] = rhythm_proposals(run_round(world.threads))
    proposal = proposal_of(world, proposal_id)
    assert (proposal.kind, proposal.play.days_between) == ("change_campaign", 14)
    assert "Let 14 days lie between two letters of" in proposal.summary
    assert "somebody unsubscribed 21 of" in proposal.evidence[0].sentence
    assert [one for one in proposal.findings if one.verdict is not Verdict.ALLOW] == []
    assert days(world) == 7
    assert len(rhythm_proposals(run_round(world.threads))) == 1
    approve(world, proposal)
    assert days(world) == 14
    after = newest(world)
    assert (after.campaign_id, after.version) == (last.campaign_id, last.version + 1)
    assert planned_looks(after) == planned_looks(last)
    world.clock.advance_to(last.starts_at + 12 * DAY)
    assert propose_next_letters(world.threads) == []
    world.clock.advance(DAY)
    [next_id] = propose_next_letters(world.threads)
    follows = issue(world, next_id)
    assert day_of(follows.play.schedule.starts_at) == day_of(last.starts_at) + 14 * DAY
    assert follows.play.holdout_key == last.series_key
    # The letters after it come at the approved rhythm too.
    send(world)
    assert newest(world).campaign_id != last.campaign_id
    assert days(world) == 14


def test_a_letter_follows_at_the_old_rhythm_while_people_think_about_another_and_a_no_is_not_asked_again(
    world: World,
) -> None:
    last = newest(world)
    [proposal_id] = rhythm_proposals(run_round(world.threads))
    world.clock.advance_to(last.starts_at + 6 * DAY)
    [next_id] = propose_next_letters(world.threads)
    assert day_of(proposal_of(world, next_id).play.schedule.starts_at) == day_of(last.starts_at) + EVERY
    say(world, proposal_of(world, proposal_id), "reject", reason="They like it weekly.")
    world.threads.apply_decisions()
    issue(world, next_id)
    send(world)
    assert newest(world).campaign_id != last.campaign_id
    assert rhythm_proposals(run_round(world.threads)) == []
    assert days(world) == 7
