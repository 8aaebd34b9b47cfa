"""A play starts where earlier campaigns of its playbook left off: with more of what sold, and some of everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from agents.analyst import size
from agents.measures import lookups_for
from agents.provider import Opportunity, Recall, Task
from agents.starting_shares import starting_shares
from memory import lessons
from memory.bands import Bands
from memory.clock import ManualClock
from memory.lessons import Lesson
from memory.steps import Sequence
from memory.store import Store
from tests import examples
from tests.agents.test_rules import lesson
from tests.agents.trial import START, buy, desk_of, launch
from tests.agents.world import BRIEF, open_world

PLAYBOOK = "cross_sell"
PLAIN, OTHERS = "plain_introduction", "others_like_you"


@dataclass(frozen=True)
class Drafted:
    """A playbook that was sized, and its sequences."""

    task: Task
    sized: Opportunity
    sequences: dict[str, Sequence]

    def shares(self, *found: Lesson) -> dict[str, float]:
        task = Task(
            desk=self.task.desk,
            lookups=self.task.lookups,
            brief=BRIEF,
            playbook=self.task.playbook,
            recall=Recall(lessons=found),
        )
        [shares], _ = starting_shares(task, self.sized, self.sequences)
        return shares


@pytest.fixture(scope="module")
def drafted(planned: Path) -> Iterator[Drafted]:
    with open_world(planned) as world:
        playbook = world.desk.playbooks[PLAYBOOK]
        lookups = lookups_for(world.desk, "shares")
        task = Task(desk=world.desk, lookups=lookups, brief=BRIEF, playbook=playbook, recall=Recall())
        yield Drafted(task, size(task), {one.key: one for one in playbook.sequences})


def taught(plain: int, others: int, *, contacts: int = 400, **changes: object) -> Lesson:
    """A campaign in which so many of each sequence's contacts ordered."""
    arms = {
        PLAIN: {"contacts": contacts, "conversions": plain},
        OTHERS: {"contacts": contacts, "conversions": others},
        "holdout": {"contacts": contacts, "conversions": 40},
    }
    return lesson(0.1, playbook=PLAYBOOK, evidence={"arms": arms}, **changes)


def test_without_a_lesson_the_playbooks_own_shares_stand(drafted: Drafted) -> None:
    assert drafted.shares() == {PLAIN: 0.5, OTHERS: 0.5}


def test_what_sold_better_starts_with_more(drafted: Drafted) -> None:
    assert drafted.shares(taught(40, 90))[OTHERS] > 0.9
    assert drafted.shares(taught(90, 40))[PLAIN] > 0.9


def test_one_campaign_moves_half_of_the_contacts_at_most(drafted: Drafted) -> None:
    planned = {
        PLAIN: drafted.sequences[PLAIN].model_copy(update={"share": 0.9}),
        OTHERS: drafted.sequences[OTHERS].model_copy(update={"share": 0.1}),
    }
    once, twice = (
        replace(drafted, sequences=planned).shares(*(taught(40, 90, lesson_id=f"l{place}") for place in range(count)))
        for count in (1, 2)
    )
    assert once == pytest.approx({PLAIN: 0.4, OTHERS: 0.6})
    assert twice[OTHERS] > 0.9


def test_campaigns_that_agree_leave_little_of_the_other_sequence_but_never_nothing(drafted: Drafted) -> None:
    shares = drafted.shares(*(taught(40, 90, lesson_id=f"l{place}") for place in range(4)))
    assert 0 < shares[PLAIN] < 0.05
    assert sum(shares.values()) == pytest.approx(1)


def test_sequences_that_sold_alike_stay_near_the_plan(drafted: Drafted) -> None:
    assert drafted.shares(taught(60, 60))[PLAIN] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    "silent",
    [
        taught(2, 6, contacts=20),
        taught(40, 90).model_copy(update={"evidence": {}}),
        taught(40, 90).model_copy(update={"state_reason": "narrowed", "segment": "somebody else"}),
    ],
    ids=["a handful of contacts", "no counts", "narrowed to another segment"],
)
def test_a_lesson_that_says_nothing_of_these_sequences_moves_nothing(drafted: Drafted, silent: Lesson) -> None:
    assert drafted.shares(silent) == {PLAIN: 0.5, OTHERS: 0.5}


def test_bands_that_nobody_has_counted_yet_begin_as_if_contacts_were_spread_evenly(drafted: Drafted) -> None:
    """The playbook's bands were changed while a proposal was deliberated on."""
    bands = Bands(feature="orders_count", cuts=(2, 4, 6))
    playbook = drafted.task.playbook.model_copy(update={"bands": bands})
    task = Task(
        desk=drafted.task.desk,
        lookups=drafted.task.lookups,
        brief=BRIEF,
        playbook=playbook,
        recall=Recall(lessons=(taught(40, 90),)),
    )
    shares, earlier = starting_shares(task, drafted.sized, drafted.sequences)
    assert (len(shares), earlier) == (4, 1)
    assert all(one[OTHERS] > one[PLAIN] for one in shares)


def test_the_next_letter_draws_more_of_what_sold_so_far_while_the_last_one_is_still_read(
    drafted: Drafted, store: Store, tmp_path: Path, clock: ManualClock
) -> None:
    desk = desk_of(store, tmp_path, clock)
    letter = examples.play(
        playbook=PLAYBOOK,
        goal={"window_days": 21},
        sequences=tuple(one.model_copy(update={"share": 0.5}) for one in drafted.sequences.values()),
        templates=drafted.task.playbook.templates,
    )
    first, other = (one.key for one in letter.sequences)
    running = launch(store, treated=range(1, 401), holdout=range(401, 441), play=letter)
    # Of the even numbers, who drew the first, half order within four days; of the others a tenth, and all later on.
    buy(desk, range(2, 401, 4), START + timedelta(days=3), name="first")
    buy(desk, range(1, 401, 20), START + timedelta(days=4), name="other")
    buy(desk, range(3, 401, 2), START + timedelta(days=9), name="later")
    clock.advance_to(START + timedelta(days=7))

    def starting(*found: Lesson) -> tuple[dict[str, float], int]:
        before = drafted.task
        task = Task(
            desk=desk,
            lookups=before.lookups,
            brief=BRIEF,
            playbook=before.playbook,
            recall=Recall(lessons=found),
        )
        [shares], taught = starting_shares(task, drafted.sized, drafted.sequences)
        return shares, taught

    shares, taught = starting()
    assert taught == 1
    assert shares[first] > 0.9
    # A lesson that tells of the letter stands in the place of what is counted of it.
    learnt = told_of(running, {first: 40, other: 90})
    with store.write() as connection:
        lessons.write(connection, learnt, at=clock.now())
    shares, taught = starting(learnt)
    assert taught == 1
    assert shares[other] > 0.9
    # What people no longer want to be learnt is not learnt by counting it again.
    with store.write() as connection:
        lessons.set_state(
            connection, learnt.lesson_id, "withdrawn", reason="A strike.", actor="cli:marie", at=clock.now()
        )
    assert starting() == ({first: 0.5, other: 0.5}, 0)


def told_of(campaign_id: str, conversions: dict[str, int]) -> Lesson:
    arms = {key: {"contacts": 400, "conversions": reached} for key, reached in conversions.items()}
    told = {"campaign": campaign_id, "observed_to": START.isoformat(), "arms": arms}
    return lesson(0.1, playbook=PLAYBOOK, evidence={"arms": arms, "letters": [told]})
