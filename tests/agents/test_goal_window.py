"""Where almost everybody buys in the playbook's window anyway, a shorter one leaves something to win."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agents.checkpoints import open_checkpoints
from agents.goal_window import FULL
from agents.planning import PlanResult, plan
from agents.resume import Threads
from memory import proposals
from memory.steps import Sequence
from memory.store import Store
from tests.agents.test_series import approve_and_launch, let_everything_leave
from tests.agents.world import BRIEF, NOW, World, copy_of, first_proposal, open_world
from tests.memory.builders import Row, purchase, write_lake
from tests.tools.scene import add_contacts
from tools.lookups import read

OFTEN, NOW_AND_THEN, SELDOM = range(1, 121), range(121, 181), range(181, 401)
"""Who buys every five days, every ten days and every fifty days."""


@pytest.fixture(scope="module")
def grocer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop where those who come most often come every week, or nearly."""
    folder = tmp_path_factory.mktemp("grocer")
    store = Store(f"sqlite:///{folder / 'store.db'}")
    store.migrate()
    fill(store, folder / "lake")
    store.close()
    return folder


@pytest.fixture
def world(grocer: Path, tmp_path: Path) -> Iterator[World]:
    with open_world(copy_of(grocer, tmp_path / "shop"), names=["vip_thank_you", "newsletter"]) as world:
        yield world


def fill(store: Store, lake: Path) -> None:
    people = [*OFTEN, *NOW_AND_THEN, *SELDOM]
    add_contacts(store, people)
    orders: list[Row] = []
    for one in people:
        every = 5 if one in OFTEN else 10 if one in NOW_AND_THEN else 50
        for turn in range(400 // every):
            at = NOW - timedelta(days=1 + one % every + every * turn, hours=one % 12)
            orders.append(purchase(f"o{one}-{turn}", one, at, ("coffee", 2_000 if one in SELDOM else 5_000))[0])
    created_at = NOW - timedelta(days=500)
    contacts: list[Row] = [
        {"contact_id": one, "created_at": created_at, "consent_email": "granted", "consent_proof": True}
        for one in people
    ]
    write_lake(lake, contacts=contacts, orders=orders)


def planned(world: World, name: str = "b1") -> PlanResult:
    return plan(world.threads, BRIEF.model_copy(update={"brief_id": name}))


def test_a_window_in_which_almost_everybody_buys_is_shortened_until_it_leaves_room(world: World) -> None:
    planned(world)
    proposal = first_proposal(world, "vip_thank_you")
    assert world.desk.playbooks["vip_thank_you"].goal.window_days == 21
    assert proposal.play.goal.window_days == proposal.forecast.window_days == 7
    assert 0.5 < proposal.forecast.base_rate <= FULL


def test_the_proposal_says_why_its_window_is_shorter_and_by_which_look_up(world: World) -> None:
    planned(world)
    proposal = first_proposal(world, "vip_thank_you")
    [said] = [one for one in proposal.evidence if "too few to win over" in one.sentence]
    with world.store.read() as connection:
        counted = read(connection, said.lookup_id)
    assert counted.result["rate"] == said.value > FULL
    assert counted.result["window_days"] == 21
    assert "21 days" in said.sentence
    assert "within 7 days" in said.sentence


def test_a_window_that_leaves_room_stays_as_the_playbook_wants_it(world: World) -> None:
    planned(world)
    proposal = first_proposal(world, "newsletter")
    assert proposal.play.goal == world.desk.playbooks["newsletter"].goal
    assert not [one for one in proposal.evidence if "too few to win over" in one.sentence]


def test_a_window_keeps_a_week_after_the_last_message_of_its_playbook(grocer: Path, tmp_path: Path) -> None:
    folder = copy_of(grocer, tmp_path / "shop")
    with open_world(folder, names=["vip_thank_you"], only_sequence="thanks") as world:
        [playbook] = world.desk.playbooks.values()
        [thanks] = playbook.sequences
        waits = {"kind": "wait", "key": "later", "days": 1}
        later = Sequence.model_validate(thanks.model_dump() | {"steps": [waits, *thanks.model_dump()["steps"]]})
        desk = replace(world.desk, playbooks={playbook.id: playbook.model_copy(update={"sequences": (later,)})})
        with open_checkpoints(desk.store, folder) as saver:
            found = plan(Threads(desk, saver), BRIEF)
    assert "0.0 additional orders in 21 days" in found.withheld[0].sentence


def test_the_letters_of_a_series_count_in_the_same_days(world: World) -> None:
    planned(world)
    first = approve_and_launch(world, first_proposal(world, "vip_thank_you"))
    let_everything_leave(world, first)
    # All of them stay away now, so that by itself a window of 21 days would leave room.
    world.clock.advance(timedelta(days=21))
    made = planned(world, "b2")
    with world.store.read() as connection:
        found = [proposals.get(connection, one).proposal for one in made.proposal_ids]
    [follow_up] = [one for one in found if one.play.playbook == "vip_thank_you"]
    assert follow_up.play.holdout_key == first
    assert follow_up.play.goal.window_days == 7
