"""Two campaigns of one playbook never hold out different people at the same time, however close their launches."""

from __future__ import annotations

import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from memory import campaigns, proposals
from memory.clock import ManualClock
from memory.play import Replacement
from memory.proposal import ProposalStatus
from memory.store import Store
from tests.tools.scene import Chosen, add_contacts, approve, counts, play, start, workplace
from tools.campaign import pause, stop
from tools.launch import launch, launch_approved
from tools.workplace import Workplace

PEOPLE = range(1, 41)


class ChosenTogether(Chosen):
    """Selects nobody before as many launches as there are seats have got as far."""

    def __init__(self, ids: Collection[int], seats: threading.Barrier) -> None:
        super().__init__(ids)
        self._seats = seats

    def select(self, expression: object) -> list[int]:
        self._seats.wait(30)
        return super().select(expression)


@pytest.fixture
def place(store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    add_contacts(store, PEOPLE)
    return workplace(store, clock, tmp_path)


def test_a_second_play_with_a_holdout_of_its_own_is_turned_away_with_what_to_do(place: Workplace) -> None:
    for name in ("p1", "p2"):
        approve(place.store, play(holdout_share=0.1), proposal_id=name)
    first, second = launch_approved(place)
    assert (first.status, second.status) == (ProposalStatus.LAUNCHED, ProposalStatus.VOIDED)
    assert f"Campaign {first.campaign_id} of the same playbook is live" in second.sentence
    assert f"`noria campaigns stop {first.campaign_id}`" in second.sentence
    with place.store.read() as connection:
        assert proposals.get(connection, "p2").status is ProposalStatus.VOIDED
        assert [one.proposal_id for one in campaigns.list_campaigns(connection)] == ["p1"]


def test_another_playbook_may_hold_out_others(place: Workplace) -> None:
    start(place, play(holdout_share=0.1), PEOPLE)
    other = play(holdout_share=0.1, playbook="another")
    assert start(place, other, PEOPLE, proposal_id="p2").status is ProposalStatus.LAUNCHED


def test_a_paused_campaign_still_holds_people_out_and_an_ended_one_does_not(place: Workplace) -> None:
    first = start(place, play(holdout_share=0.1), PEOPLE)
    with place.store.write() as connection:
        pause(connection, first.campaign_id, at=place.clock.now(), actor="marie", reason="a look")
    again = play(holdout_share=0.1)
    assert start(place, again, PEOPLE, proposal_id="p2").status is ProposalStatus.VOIDED
    with place.store.write() as connection:
        stop(connection, first.campaign_id, at=place.clock.now(), actor="marie", reason="another comes")
    assert start(place, again, PEOPLE, proposal_id="p3").status is ProposalStatus.LAUNCHED


@pytest.mark.parametrize(("shares", "status"), [((0.1, 0.0), "voided"), ((0.0, 0.1), "voided"), ((0, 0), "launched")])
def test_nobody_writes_to_whom_the_other_holds_out_and_without_holdouts_both_may_run(
    place: Workplace, shares: tuple[float, float], status: str
) -> None:
    start(place, play(holdout_share=shares[0]), PEOPLE)
    assert start(place, play(holdout_share=shares[1]), PEOPLE, proposal_id="p2").status == status


def test_a_follow_up_of_its_series_runs_beside_it_and_beside_no_other(place: Workplace) -> None:
    first = start(place, play(holdout_share=0.1), PEOPLE)
    follows = play(holdout_share=0.1, holdout_key=first.campaign_id)
    assert start(place, follows, PEOPLE, proposal_id="p2").status is ProposalStatus.LAUNCHED
    fresh = start(place, play(holdout_share=0.1), PEOPLE, proposal_id="p3")
    assert fresh.status is ProposalStatus.VOIDED


def test_a_new_version_of_a_campaign_is_not_in_its_own_way(place: Workplace) -> None:
    first = start(place, play(holdout_share=0.1), PEOPLE)
    replaces = Replacement(campaign_id=first.campaign_id, version=1, in_flight="stay")
    edited = play(sends=2, holdout_share=0.1, replaces=replaces)
    approve(place.store, edited, proposal_id="p2", kind="change_campaign")
    assert launch(place, "p2").status is ProposalStatus.LAUNCHED


def test_of_two_launches_at_once_one_goes_out_whole_and_one_not_at_all(
    any_store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(any_store, PEOPLE)
    names = ("p1", "p2")
    for name in names:
        approve(any_store, play(holdout_share=0.1), proposal_id=name)
    seats = threading.Barrier(2)

    def work(name: str) -> ProposalStatus:
        own = Store(any_store.url)
        chosen: Any = ChosenTogether(PEOPLE, seats)
        try:
            return launch(workplace(own, clock, tmp_path), name, features=chosen).status
        finally:
            own.close()

    with ThreadPoolExecutor(2) as workers:
        ended = list(workers.map(work, names))
    assert sorted(ended) == [ProposalStatus.LAUNCHED, ProposalStatus.VOIDED]
    with any_store.read() as connection:
        running = campaigns.list_campaigns(connection, ["live", "paused"])
    assert [one.proposal_id for one in running] == [names[ended.index(ProposalStatus.LAUNCHED)]]
    assert sum(counts(any_store).values()) == len(PEOPLE)
