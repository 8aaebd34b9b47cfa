"""Letters that follow each other hold out the same people, wait for their turn, and are read together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from agents.edit import apply_changes
from agents.follow_up import propose_next_letters
from agents.live import QUIET_DAYS
from agents.measure import read_campaign
from agents.planning import plan
from agents.series import SERIES_DAYS, why_not_yet
from agents.series import rhythm as rhythm_of
from memory import campaigns, proposals, readouts
from memory.assignment import all_in_holdout
from memory.errors import InvalidInputError
from memory.proposal import Proposal, ProposalStatus
from memory.readouts import StoredReadOut, Verdict, readout_id_of
from memory.schema import campaigns as campaign_rows
from memory.schema import enrolments, messages
from tests.agents.world import BRIEF, World, first_proposal, open_world, say
from tests.tools.scene import workplace
from tools.launch import launch


@pytest.fixture
def win_back(fresh: Path) -> Iterator[World]:
    with open_world(fresh, names=["win_back"]) as world:
        yield world


def approve_and_launch(world: World, proposal: Proposal) -> str:
    say(world, proposal, "approve")
    world.threads.apply_decisions()
    return launch(workplace(world.store, world.clock, world.folder), proposal.proposal_id).campaign_id


def let_everything_leave(world: World, campaign_id: str) -> None:
    with world.store.write() as connection:
        held = select(enrolments.c.enrolment_id).where(enrolments.c.in_holdout)
        mine = messages.c.campaign_id == campaign_id
        connection.execute(update(messages).where(mine).values(state="sent", sent_at=world.clock.now()))
        connection.execute(
            update(messages).where(mine, messages.c.enrolment_id.in_(held)).values(state="withheld", sent_at=None)
        )
        connection.execute(
            update(enrolments).where(enrolments.c.campaign_id == campaign_id).values(state="exited", step_key=None)
        )


def held_out_of(world: World, campaign_id: str) -> tuple[set[int], set[int]]:
    query = select(enrolments.c.contact_id, enrolments.c.in_holdout).where(enrolments.c.campaign_id == campaign_id)
    with world.store.read() as connection:
        rows = connection.execute(query).all()
    return ({row.contact_id for row in rows if row.in_holdout}, {row.contact_id for row in rows if not row.in_holdout})


def days_between(world: World) -> int:
    with world.store.read() as connection:
        return rhythm_of(connection, world.desk, world.desk.playbooks["win_back"]).days


def second_letter(world: World) -> tuple[str, Proposal]:
    plan(world.threads, BRIEF)
    first = approve_and_launch(world, first_proposal(world))
    let_everything_leave(world, first)
    with world.store.read() as connection:
        starts_at = campaigns.get(connection, first).starts_at
    world.clock.advance_to(starts_at + timedelta(days=days_between(world)))
    made = plan(world.threads, BRIEF)
    assert made.proposal_ids, made.withheld
    with world.store.read() as connection:
        return first, proposals.get(connection, made.proposal_ids[0]).proposal


def test_a_letter_waits_until_the_one_before_is_out_and_its_day_has_come(win_back: World) -> None:
    playbook = win_back.desk.playbooks["win_back"]
    plan(win_back.threads, BRIEF)
    first = approve_and_launch(win_back, first_proposal(win_back))
    with win_back.store.read() as connection:
        assert why_not_yet(connection, win_back.desk, playbook) == "Messages of its last letter are still to leave."
    let_everything_leave(win_back, first)
    with win_back.store.read() as connection:
        assert why_not_yet(connection, win_back.desk, playbook).startswith("The next letter is due on")
        starts_at = campaigns.get(connection, first).starts_at
    win_back.clock.advance_to(starts_at + timedelta(days=days_between(win_back)))
    with win_back.store.read() as connection:
        assert why_not_yet(connection, win_back.desk, playbook) == ""


def test_a_follow_up_holds_out_the_same_people_says_so_and_is_read_with_the_letter_before(win_back: World) -> None:
    first, proposal = second_letter(win_back)
    assert proposal.play.holdout_key == first
    assert "the same people as for the letter before it" in proposal.holdout_why
    with pytest.raises(InvalidInputError, match="holds out the same people"):
        apply_changes(proposal, {"holdout_share": 0.3}, win_back.desk)
    other = proposal.play.model_copy(update={"holdout_key": "", "holdout_share": proposal.play.holdout_share})
    assert other.digest != proposal.play.digest
    second = approve_and_launch(win_back, proposal)
    (out, reached), (out_again, reached_again) = (held_out_of(win_back, one) for one in (first, second))
    assert out_again
    assert not out & reached_again
    assert not out_again & reached
    win_back.clock.advance_to(proposal.play.schedule.starts_at + timedelta(days=1))
    found = read_campaign(win_back.desk, second)
    assert found.letters == (first, second)
    assert found.holdout.contacts == len(out | out_again)
    assert found.treated.contacts == len(reached | reached_again)
    assert sum(one.contacts for one in found.sequences.values()) == len(reached_again)
    assert read_campaign(win_back.desk, first).letters == ()


def test_a_follow_up_whose_series_holds_out_another_share_is_voided_at_the_door(win_back: World) -> None:
    first, proposal = second_letter(win_back)
    with win_back.store.write() as connection:
        connection.execute(update(campaign_rows).where(campaign_rows.c.campaign_id == first).values(holdout_share=0.44))
    say(win_back, proposal, "approve")
    win_back.threads.apply_decisions()
    done = launch(workplace(win_back.store, win_back.clock, win_back.folder), proposal.proposal_id)
    assert done.status is ProposalStatus.VOIDED
    assert "Its series holds out 44%" in done.sentence


def test_where_a_letter_does_harm_none_of_its_series_follows_or_goes_on(win_back: World) -> None:
    first, proposal = second_letter(win_back)
    look_that_says(win_back, first, "inconclusive", 3)
    with win_back.store.read() as connection:
        assert why_not_yet(connection, win_back.desk, win_back.desk.playbooks["win_back"]) == ""
    second = approve_and_launch(win_back, proposal)
    let_everything_leave(win_back, second)
    win_back.clock.advance(timedelta(days=30))
    plan(win_back.threads, BRIEF)
    third = newest_proposal(win_back)
    assert third.play.holdout_key == first
    # Read late: by then another letter was the last one.
    look_that_says(win_back, first, "harms", 4)
    with win_back.store.write() as connection:
        campaigns.swap_status(connection, first, ["live"], "finished", at=win_back.clock.now(), actor="noria")
        campaigns.swap_status(connection, second, ["live"], "finished", at=win_back.clock.now(), actor="noria")
    with win_back.store.read() as connection:
        why = why_not_yet(connection, win_back.desk, win_back.desk.playbooks["win_back"])
    assert why.startswith("A letter of its series does harm: none follows it before ")
    say(win_back, third, "approve")
    win_back.threads.apply_decisions()
    done = launch(workplace(win_back.store, win_back.clock, win_back.folder), third.proposal_id)
    assert (done.status, done.sentence) == (ProposalStatus.VOIDED, "A letter of its series does harm.")


def test_the_worker_proposes_the_next_letter_for_the_same_weekday_once_and_not_before_its_time(win_back: World) -> None:
    """The first letter leaves late in the day; a playbook that names no rhythm is left to people."""
    plan(win_back.threads, BRIEF)
    win_back.clock.advance(timedelta(days=1, hours=5))
    first = approve_and_launch(win_back, first_proposal(win_back))
    let_everything_leave(win_back, first)
    with win_back.store.read() as connection:
        starts_at = campaigns.get(connection, first).starts_at
    win_back.clock.advance_to(starts_at + timedelta(days=12, hours=-8))
    rhythm(win_back, 14)
    assert propose_next_letters(win_back.threads) == []
    win_back.clock.advance(timedelta(days=1))
    rhythm(win_back, None)
    assert propose_next_letters(win_back.threads) == []
    rhythm(win_back, 14)
    [proposal_id] = propose_next_letters(win_back.threads)
    assert propose_next_letters(win_back.threads) == []
    with win_back.store.read() as connection:
        follow_up = proposals.get(connection, proposal_id).proposal
    assert follow_up.play.holdout_key == first
    assert (follow_up.play.schedule.starts_at.date() - starts_at.date()).days == 14


def test_people_who_turned_the_next_letter_down_are_not_asked_again_on_the_next_day(win_back: World) -> None:
    first, proposal = second_letter(win_back)
    rhythm(win_back, 14)
    say(win_back, proposal, "reject", reason="Not now.")
    win_back.threads.apply_decisions()
    win_back.clock.advance(timedelta(days=1))
    with win_back.store.read() as connection:
        assert why_not_yet(connection, win_back.desk, win_back.desk.playbooks["win_back"]) == ""
    assert propose_next_letters(win_back.threads) == []
    win_back.clock.advance(timedelta(days=QUIET_DAYS))
    [proposal_id] = propose_next_letters(win_back.threads)
    with win_back.store.read() as connection:
        assert proposals.get(connection, proposal_id).proposal.play.holdout_key == first


def rhythm(world: World, days: int | None) -> None:
    assert isinstance(world.desk.playbooks, dict)
    world.desk.playbooks["win_back"] = world.desk.playbooks["win_back"].model_copy(update={"days_between": days})


def look_that_says(world: World, campaign_id: str, verdict: Verdict, look: int) -> None:
    now, body = world.clock.now(), read_campaign(world.desk, campaign_id).model_dump(mode="json")
    found = StoredReadOut(
        readout_id=readout_id_of(campaign_id, look), campaign_id=campaign_id, look=look, looks_planned=4,
        verdict=verdict, body=body, planned_at=now, read_at=now,
    )  # fmt: skip
    with world.store.write() as connection:
        readouts.keep(connection, found, facts={})


def newest_proposal(world: World) -> Proposal:
    with world.store.read() as connection:
        found = [one.proposal for one in proposals.list_proposals(connection, [ProposalStatus.OPEN])]
    return found[-1]


@given(st.text(min_size=1, max_size=8), st.floats(0.05, 0.5), st.lists(st.sets(st.integers(1, 400)), max_size=5))
@settings(deadline=None)
def test_nobody_held_out_by_a_series_ever_gets_a_letter_of_it(key: str, share: float, letters: list[set[int]]) -> None:
    out: set[int] = set()
    reached: set[int] = set()
    for letter in letters:
        ids = np.asarray(sorted(letter), np.int64)
        held = all_in_holdout("salt", key, ids, share)
        out |= set(ids[held].tolist())
        reached |= set(ids[~held].tolist())
    assert not out & reached


def test_after_a_series_the_worker_begins_the_next_one_unless_the_last_did_harm(win_back: World) -> None:
    """Until its last letter has been read nothing follows; the new series draws its holdout anew."""
    rhythm(win_back, 14)
    plan(win_back.threads, BRIEF)
    first = approve_and_launch(win_back, first_proposal(win_back))
    let_everything_leave(win_back, first)
    win_back.clock.advance(timedelta(days=SERIES_DAYS + 1))
    assert propose_next_letters(win_back.threads) == []
    with win_back.store.write() as connection:
        campaigns.swap_status(connection, first, ["live"], "finished", at=win_back.clock.now(), actor="noria")
    look_that_says(win_back, first, "harms", 3)
    assert propose_next_letters(win_back.threads) == []
    look_that_says(win_back, first, "inconclusive", 4)
    [proposal_id] = propose_next_letters(win_back.threads)
    with win_back.store.read() as connection:
        assert proposals.get(connection, proposal_id).proposal.play.holdout_key == ""


@pytest.mark.parametrize(("days", "due"), [(40, False), (20, True)])
def test_a_slow_rhythm_is_kept_when_its_last_letter_has_long_been_read(win_back: World, days: int, due: bool) -> None:
    rhythm(win_back, days)
    plan(win_back.threads, BRIEF)
    first = approve_and_launch(win_back, first_proposal(win_back))
    let_everything_leave(win_back, first)
    win_back.clock.advance(timedelta(days=30))
    with win_back.store.write() as connection:
        campaigns.swap_status(connection, first, ["live"], "finished", at=win_back.clock.now(), actor="noria")
    assert bool(propose_next_letters(win_back.threads)) is due
