"""Where almost everybody buys in the playbook's window anyway, a shorter one leaves something to win."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agents.checkpoints import open_checkpoints
from agents.goal_window import FULL, counted_rates
from agents.ideas import Idea
from agents.planning import PlanResult, plan
from agents.playbook import Playbook
from agents.redraw import redrawn
from agents.resume import Threads
from agents.series import why_not_yet
from memory import campaigns
from memory.letters import PREFIX
from memory.steps import Sequence
from memory.store import Store
from tests.agents.test_series import approve_and_launch, let_everything_leave
from tests.agents.world import BRIEF, NOW, World, copy_of, first_proposal, open_world, playbooks
from tests.memory.builders import Row, purchase, write_lake
from tests.tools.scene import add_contacts
from tools.lookups import JsonObject, Lookup, read

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
    assert counted.result["rate"] == said.value
    assert float(counted.result["rate"]) > FULL
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


Rates = dict[int, tuple[int, int, str]]
"""By days: contacts, how many of them ordered, and who they are."""


def days_for(playbook: Playbook, rates: Rates) -> int:
    def call(name: str, arguments: JsonObject) -> Lookup:
        days = arguments.get("window_days", playbook.goal.window_days)
        contacts, reached, basis = rates[days]
        result = {"contacts": contacts, "reached": reached, "rate": reached / contacts, "basis": basis}
        answer = {**result, "window_days": days}
        return Lookup(lookup_id="L1", thread_id="t", name=name, arguments=arguments, result=answer)

    return int(counted_rates(playbook, call)[-1].result["window_days"])


@pytest.mark.parametrize(
    ("fourteen", "seven", "days"),
    [
        ((100, 94, "segment"), None, 14),
        ((100, 98, "segment"), (100, 90, "segment"), 7),
        ((100, 98, "segment"), (100, 97, "segment"), 28),
        ((100, 0, "segment"), None, 28),
        ((19, 12, "segment"), None, 28),
        ((100, 60, "everybody"), None, 28),
    ],
    ids=["room", "room in a week", "none in any", "nobody ordered", "a handful", "other people"],
)
def test_a_window_is_shortened_only_to_one_in_which_enough_were_counted_and_some_are_left_to_win(
    fourteen: tuple[int, int, str], seven: tuple[int, int, str] | None, days: int
) -> None:
    rates = {28: (100, 99, "segment"), 14: fourteen, 7: seven or (100, 50, "segment")}
    assert days_for(playbooks()["vip_threshold"], rates) == days


def test_who_writes_a_letter_says_in_how_many_days_an_order_counts() -> None:
    playbook, rates = playbooks()["vip_threshold"], {28: (100, 99, "segment"), 14: (100, 50, "segment")}
    assert days_for(playbook, rates) == 14
    assert days_for(playbook.model_copy(update={"id": f"{PREFIX}spring"}), rates) == 28


def test_a_variation_of_a_shortened_play_keeps_a_week_of_the_window_after_its_last_message(world: World) -> None:
    planned(world)
    play = first_proposal(world, "vip_thank_you").play
    idea = Idea(
        kind="vary", campaign_id="c", playbook="vip_thank_you", name="VIP thank-you", sequences=("thanks",),
        variations=6,
        shares={one.key: one.share for one in play.sequences}, sentence="", why="", evidence=(),
    )  # fmt: skip
    longer = play.model_copy(update={"goal": play.goal.within(21)})
    short, long = ({one.lever for one in redrawn(each, idea)[1]} for each in (play, longer))
    assert "weekday" not in short
    assert "weekday" in long
    assert "hour" in short


def test_a_shortened_letter_is_followed_no_sooner_than_its_playbook_wants(world: World) -> None:
    planned(world)
    first = approve_and_launch(world, first_proposal(world, "vip_thank_you"))
    let_everything_leave(world, first)
    playbook = world.desk.playbooks["vip_thank_you"]
    with world.store.write() as connection:
        starts_at = campaigns.get(connection, first).starts_at
        campaigns.swap_status(connection, first, ["live"], "finished", at=starts_at, actor="noria", reason="last look")
    for days, waits in ((12, True), (21, False)):
        world.clock.advance_to(starts_at + timedelta(days=days))
        with world.store.read() as connection:
            assert why_not_yet(connection, world.desk, playbook).startswith("The next letter is due on") == waits
