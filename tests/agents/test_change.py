"""A running campaign is edited: a proposal of its own, an approval of its own, and nothing is sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any, Literal

import pytest
from sqlalchemy import select

from agents.change import propose_change
from agents.planning import plan
from agents.resume import Threads
from memory import campaigns, enrolments, proposals
from memory.errors import ConflictError, InvalidInputError
from memory.journal import verify
from memory.proposal import Proposal, ProposalStatus
from memory.schema import messages
from tests.agents.world import BRIEF, World, first_proposal, open_world, say, status_of
from tests.policies.worlds import own_pack
from tests.tools.scene import workplace
from tools.campaign import stop
from tools.worker import tick
from tools.workplace import Workplace

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NEW = "A new word for your next order"
CHANGES = {"copies": {"offer": {"en": {"subject": NEW}}}}


@pytest.fixture
def world(fresh: Path) -> Iterator[World]:
    """A planned win-back of two messages, five days apart."""
    with open_world(fresh, names=["win_back"], only_sequence="reminder_then_offer") as opened:
        plan(opened.threads, BRIEF)
        yield opened


@pytest.fixture
def place(world: World) -> Workplace:
    return workplace(world.store, world.clock, world.folder)


def running(world: World, place: Workplace) -> str:
    """A win-back whose first messages have left; an offer follows five days later."""
    proposal = first_proposal(world)
    say(world, proposal, "approve")
    world.threads.apply_decisions()
    world.clock.advance(DAY + HOUR)
    tick(place)
    with world.store.read() as connection:
        return campaigns.campaign_id_of(proposals.get(connection, proposal.proposal_id).proposal.proposal_id)


def change(world: World, campaign_id: str, in_flight: Literal["stay", "move"], changes: Any = CHANGES) -> Proposal:
    proposal_id = propose_change(world.threads, campaign_id, changes, in_flight=in_flight, actor="cli:marie")
    with world.store.read() as connection:
        return proposals.get(connection, proposal_id).proposal


def approved(world: World, place: Workplace, proposal: Proposal) -> None:
    say(world, proposal, "approve", actor="cli:paul")
    world.threads.apply_decisions()
    tick(place)


def subjects(world: World) -> dict[str, str]:
    """Subject of everything that left, by message key."""
    parser = BytesParser(policy=policy.default)
    return {
        path.stem: str(parser.parsebytes(path.read_bytes())["Subject"])
        for path in (world.folder / "outbox").glob("*.eml")
    }


def test_nothing_changes_before_people_approve(world: World, place: Workplace) -> None:
    campaign_id = running(world, place)
    proposal = change(world, campaign_id, "move")
    assert status_of(world, proposal.proposal_id) is ProposalStatus.OPEN
    assert "move to it" in proposal.summary
    tick(place)
    with world.store.read() as connection:
        assert campaigns.get(connection, campaign_id).version == 1


@pytest.mark.parametrize(("in_flight", "new_words"), [("move", True), ("stay", False)])
def test_contacts_in_flight_move_or_finish_theirs(
    world: World, place: Workplace, in_flight: Literal["stay", "move"], new_words: bool
) -> None:
    campaign_id = running(world, place)
    first = subjects(world)
    proposal = change(world, campaign_id, in_flight)
    approved(world, place, proposal)
    assert status_of(world, proposal.proposal_id) is ProposalStatus.LAUNCHED
    with world.store.read() as connection:
        assert campaigns.get(connection, campaign_id).version == 2
        inside = [one for one in enrolments.of_campaign(connection, campaign_id) if one.state == "active"]
    assert {one.version for one in inside} == {2 if new_words else 1}
    assert subjects(world) == first
    for _ in range(7 * 4):
        world.clock.advance(6 * HOUR)
        tick(place)
    later = {key: subject for key, subject in subjects(world).items() if key not in first}
    assert later
    assert {NEW in subject for subject in later.values()} == {new_words}
    with world.store.read() as connection:
        sent = connection.execute(select(messages.c.message_key).where(messages.c.state == "sent")).scalars().all()
        assert verify(connection).intact
    assert sorted(sent) == sorted(subjects(world))


def test_a_planned_message_goes_out_once_in_its_newest_words(world: World, place: Workplace) -> None:
    proposal = first_proposal(world)
    say(world, proposal, "approve")
    world.threads.apply_decisions()
    # Launched, and nothing has left: the window opens tomorrow.
    tick(place)
    campaign_id = campaigns.campaign_id_of(proposal.proposal_id)
    assert subjects(world) == {}
    new = change(world, campaign_id, "move", {"copies": {"first_reminder": {"en": {"subject": NEW}}}})
    approved(world, place, new)
    world.clock.advance(DAY + HOUR)
    tick(place)
    found = subjects(world)
    assert any(NEW in subject for subject in found.values())
    with world.store.read() as connection:
        rows = connection.execute(select(messages.c.contact_id, messages.c.step_key)).all()
    assert len(rows) == len(set(rows))


def test_a_campaign_that_was_changed_meanwhile_voids_the_older_edit(world: World, place: Workplace) -> None:
    campaign_id = running(world, place)
    first, second = (
        change(world, campaign_id, "stay", {"copies": {"offer": {"en": {"subject": f"{NEW} {word}"}}}})
        for word in ("today", "soon")
    )
    approved(world, place, first)
    approved(world, place, second)
    assert status_of(world, second.proposal_id) is ProposalStatus.VOIDED
    with world.store.read() as connection:
        assert campaigns.get(connection, campaign_id).version == 2


def test_what_a_test_rests_on_cannot_be_changed(world: World, place: Workplace) -> None:
    campaign_id = running(world, place)
    for changes in ({"holdout_share": 0.2}, {"sequences": ["reminder_then_offer"]}):
        with pytest.raises(InvalidInputError):
            change(world, campaign_id, "stay", changes)


def test_a_campaign_that_is_over_cannot_be_changed(world: World, place: Workplace) -> None:
    campaign_id = running(world, place)
    with world.store.write() as connection:
        stop(connection, campaign_id, at=world.clock.now(), actor="cli:marie", reason="enough")
    with pytest.raises(ConflictError):
        change(world, campaign_id, "stay")


def test_a_running_campaign_is_approved_again_as_it_is_under_another_policy(world: World, place: Workplace) -> None:
    campaign_id = running(world, place)
    with pytest.raises(InvalidInputError, match="changes nothing"):
        change(world, campaign_id, "move", {})
    other = own_pack("  frequency: {parameters: {messages: 2}}\n")
    desk = replace(world.desk, pack=other)
    renewed = World(world.folder, desk, Threads(desk, world.threads.checkpointer), world.clock)
    proposal = change(renewed, campaign_id, "move", {})
    assert proposal.play.policy_version == other.version
    say(renewed, proposal, "approve")
    renewed.threads.apply_decisions()
    tick(replace(place, pack=other))
    with world.store.read() as connection:
        version = campaigns.get(connection, campaign_id).version
        assert campaigns.get_version(connection, campaign_id, version).policy_version == other.version
    assert status_of(world, proposal.proposal_id) is ProposalStatus.LAUNCHED
