"""The door: what was approved is launched once and whole; whatever changed since the approval is turned away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Connection, update

from memory import campaigns, enrolments, message_pages, proposals
from memory.clock import ManualClock
from memory.errors import ConflictError
from memory.journal import entries
from memory.lake import SCHEMAS, LakeTable
from memory.play import Limits, Offer
from memory.proposal import ProposalStatus
from memory.schema import offers, to_micros
from memory.schema import proposals as proposal_rows
from memory.snapshot import refresh
from memory.steps import ExitStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from tests.policies.worlds import own_pack
from tests.tools.scene import DAY, NOW, Chosen, add_contacts, approve, counts, play, start, step, workplace
from tools.audience import preview
from tools.launch import launch, launch_approved
from tools.worker import tick
from tools.workplace import Workplace

OFFER = Offer(
    offer_id="spring",
    kind="percent",
    value=1000,
    labels={"en": "10 % off"},
    starts_at=NOW - DAY,
    ends_at=NOW + 60 * DAY,
)


class KilledError(BaseException):
    """Stands for kill -9: nothing catches it, and nothing after it runs."""


class MortalStore(Store):
    """A store whose process dies instead of opening its next transaction, after so many."""

    def __init__(self, url: str, lives: int) -> None:
        super().__init__(url)
        self.lives = lives

    @contextmanager
    def write(self) -> Iterator[Connection]:
        if self.lives == 0:
            raise KilledError
        self.lives -= 1
        with super().write() as connection:
            yield connection


@pytest.fixture
def place(store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    return workplace(store, clock, tmp_path)


def status(store: Store, proposal_id: str = "p1") -> ProposalStatus:
    with store.read() as connection:
        return proposals.get(connection, proposal_id).status


def chosen(*ids: int) -> Any:
    return Chosen(ids)


def test_nothing_is_launched_to_people_in_the_name_of_the_example(place: Workplace) -> None:
    add_contacts(place.store, [1])
    wanted = play()
    careful = replace(place, example_brand=wanted.brand.model_copy(update={"name": "Another"}))
    refused = start(careful, wanted, [1])
    assert refused.status is ProposalStatus.VOIDED
    assert "sender_name" in refused.sentence
    assert counts(place.store) == {}
    own = wanted.brand.model_copy(
        update={
            "sender_name": "Us",
            "sender_address": "us@our-shop.fr",
            "reply_to": "care@our-shop.fr",
            "postal_address": "1 rue de la Paix, Paris",
            "website": "https://our-shop.fr/",
            "facts": (),
        }
    )
    assert start(careful, play(brand=own), [1], proposal_id="p2").status is ProposalStatus.LAUNCHED


def test_an_approved_proposal_becomes_a_live_campaign_with_everybody_in(place: Workplace) -> None:
    add_contacts(place.store, range(1, 101))
    done = start(place, play(holdout_share=0.2), range(1, 101))
    assert done.status is ProposalStatus.LAUNCHED
    assert done.audience is not None
    assert done.audience.reachable == 100
    with place.store.read() as connection:
        campaign = campaigns.get(connection, done.campaign_id)
        version = campaigns.get_version(connection, done.campaign_id, 1)
        inside = enrolments.of_campaign(connection, done.campaign_id)
        said = [entry.payload for entry in entries(connection, action="campaign.enrolled")]
    assert (campaign.status, campaign.proposal_id) == ("live", "p1")
    assert version.digest == version.digest_found == version.play.digest
    assert sum(one.in_holdout for one in inside) == done.audience.holdout
    assert said[0]["entered"] == 100
    assert counts(place.store) == {"planned": 100}


def test_launching_twice_has_one_effect(place: Workplace) -> None:
    add_contacts(place.store, range(1, 11))
    first = start(place, play(), range(1, 11))
    again = launch(place, "p1", features=chosen(*range(1, 11)))
    assert (again.status, again.campaign_id) == (ProposalStatus.LAUNCHED, first.campaign_id)
    assert counts(place.store) == {"planned": 10}


def test_what_nobody_approved_is_not_launched(place: Workplace) -> None:
    from tests import examples

    add_contacts(place.store, [1])
    with place.store.write() as connection:
        proposals.submit(connection, examples.proposal(play=play()), author="agents", at=NOW, open_limit=9)
    with pytest.raises(ConflictError, match="not approved"):
        launch(place, "p1", features=chosen(1))
    assert launch_approved(place) == []


def test_a_status_alone_is_no_approval(place: Workplace) -> None:
    from tests import examples

    add_contacts(place.store, [1])
    with place.store.write() as connection:
        proposals.submit(connection, examples.proposal(play=play()), author="agents", at=NOW, open_limit=9)
        connection.execute(update(proposal_rows).values(status="approved"))
    done = launch(place, "p1", features=chosen(1))
    assert done.status is ProposalStatus.VOIDED
    assert "no approval on record" in done.sentence


def test_an_approved_proposal_that_was_changed_is_turned_away_with_what_changed(place: Workplace) -> None:
    add_contacts(place.store, [1])
    approve(place.store, play(holdout_share=0.1))
    with place.store.write() as connection:
        stored = proposals.get(connection, "p1").proposal
        body = stored.model_dump(mode="json")
        body["play"]["holdout_share"] = 0.0
        connection.execute(update(proposal_rows).values(body=body))
    done = launch(place, "p1", features=chosen(1))
    assert done.status is status(place.store) is ProposalStatus.VOIDED
    assert "holdout_share: 0.1 is now 0.0" in done.sentence
    with place.store.read() as connection:
        assert campaigns.list_campaigns(connection) == []


def test_an_approval_expires(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    approve(place.store, play())
    clock.advance(3 * DAY)
    assert launch(place, "p1", features=chosen(1)).status is ProposalStatus.EXPIRED
    assert counts(place.store) == {}


def test_a_changed_policy_voids_the_approval(place: Workplace, clock: ManualClock, tmp_path: Path) -> None:
    add_contacts(place.store, [1])
    approve(place.store, play())
    stricter = own_pack("  frequency:\n    parameters:\n      messages: 2\n")
    done = launch(workplace(place.store, clock, tmp_path, pack=stricter), "p1", features=chosen(1))
    assert done.status is ProposalStatus.VOIDED
    assert "policy" in done.sentence


@pytest.mark.parametrize(
    ("change", "word"),
    [({"value": 2000}, "value: 1000 is now 2000"), ({"approved_by": ""}, "no longer"), ({"ends_at": NOW}, "ends_at")],
)
def test_a_changed_offer_voids_the_approval(place: Workplace, change: dict[str, Any], word: str) -> None:
    add_contacts(place.store, [1])
    with place.store.write() as connection:
        connection.execute(offers.insert().values(**OFFER.model_dump(exclude={"single_use"}), approved_by="marie"))
    approve(place.store, play(offer=OFFER))
    with place.store.write() as connection:
        connection.execute(update(offers).values(**change))
    done = launch(place, "p1", features=chosen(1))
    assert done.status is ProposalStatus.VOIDED
    assert word in done.sentence


def test_an_unchanged_offer_passes_the_door(place: Workplace) -> None:
    add_contacts(place.store, [1])
    with place.store.write() as connection:
        connection.execute(offers.insert().values(**OFFER.model_dump(exclude={"single_use"}), approved_by="marie"))
    approve(place.store, play(offer=OFFER))
    assert launch(place, "p1", features=chosen(1)).status is ProposalStatus.LAUNCHED


@pytest.mark.parametrize("band", [(11, 50), (1, 9)])
def test_an_audience_outside_the_approved_size_voids_the_approval(place: Workplace, band: tuple[int, int]) -> None:
    add_contacts(place.store, range(1, 11))
    approve(place.store, play(size_band=band))
    done = launch(place, "p1", features=chosen(*range(1, 11)))
    assert done.status is ProposalStatus.VOIDED
    assert f"{band[0]} to {band[1]} contacts, and now 10" in done.sentence


def test_a_segment_that_cannot_be_read_fails_alone(place: Workplace) -> None:
    add_contacts(place.store, [1])
    approve(place.store, play(audience={"type": "nonsense"}), proposal_id="bad")
    approve(
        place.store,
        play(audience={"type": "compare", "field": "orders_count", "operator": "<=", "value": 0}),
        proposal_id="good",
    )
    done = {one.proposal_id: one.status for one in launch_approved(place)}
    assert done == {"bad": ProposalStatus.FAILED, "good": ProposalStatus.LAUNCHED}


@pytest.mark.parametrize("lives", range(9))
def test_a_launch_that_dies_anywhere_is_carried_on_to_one_whole_campaign(
    place: Workplace, clock: ManualClock, tmp_path: Path, lives: int
) -> None:
    add_contacts(place.store, range(1, 1201))
    wanted = play(holdout_share=0.1, size_band=(1200, 1200))
    approve(place.store, wanted)
    mortal = MortalStore(place.store.url, lives)
    try:
        launch(workplace(mortal, clock, tmp_path), "p1", features=chosen(*range(1, 1201)))
    except KilledError:
        # Nothing of a half-finished launch may leave.
        assert tick_without_launch(place) == {"planned": counts(place.store).get("planned", 0)}
    mortal.close()
    done = launch(place, "p1", features=chosen(*range(1, 1201)))
    assert done.status is ProposalStatus.LAUNCHED
    assert counts(place.store) == {"planned": 1200}
    with place.store.read() as connection:
        inside = enrolments.of_campaign(connection, done.campaign_id)
        assert len(campaigns.list_campaigns(connection)) == 1
    assert sorted(one.contact_id for one in inside) == list(range(1, 1201))


def tick_without_launch(place: Workplace) -> dict[str, int]:
    from tools.deliver import deliver

    deliver(place)
    return {state: number for state, number in {"planned": 0, **counts(place.store)}.items() if state == "planned"} | {
        state: number for state, number in counts(place.store).items() if state != "planned"
    }


def test_an_interrupted_launch_whose_audience_outgrew_the_approval_is_undone(
    place: Workplace, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.launch._CHUNK", 500)
    add_contacts(place.store, range(1, 1001))
    approve(place.store, play(size_band=(500, 900)))
    mortal = MortalStore(place.store.url, 4)
    with pytest.raises(KilledError):
        launch(workplace(mortal, clock, tmp_path), "p1", features=chosen(*range(1, 801)))
    mortal.close()
    done = launch(place, "p1", features=chosen(*range(201, 1001)))
    assert done.status is ProposalStatus.VOIDED
    assert set(counts(place.store)) == {"suppressed"}
    tick(place)
    assert set(counts(place.store)) == {"suppressed"}
    with place.store.read() as connection:
        assert campaigns.get(connection, done.campaign_id).status == "cancelled"


def test_contacts_per_day_spreads_the_entries(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, range(1, 31))
    start(place, play(limits=Limits(contacts_per_day=10)), range(1, 31))
    for day in range(1, 4):
        tick(place)
        assert counts(place.store).get("sent") == 10 * day
        clock.advance(DAY)


def test_sequences_are_drawn_by_their_shares_and_logged_also_for_the_holdout(place: Workplace) -> None:
    add_contacts(place.store, range(1, 1001))
    two = tuple(
        PlaySequence(key=key, title=key, steps=(step("mail1"), ExitStep(key="end")), share=share)
        for key, share in (("calm", 0.75), ("loud", 0.25))
    )
    done = start(place, play(sequences=two, holdout_share=0.5), range(1, 1001))
    with place.store.read() as connection:
        inside = enrolments.of_campaign(connection, done.campaign_id)
    for arm in (True, False):
        drawn = [one for one in inside if one.in_holdout is arm]
        calm = sum(one.sequence_key == "calm" for one in drawn) / len(drawn)
        assert 0.68 < calm < 0.82
    assert {(one.sequence_key, one.probability) for one in inside} == {("calm", 0.75), ("loud", 0.25)}


def test_the_audience_is_a_subtraction_that_adds_up(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, range(1, 51))
    add_contacts(place.store, range(51, 61), consent="")
    add_contacts(place.store, range(61, 66), consent="withdrawn")
    add_contacts(place.store, range(66, 70), proof="")
    add_contacts(place.store, range(70, 73), erased_at=NOW)
    add_contacts(place.store, range(73, 75), last_order_at=NOW - DAY)
    add_contacts(place.store, [75], last_human_signal_at=NOW - 200 * DAY, sent_since_signal=7)
    wanted = play(holdout_share=0.2, limits=Limits(recent_purchase_days=30))
    found = preview(
        place.store, place.lake, place.pack, wanted, at=clock.now(), proposal_id="p1", features=chosen(*range(1, 76))
    )
    taken = {one.rule: one.contacts for one in found.subtractions}
    assert taken == {"consent": 19, "suppression": 3, "recent_purchase": 2, "hibernation": 1}
    assert found.selected == 75 == found.reachable + sum(taken.values())
    assert found.reachable == 50 == found.holdout + found.treated
    assert len(found.sample) == 10
    # The launch finds exactly what the preview promised.
    assert start(place, wanted, range(1, 76)).audience == found


def test_the_programme_holdout_is_outside_every_campaign_of_a_quarter(
    place: Workplace, clock: ManualClock, tmp_path: Path
) -> None:
    add_contacts(place.store, range(1, 201))
    careful = workplace(place.store, clock, tmp_path, programme_share=0.2)
    left_out = []
    for number in range(2):
        done = start(careful, play(), range(1, 201), proposal_id=f"p{number}")
        with place.store.read() as connection:
            inside = {one.contact_id for one in enrolments.of_campaign(connection, done.campaign_id)}
        left_out.append(set(range(1, 201)) - inside)
    assert left_out[0] == left_out[1]
    assert 15 < len(left_out[0]) < 70
    # A quarter later others are left out, and who entered before is written to no more.
    tick(careful)
    clock.advance_to(NOW + timedelta(days=31))
    done = start(careful, play(), range(1, 201), proposal_id="p3")
    with place.store.read() as connection:
        later = set(range(1, 201)) - {one.contact_id for one in enrolments.of_campaign(connection, done.campaign_id)}
    assert later != left_out[0]


def test_a_real_segment_over_the_lake_selects_who_enters(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, range(1, 21))
    rows = [
        {
            "order_id": f"o{one}",
            "contact_id": one,
            "at": to_micros(NOW - (100 if one <= 12 else 10) * DAY),
            "total_cents": 5000,
            "discount_cents": 0,
            "currency": "EUR",
            "source": "test",
        }
        for one in range(1, 21)
    ]
    place.lake.append(LakeTable.ORDERS, pa.Table.from_pylist(rows, schema=SCHEMAS[LakeTable.ORDERS]), batch_id="b1")
    refresh(place.store, place.lake)
    found = preview(place.store, place.lake, place.pack, play(), at=clock.now())
    assert (found.selected, found.reachable) == (12, 12)
    approve(place.store, play(size_band=(12, 12)))
    assert [one.status for one in launch_approved(place)] == [ProposalStatus.LAUNCHED]
    with place.store.read() as connection:
        rows_found = message_pages.of_campaign(connection, campaigns.campaign_id_of("p1"))
    assert sorted(row.contact_id for row in rows_found) == list(range(1, 13))


def test_a_purchase_in_the_lake_is_recent_too(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1, 2])
    lines = [
        {
            "order_id": f"o{one}",
            "line": 1,
            "contact_id": one,
            "at": to_micros(NOW - 5 * DAY),
            "product_id": "p",
            "category": category,
            "quantity": 1,
            "amount_cents": 100,
            "discount_cents": 0,
        }
        for one, category in ((1, "coffee"), (2, "tea"))
    ]
    place.lake.append(LakeTable.LINES, pa.Table.from_pylist(lines, schema=SCHEMAS[LakeTable.LINES]), batch_id="b1")
    wanted = play(limits=Limits(recent_purchase_days=30))
    in_coffee = wanted.model_copy(update={"goal": wanted.goal.model_copy(update={"category": "coffee"})})
    found = preview(place.store, place.lake, place.pack, in_coffee, at=clock.now(), features=chosen(1, 2))
    assert [(one.rule, one.contacts) for one in found.subtractions] == [("recent_purchase", 1)]
