"""The steps between entering and leaving: waits, branches, attributes and alerts, each on the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import alerts, consents, contacts, enrolments, preferences
from memory.clock import ManualClock
from memory.enrolments import Enrolment
from memory.errors import ConflictError, NotFoundError
from memory.lake import LakeTable
from memory.play import Limits, Play
from memory.preferences import Preferences
from memory.steps import (
    AlertStep,
    BranchStep,
    ExitStep,
    HasAgreed,
    HasAttribute,
    HasDone,
    InSegment,
    PropertyFilter,
    ShowsLife,
    Step,
    UpdateStep,
    WaitEventStep,
    WaitStep,
    WaitWindowStep,
)
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from tests.memory.builders import as_rows
from tests.tools.scene import DAY, NOW, add_contacts, counts, play, start, step, workplace
from tools.intake import Incoming, receive
from tools.route import ahead, walk
from tools.worker import tick
from tools.workplace import Workplace

HOUR = timedelta(hours=1)
END = ExitStep(key="end")


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Workplace:
    return workplace(any_store, clock, tmp_path)


def of_steps(*steps: Step, **changes: Any) -> Play:
    return play(sequences=(PlaySequence(key="one", title="One", steps=steps, share=1),), **changes)


def did(place: Workplace, kind: str, contact: int = 1, **properties: Any) -> None:
    at = place.clock.now()
    event = Incoming(event_id=f"{kind}-{contact}-{at:%d%H%M}", kind=kind, at=at, contact=contact, properties=properties)
    receive(place.store, [event], at)


def only(place: Workplace, campaign_id: str) -> Enrolment:
    with place.store.read() as connection:
        [one] = enrolments.of_campaign(connection, campaign_id)
    return one


def steps_sent(place: Workplace) -> list[str]:
    from sqlalchemy import select

    from memory.schema import messages

    with place.store.read() as connection:
        query = select(messages.c.step_key).where(messages.c.state == "sent").order_by(messages.c.message_id)
        return list(connection.execute(query).scalars())


CLICKED_SHOES = HasDone(event="click", where=(PropertyFilter(property="link", one_of=("shoes",)),))
BY_CLICK = (
    step("choose"),
    WaitStep(key="three_days", days=3),
    BranchStep(key="clicked", condition=CLICKED_SHOES, then="shoes", otherwise="general"),
    step("shoes").model_copy(update={"next": "end"}),
    step("general"),
    END,
)


LONG = PlaySequence(
    key="one",
    title="One",
    share=1,
    steps=(
        *BY_CLICK[:3],
        UpdateStep(key="shoes", attribute="likes", value="shoes"),
        WaitWindowStep(key="general", from_hour=9, until_hour=18, weekdays=(0, 1)),
        BranchStep(key="again", condition=CLICKED_SHOES, then="last", otherwise="end"),
        step("last"),
        END,
    ),
)


@given(after=st.sampled_from([None, *(one.key for one in LONG.steps)]), yes=st.booleans(), hour=st.integers(0, 167))
def test_whatever_a_contact_passes_or_comes_to_was_known_to_lie_ahead(after: str | None, yes: bool, hour: int) -> None:
    stand = walk(LONG, after, NOW + hour * HOUR, holds=lambda _: yes, zone=UTC)
    known = {one.key for one in ahead(LONG, after)}
    assert {one.key for one in stand.passed} <= known
    assert stand.step_key is None or stand.step_key in known


def test_nothing_beyond_the_next_message_or_wait_is_asked_of_the_lake() -> None:
    assert [one.key for one in ahead(LONG, "choose")] == ["three_days"]
    assert {one.key for one in ahead(LONG, "three_days")} == {"clicked", "shoes", "general", "again", "last", "end"}
    assert ahead(LONG, "last") == [END]


@pytest.mark.parametrize(("link", "second"), [("shoes", "shoes"), ("hats", "general"), ("", "general")])
def test_a_click_chooses_the_way(place: Workplace, clock: ManualClock, link: str, second: str) -> None:
    add_contacts(place.store, [1])
    start(place, of_steps(*BY_CLICK), [1])
    tick(place)
    clock.advance(HOUR)
    if link:
        did(place, "click", link=link)
    clock.advance(3 * DAY)
    tick(place)
    assert steps_sent(place) == ["choose", second]


def test_a_machines_click_chooses_nothing(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    start(place, of_steps(*BY_CLICK), [1])
    tick(place)
    at = clock.now()
    scan = Incoming(event_id="scan", kind="click", at=at, contact=1, properties={"link": "shoes"}, human=False)
    receive(place.store, [scan], at)
    clock.advance(3 * DAY)
    tick(place)
    assert steps_sent(place) == ["choose", "general"]


def test_what_was_done_before_entering_decides_nothing(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    did(place, "click", link="shoes")
    clock.advance(HOUR)
    start(place, of_steps(*BY_CLICK), [1])
    tick(place)
    clock.advance(3 * DAY)
    tick(place)
    assert steps_sent(place) == ["choose", "general"]


@pytest.mark.parametrize(("days_ago", "second"), [(10, "recent"), (200, "long_ago")])
def test_a_segment_chooses_the_way(place: Workplace, clock: ManualClock, days_ago: int, second: str) -> None:
    add_contacts(place.store, [1])
    ordered = {"order_id": "o1", "contact_id": 1, "at": NOW - days_ago * DAY, "total_cents": 900}
    place.lake.append(LakeTable.ORDERS, as_rows(LakeTable.ORDERS, [ordered]), batch_id="one")
    place.lake.replace(
        LakeTable.CONTACTS, as_rows(LakeTable.CONTACTS, [{"contact_id": 1, "created_at": NOW - 400 * DAY}])
    )
    recently = InSegment(expression={"type": "compare", "field": "recency_days", "operator": "<", "value": 60})
    branch = BranchStep(key="which", condition=recently, then="recent", otherwise="long_ago")
    start(place, of_steps(branch, step("recent").model_copy(update={"next": "end"}), step("long_ago"), END), [1])
    tick(place)
    assert steps_sent(place) == [second]


@pytest.mark.parametrize(("likes", "sent"), [("tea", "tea"), ("coffee", "other"), (None, "other")])
def test_an_attribute_chooses_the_way(place: Workplace, likes: str | None, sent: str) -> None:
    add_contacts(place.store, [1], attributes={"likes": likes} if likes else {})
    condition = HasAttribute(attribute="likes", one_of=("tea",))
    branch = BranchStep(key="which", condition=condition, then="tea", otherwise="other")
    start(place, of_steps(branch, step("tea").model_copy(update={"next": "end"}), step("other"), END), [1])
    tick(place)
    assert steps_sent(place) == [sent]


@pytest.mark.parametrize(("answer", "sent"), [("tea", "tea"), ("coffee", "other")])
def test_an_answer_that_a_contact_gave_chooses_the_way(place: Workplace, answer: str, sent: str) -> None:
    add_contacts(place.store, [1], attributes={"likes": "milk"})
    with place.store.write() as connection:
        preferences.save(connection, Preferences(contact_id=1, answers={"likes": answer}), NOW)
    condition = HasAttribute(attribute="likes", one_of=("tea",))
    branch = BranchStep(key="which", condition=condition, then="tea", otherwise="other")
    start(place, of_steps(branch, step("tea").model_copy(update={"next": "end"}), step("other"), END), [1])
    tick(place)
    assert steps_sent(place) == [sent]


@pytest.mark.parametrize(("said", "sent"), [(["granted"], "asked"), (["granted", "withdrawn"], "other"), ([], "other")])
def test_consent_to_a_channel_as_it_stands_now_chooses_the_way(place: Workplace, said: list[str], sent: str) -> None:
    add_contacts(place.store, [1])
    with place.store.write() as connection:
        for number, state in enumerate(said):
            entry: Any = {"contact_id": 1, "channel": "sms", "purpose": "marketing", "state": state, "proof": "a form"}
            consents.record(connection, [consents.Consent(**entry, at=NOW - (9 - number) * DAY)])
    branch = BranchStep(key="which", condition=HasAgreed(channel="sms"), then="asked", otherwise="other")
    start(place, of_steps(branch, step("asked").model_copy(update={"next": "end"}), step("other"), END), [1])
    tick(place)
    assert steps_sent(place) == [sent]


@pytest.mark.parametrize(("hour_of_sign", "sent"), [(1, "calm"), (30, "asked")])
def test_a_sign_since_the_last_message_chooses_the_way(
    place: Workplace, clock: ManualClock, hour_of_sign: int, sent: str
) -> None:
    add_contacts(place.store, [1])
    branch = BranchStep(key="which", condition=ShowsLife(since="message"), then="asked", otherwise="calm")
    wait, later = WaitStep(key="a_day", days=1), WaitStep(key="another", days=1)
    steps = (wait, step("first"), later, branch, step("asked").model_copy(update={"next": "end"}), step("calm"), END)
    start(place, of_steps(*steps), [1])
    for hour in range(60):
        tick(place)
        if hour == hour_of_sign:
            did(place, "visit")
        clock.advance(HOUR)
    assert steps_sent(place) == ["first", sent]


def test_a_wait_for_an_event_ends_with_it(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    wait = WaitEventStep(key="until_visit", event="visit", days=5)
    start(place, of_steps(step("first"), wait, step("second"), END), [1])
    tick(place)
    clock.advance(HOUR)
    tick(place)
    assert steps_sent(place) == ["first"]
    did(place, "visit")
    tick(place)
    assert steps_sent(place) == ["first", "second"]


def test_a_wait_for_an_event_that_never_comes_ends_in_time(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    wait = WaitEventStep(key="until_visit", event="visit", days=5)
    start(place, of_steps(step("first"), wait, step("second"), END), [1])
    tick(place)
    did(place, "search")
    clock.advance(5 * DAY - HOUR)
    tick(place)
    assert steps_sent(place) == ["first"]
    clock.advance(HOUR)
    tick(place)
    assert steps_sent(place) == ["first", "second"]


def test_an_attribute_is_written_once_and_only_for_who_is_not_held_out(place: Workplace) -> None:
    add_contacts(place.store, range(1, 31), attributes={"kept": 1})
    update = UpdateStep(key="mark", attribute="welcomed", value=True)
    started = start(place, of_steps(update, step("first"), END, holdout_share=0.5), range(1, 31))
    tick(place)
    with place.store.read() as connection:
        inside = enrolments.of_campaign(connection, started.campaign_id)
        held_out = {one.contact_id for one in inside if one.in_holdout}
        known = {one: contacts.get(connection, one).attributes for one in range(1, 31)}
    marked = {one for one, attributes in known.items() if attributes == {"kept": 1, "welcomed": True}}
    assert held_out
    assert marked == set(range(1, 31)) - held_out


def test_an_alert_waits_for_a_person_and_is_done_once(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    call = AlertStep(key="call", task={"en": "Call this customer.", "fr": "Appelez ce client."})
    start(place, of_steps(step("first"), call, END), [1])
    tick(place)
    clock.advance(HOUR)
    tick(place)
    with place.store.write() as connection:
        [raised] = alerts.list_alerts(connection)
        assert (raised.contact_id, raised.task["en"]) == (1, "Call this customer.")
        done = alerts.finish_alert(connection, raised.alert_id, at=clock.now(), actor="cli:marie", note="called")
        assert (done.done_by, done.note) == ("cli:marie", "called")
        assert alerts.list_alerts(connection) == []
        with pytest.raises(ConflictError):
            alerts.finish_alert(connection, raised.alert_id, at=clock.now(), actor="cli:marie")
        with pytest.raises(NotFoundError):
            alerts.finish_alert(connection, 99, at=clock.now(), actor="cli:marie")


def test_an_exit_says_why(place: Workplace) -> None:
    add_contacts(place.store, [1])
    started = start(place, of_steps(step("first"), ExitStep(key="end", reason="thanked")), [1])
    tick(place)
    tick(place)
    assert only(place, started.campaign_id).exit_reason == "thanked"


# Two clock changes of most zones, and a summer and a winter day.
_MOMENTS = st.one_of(
    st.integers(0, 4 * 1440).map(lambda minutes: datetime(2025, 3, 28, tzinfo=UTC) + timedelta(minutes=minutes)),
    st.integers(0, 4 * 1440).map(lambda minutes: datetime(2025, 10, 24, tzinfo=UTC) + timedelta(minutes=minutes)),
    st.integers(0, 1000 * 1440).map(lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
)
_ZONES = st.sampled_from(sorted(available_timezones() - {"localtime"}))


@given(moment=_MOMENTS, zone=_ZONES, first=st.integers(0, 23), hours=st.integers(1, 24),
       weekdays=st.sets(st.integers(0, 6), min_size=1))  # fmt: skip
def test_a_wait_for_a_window_ends_inside_it_in_every_zone(
    moment: datetime, zone: str, first: int, hours: int, weekdays: set[int]
) -> None:
    until = min(first + hours, 24)
    window = WaitWindowStep(key="window", from_hour=first, until_hour=until, weekdays=tuple(sorted(weekdays)))
    sequence = PlaySequence(key="one", title="One", steps=(window, step("mail"), END), share=1)
    at, local = moment, ZoneInfo(zone)
    stand = walk(sequence, None, at, holds=lambda _: False, zone=local)
    inside = at.astimezone(local)
    if first <= inside.hour < until and inside.weekday() in weekdays:
        assert stand.step_key == "mail"
        return
    assert stand.step_key == "window"
    assert stand.due_at is not None
    opens = stand.due_at.astimezone(local)
    # Where a clock change swallows the hour, the window opens with the first one that exists.
    assert opens.weekday() in weekdays
    assert first <= opens.hour < max(until, first + 2)
    assert at < stand.due_at <= at + timedelta(days=9)
    assert walk(sequence, "window", stand.due_at, holds=lambda _: False, zone=local).step_key == "mail"


def test_a_contact_goes_the_same_way_however_often_the_worker_looks(place: Workplace, clock: ManualClock) -> None:
    add_contacts(place.store, [1])
    start(place, of_steps(*BY_CLICK, limits=Limits()), [1])
    for _ in range(5 * 24):
        tick(place)
        clock.advance(HOUR)
    assert counts(place.store) == {"sent": 2}
