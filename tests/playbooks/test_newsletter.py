"""An issue of the newsletter, on the clock: words by kind of customer, a suggestion, and each at their own hour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from agents.edit import step_names
from agents.follow_up import propose_next_letters
from agents.planning import plan
from memory import campaigns, proposals, time_draws
from memory.clock import ManualClock
from memory.finding import Verdict
from memory.lake import LakeTable
from memory.play import Goal, Schedule
from memory.proposal import Proposal
from memory.schema import messages
from memory.steps import Sequence, WaitWindowStep
from memory.store import Store
from tests.agents.world import BRIEF, World, first_proposal, open_world, say
from tests.memory.builders import Row, as_rows
from tests.playbooks.record import did, orders_of, propose, write_readers
from tests.playbooks.scene import DAY, HOUR, MINUTE, Shop, open_shop
from tests.plays import PLAYBOOKS
from tests.tools.scene import NOW, add_contacts, workplace
from tools.unsubscribe import opt_out
from tools.worker import tick

VIP, NEW, LOYAL, PROSPECT, FRENCH = 1, 2, 3, 4, 5
OTHERS = range(100, 130)
"""Customers of old, among whom the few above stand out."""
WENT_ON = range(200, 220)
"""Who went on from coffee to tea."""
READERS = (VIP, NEW, LOYAL, PROSPECT, FRENCH)
PARIS = ZoneInfo("Europe/Paris")


def write(shop: Shop, pairs: Iterable[tuple[Row, list[Row]]], events: Iterable[Row] = ()) -> None:
    pairs, lake = list(pairs), shop.place.lake
    lake.append(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, [order for order, _ in pairs]), batch_id="orders")
    lines = [line for _, several in pairs for line in several]
    lake.append(LakeTable.LINES, as_rows(LakeTable.LINES, lines), batch_id="lines")
    lake.append(LakeTable.EVENTS, as_rows(LakeTable.EVENTS, list(events)), batch_id="events")


def at_hour(contact: int, hour: int, times: int = 40) -> list[Row]:
    """Visits of a contact at one hour of their own day, on as many days."""
    noon = NOW.astimezone(PARIS).replace(hour=hour, minute=20, second=0, microsecond=0)
    return [{"kind": "visit", "contact_id": contact, "at": noon - ago * DAY} for ago in range(1, times + 1)]


def looked(contact: int, product: str, days_ago: int = 2) -> list[Row]:
    [event] = did("view", [contact], days_ago)
    return [{**event, "product_id": product}]


@pytest.fixture
def shop(store: Store, clock: ManualClock, tmp_path: Path) -> Shop:
    add_contacts(store, [VIP, NEW, LOYAL, PROSPECT, *OTHERS, *WENT_ON])
    add_contacts(store, [FRENCH], language="fr")
    shop = open_shop(store, clock, tmp_path)
    people = [
        {"contact_id": one, "time_zone": "Europe/Paris", "created_at": NOW - 500 * DAY, "consent_email": "granted"}
        for one in (*READERS, *OTHERS, *WENT_ON)
    ]
    shop.place.lake.replace(LakeTable.CONTACTS, as_rows(LakeTable.CONTACTS, people))
    return shop


def past() -> list[tuple[Row, list[Row]]]:
    """The habits by which each reader is of their kind."""
    return [
        *orders_of(OTHERS, (300,)),
        *orders_of(WENT_ON, (400,)),
        *orders_of(WENT_ON, (350,), "tea"),
        *orders_of((VIP,), (40, 55, 70, 85, 100, 115, 130)),
        *orders_of((NEW,), (40,), "cake"),
        *orders_of((LOYAL, FRENCH), (170, 230, 290)),
    ]


def issue(shop: Shop, sequence: str = "any_hour", readers: Iterable[int] = READERS, **changes: Any) -> None:
    shop.run("newsletter", only=sequence, contacts=list(readers), sequences=at_their_own(), **changes)


def at_their_own(explored: float = 0.0) -> tuple[Sequence, ...]:
    """The sequences of the newsletter; unless told otherwise nobody gets it at another hour to learn from."""
    return tuple(
        one.model_copy(
            update={
                "steps": tuple(
                    step.model_copy(update={"explored": explored})
                    if isinstance(step, WaitWindowStep) and step.explored
                    else step
                    for step in one.steps
                )
            }
        )
        for one in PLAYBOOKS["newsletter"].sequences
    )


def test_each_kind_of_customer_gets_words_of_their_own(shop: Shop) -> None:
    write(shop, past())
    issue(shop)
    shop.passes(HOUR)
    assert {mail.contact: mail.step for mail in shop.mails()} == {
        VIP: "vip",
        NEW: "new",
        LOYAL: "loyal",
        PROSPECT: "everybody",
        FRENCH: "loyal",
    }
    assert "our most faithful customers" in shop.mails(VIP)[0].text
    assert "with us for long" in shop.mails(NEW)[0].text
    assert "come back to us" in shop.mails(LOYAL)[0].text
    assert shop.mails(FRENCH)[0].subject.startswith("Des nouvelles de la boutique")


def test_what_was_looked_at_comes_before_what_may_come_next_and_who_has_neither_gets_the_words_alone(
    shop: Shop,
) -> None:
    write(shop, past(), looked(VIP, "p-tea"))
    issue(shop)
    shop.passes(HOUR)
    texts = {mail.contact: mail.text for mail in shop.mails()}
    assert "You had a look at it" in texts[VIP]
    assert "Tea" in texts[VIP]
    assert "€15.00" in texts[VIP]
    assert "Worth a look" in texts[LOYAL]
    assert "tea" in texts[LOYAL]
    assert "À découvrir" in texts[FRENCH]
    for reader in (NEW, PROSPECT):
        assert not any(word in texts[reader] for word in ("Worth a look", "You had a look", "tea", "Tea"))


def test_what_was_looked_at_and_bought_since_is_not_shown_again(shop: Shop) -> None:
    write(shop, [*past(), *orders_of((VIP,), (1,), "tea")], looked(VIP, "p-tea", days_ago=3))
    issue(shop)
    shop.passes(HOUR)
    [mail] = shop.mails(VIP)
    assert "tea" not in mail.text.lower()


@pytest.mark.parametrize(("buys", "shown"), [("tea", False), ("soap", True)])
def test_what_was_bought_a_moment_ago_is_not_shown_although_the_lake_knows_nothing_of_it(
    shop: Shop, buys: str, shown: bool
) -> None:
    write(shop, past(), looked(VIP, "p-tea"))
    for reader in (VIP, LOYAL):
        shop.buys(reader, category=buys)
    shop.clock.advance(20 * MINUTE)
    issue(shop, readers=(VIP, LOYAL))
    shop.passes(20 * MINUTE)
    texts = {mail.contact: mail.text for mail in shop.mails()}
    assert shop.entries(VIP)[0].bindings["product"] == "p-tea"
    assert set(texts) == {VIP, LOYAL}
    assert ("You had a look at it" in texts[VIP]) is shown
    assert ("Worth a look" in texts[LOYAL]) is shown


@pytest.mark.parametrize(("buys", "shown"), [("tea", False), ("soap", True)])
def test_what_is_bought_between_the_choice_and_the_send_is_left_out(shop: Shop, buys: str, shown: bool) -> None:
    write(shop, past(), looked(VIP, "p-tea"))
    # Nothing leaves in the evening, and this issue hopes for something else than what is bought meanwhile.
    shop.clock.advance_to(datetime.fromisoformat("2025-03-03T20:30:00+00:00"))
    shop.run("newsletter", only="any_hour", contacts=[VIP, LOYAL], goal=Goal(category="cake", window_days=14))
    shop.passes(20 * MINUTE)
    assert shop.mails() == []
    for reader in (VIP, LOYAL):
        shop.buys(reader, category=buys)
    shop.passes(14 * HOUR, every=HOUR)
    texts = {mail.contact: mail.text for mail in shop.mails()}
    assert set(texts) == {VIP, LOYAL}
    assert ("You had a look at it" in texts[VIP]) is shown
    assert ("Worth a look" in texts[LOYAL]) is shown


@pytest.mark.parametrize(
    ("hour", "leaves"), [(11, "11:00"), (17, "17:00"), (22, "18:00"), (6, "09:00")], ids=["11", "17", "late", "early"]
)
def test_each_contact_gets_it_at_their_own_hour_within_the_window(shop: Shop, hour: int, leaves: str) -> None:
    write(shop, past(), at_hour(LOYAL, hour))
    issue(shop, "own_hour", readers=(LOYAL,))
    shop.passes(DAY, every=30 * MINUTE)
    [mail] = shop.mails(LOYAL)
    assert mail.at.astimezone(PARIS).strftime("%H:%M") == leaves
    assert timedelta() <= mail.at - NOW < DAY


def test_the_window_of_the_campaign_stays_the_frame(shop: Shop) -> None:
    write(shop, past(), at_hour(LOYAL, 18))
    narrow = Schedule(starts_at=NOW, send_from_hour=9, send_until_hour=15, fallback_zone="Europe/Paris")
    issue(shop, "own_hour", readers=(LOYAL,), schedule=narrow)
    shop.passes(DAY, every=30 * MINUTE)
    assert [mail.at.astimezone(PARIS).hour for mail in shop.mails()] == [14]


def test_some_get_it_at_another_hour_and_each_hour_is_written_down_with_its_probability(shop: Shop) -> None:
    write(shop, past(), [visit for one in OTHERS for visit in at_hour(one, 17)])
    shop.run("newsletter", only="own_hour", contacts=list(OTHERS), sequences=at_their_own(0.5))
    shop.passes(DAY, every=HOUR)
    with shop.place.store.read() as connection:
        drawn = dict(time_draws.of_campaign(connection, shop.campaign_id, "hour"))
    assert set(drawn) == set(OTHERS)
    assert {one.contact: one.at.astimezone(PARIS).hour for one in shop.mails()} == {
        contact: one.drawn for contact, one in drawn.items()
    }
    assert {one.possible for one in drawn.values()} == {tuple(range(9, 19))}
    by_probability = {one.drawn == one.own: one.probability for one in drawn.values()}
    assert by_probability == {True: 0.5, False: pytest.approx(0.5 / 9)}


def on_their_own_weekday(explored: float, weekdays: Iterable[int]) -> tuple[Sequence, ...]:
    days = {"weekdays": tuple(weekdays), "day": "favourite_weekday", "explored_days": explored, "explored": 0.0}
    return tuple(
        one.model_copy(
            update={
                "steps": tuple(
                    step.model_copy(update=days) if isinstance(step, WaitWindowStep) else step for step in one.steps
                )
            }
        )
        for one in PLAYBOOKS["newsletter"].sequences
    )


def on_weekday(contact: int, weekday: int) -> list[Row]:
    """Visits of a contact on one weekday, for some months."""
    last = NOW - timedelta(days=(NOW.weekday() - weekday) % 7 or 7)
    return [{"kind": "visit", "contact_id": contact, "at": last - timedelta(weeks=week)} for week in range(30)]


@pytest.mark.parametrize(("favourite", "leaves"), [(2, 2), (4, 4), (5, 0), (0, 0)], ids=["we", "fr", "closed", "mo"])
def test_each_contact_gets_it_on_their_own_weekday_of_those_approved(shop: Shop, favourite: int, leaves: int) -> None:
    write(shop, past(), on_weekday(LOYAL, favourite))
    weekdays = Schedule(
        starts_at=NOW, send_from_hour=9, send_until_hour=19, weekdays=(0, 1, 2, 4), fallback_zone="Europe/Paris"
    )
    sequences = on_their_own_weekday(0.0, range(6))
    shop.run("newsletter", only="own_hour", contacts=[LOYAL], sequences=sequences, schedule=weekdays)
    shop.passes(8 * DAY, every=HOUR)
    [mail] = shop.mails(LOYAL)
    assert mail.at.astimezone(PARIS).weekday() == leaves
    assert timedelta() <= mail.at - NOW <= 7 * DAY


def test_some_get_it_on_another_weekday_and_each_is_written_down_with_its_probability(shop: Shop) -> None:
    write(shop, past(), [visit for one in OTHERS for visit in on_weekday(one, 3)])
    sequences = on_their_own_weekday(0.5, (1, 2, 3))
    shop.run("newsletter", only="own_hour", contacts=list(OTHERS), sequences=sequences)
    shop.passes(8 * DAY, every=HOUR)
    with shop.place.store.read() as connection:
        drawn = dict(time_draws.of_campaign(connection, shop.campaign_id, "weekday"))
        assert time_draws.of_campaign(connection, shop.campaign_id, "hour") == []
    assert set(drawn) == set(OTHERS)
    assert {one.contact: one.at.astimezone(PARIS).weekday() for one in shop.mails()} == {
        contact: one.drawn for contact, one in drawn.items()
    }
    assert {one.possible for one in drawn.values()} == {(1, 2, 3)}
    assert {one.own for one in drawn.values()} == {3}
    assert {one.drawn == 3: one.probability for one in drawn.values()} == {True: 0.5, False: 0.25}


def test_the_packaged_issue_explores_a_fifth() -> None:
    own_hour = PLAYBOOKS["newsletter"].sequences[0]
    assert [one.explored for one in own_hour.steps if isinstance(one, WaitWindowStep)] == [0.2]


def test_where_nobody_was_ever_active_any_hour_of_the_window_will_do(shop: Shop) -> None:
    issue(shop, "own_hour", readers=(PROSPECT,))
    shop.passes(HOUR)
    assert [mail.at for mail in shop.mails()] == [NOW]


def test_whoever_orders_or_leaves_while_they_wait_for_their_hour_gets_none(shop: Shop, store: Store) -> None:
    write(shop, past(), [*at_hour(LOYAL, 17), *at_hour(VIP, 17), *at_hour(NEW, 17)])
    issue(shop, "own_hour", readers=(VIP, NEW, LOYAL))
    shop.passes(HOUR)
    shop.buys(VIP)
    with store.write() as connection:
        opt_out(connection, LOYAL, "email", "the page", shop.clock.now())
    shop.passes(DAY, every=HOUR)
    assert {mail.contact for mail in shop.mails()} == {NEW}
    assert shop.entries(VIP)[0].exit_reason == "goal"
    assert shop.entries(LOYAL)[0].exit_reason == "consent_withdrawn"


def test_the_holdout_gets_no_issue(shop: Shop) -> None:
    shop.run("newsletter", contacts=list(OTHERS), holdout_share=0.3)
    shop.passes(2 * DAY, every=2 * HOUR)
    held_out = {one for one in OTHERS if shop.entries(one)[0].in_holdout}
    assert held_out
    assert {mail.contact for mail in shop.mails()} == set(OTHERS) - held_out


def test_contacts_who_agreed_lead_to_a_proposal(store: Store, tmp_path: Path) -> None:
    proposal, why = propose(store, tmp_path, "newsletter", orders=orders_of(range(1, 161), (40, 80)))
    assert proposal is not None, why
    assert proposal.audience.selected == 160
    assert proposal.play.sequences[0].key == "own_hour"
    assert not [one for one in proposal.findings if one.verdict in (Verdict.HOLD, Verdict.REFUSE)]


def test_a_record_of_too_few_leads_to_none(store: Store, tmp_path: Path) -> None:
    proposal, why = propose(store, tmp_path, "newsletter", contacts=range(1, 6), orders=orders_of((1, 2), (40,)))
    assert proposal is None
    assert "at least" in why


@pytest.fixture
def weekly(store: Store, tmp_path: Path) -> Iterator[World]:
    """The first issue, for 160 readers, approved and about to be launched."""
    add_contacts(store, range(1, 161))
    write_readers(tmp_path, range(1, 161), orders_of(range(1, 161), (40, 80)))
    with open_world(tmp_path, names=["newsletter"]) as world:
        plan(world.threads, BRIEF)
        say(world, first_proposal(world, "newsletter"), "approve")
        world.threads.apply_decisions()
        yield world


def work(world: World, span: timedelta) -> list[str]:
    """Time goes by; returns what the worker proposed meanwhile."""
    made: list[str] = []
    for _ in range(span // (6 * HOUR)):
        tick(workplace(world.store, world.clock, world.folder))
        made += propose_next_letters(world.threads)
        world.clock.advance(6 * HOUR)
    return made


def newest_version(world: World, proposal_id: str) -> Proposal:
    with world.store.read() as connection:
        return proposals.get(connection, proposal_id).proposal


def reached(world: World) -> dict[str, set[int]]:
    """Who got each issue, oldest first."""
    query = select(messages.c.campaign_id, messages.c.contact_id).where(messages.c.state == "sent")
    found: dict[str, set[int]] = {}
    with world.store.read() as connection:
        for row in connection.execute(query.order_by(messages.c.sent_at)):
            found.setdefault(row.campaign_id, set()).add(row.contact_id)
    return found


def test_a_week_later_the_worker_proposes_the_next_issue_for_the_same_weekday_and_the_same_people_get_none(
    weekly: World,
) -> None:
    assert work(weekly, 5 * DAY) == []
    [first] = reached(weekly)
    held_out = set(range(1, 161)) - reached(weekly)[first]
    assert held_out
    [proposal_id] = work(weekly, 2 * DAY)
    proposal = newest_version(weekly, proposal_id)
    with weekly.store.read() as connection:
        began = campaigns.get(connection, first).starts_at.astimezone(PARIS)
    starts_at = proposal.play.schedule.starts_at.astimezone(PARIS)
    assert (starts_at.date() - began.date(), starts_at.weekday()) == (7 * DAY, began.weekday())
    assert proposal.play.holdout_key == first
    assert proposal.audience.holdout == len(held_out)
    # Nobody says yes, so nothing leaves, however long it waits.
    assert work(weekly, 3 * DAY) == []
    assert list(reached(weekly)) == [first]


def test_an_issue_in_new_words_goes_to_the_readers_and_again_to_none_of_those_held_out(weekly: World) -> None:
    [proposal_id] = work(weekly, 7 * DAY)
    proposal = newest_version(weekly, proposal_id)
    # The words of the week before rest: whoever approves the issue writes what is new.
    assert {one.rule for one in proposal.findings if one.verdict is Verdict.HOLD} == {"reuse"}
    subjects = {"en": {"subject": "Spring is here"}, "fr": {"subject": "Le printemps est là"}}
    steps = dict.fromkeys(step_names(proposal.play), subjects)
    say(weekly, proposal, "edit", changes={"copies": steps})
    weekly.threads.apply_decisions()
    say(weekly, newest_version(weekly, proposal_id), "approve")
    weekly.threads.apply_decisions()
    work(weekly, 3 * DAY)
    first, second = reached(weekly).values()
    assert second == first
    assert not second & (set(range(1, 161)) - first)
