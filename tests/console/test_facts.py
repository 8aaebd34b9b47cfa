"""What pages count over time, alike on both engines: pressure, findings, how domains take mail, and what waits."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert, update

from console.findings_history import findings_history
from console.queues import queues
from console.report.charts import in_english
from console.report.facts import pressure
from console.report.load import Load, load, standing_of_sender
from console.screens.measured import delivery_charts
from console.vitals import read_vitals
from memory.cap import Cap
from memory.lake import Lake
from memory.schema import (
    campaigns,
    cap_slots,
    contacts,
    enrolments,
    messages,
    proposals,
    reputation_counts,
    reputation_standings,
)
from memory.standing import domain_of
from memory.store import Store
from tests.conftest import START
from tests.tools import scene
from tools.drain import drain
from tools.intake import Incoming, receive

WEEK = timedelta(days=7)
MOMENT = timedelta(milliseconds=1)


def fill(store: Store, sent: dict[int, list[timedelta]], *, state: str = "sent", reason: str = "") -> None:
    """One campaign from which each contact was sent something at some moments."""
    now = {"created_at": START, "updated_at": START}
    with store.write() as connection:
        connection.execute(
            insert(proposals).values(
                proposal_id="p1", version=1, thread_id="t", kind="launch_campaign", playbook="x", status="launched",
                digest="d", body={}, expires_at=START, **now,
            )
        )  # fmt: skip
        connection.execute(
            insert(campaigns).values(
                campaign_id="c1", proposal_id="p1", playbook="x", name="x", status="live", version=1, holdout_share=0,
                owner="o", starts_at=START, ends_at=START, review_at=START, created_at=START,
            )
        )  # fmt: skip
        for one, moments in sent.items():
            connection.execute(insert(contacts).values(contact_id=one, **now))
            connection.execute(
                insert(enrolments).values(
                    enrolment_id=one, campaign_id="c1", contact_id=one, version=1, in_holdout=False,
                    sequence_key="one", probability=1, state="active", entered_at=START,
                )
            )  # fmt: skip
            for number, after in enumerate(moments):
                at = START + after
                connection.execute(
                    insert(messages).values(
                        message_key=f"{one}-{number}", campaign_id="c1", contact_id=one, enrolment_id=one, version=1,
                        sequence_key="one", step_key="mail", occurrence=number, channel="email", purpose="marketing",
                        state=state, reason=reason, planned_at=at, due_at=at, deadline_at=at, sent_at=at,
                    )
                )  # fmt: skip


def test_pressure_is_the_most_in_any_seven_days_for_each_contact(any_store: Store) -> None:
    day = timedelta(days=1)
    fill(
        any_store,
        {1: [0 * day], 2: [0 * day, WEEK - MOMENT], 3: [0 * day, WEEK], 4: [0 * day, 10 * day, 12 * day, 16 * day]},
    )
    with any_store.read() as connection:
        assert pressure(connection) == {1: 2, 2: 1, 3: 1}
        assert pressure(connection, START + 11 * day) == {2: 1}


def test_what_weighs_on_a_campaigns_contacts_is_counted_as_the_cap_counts_it(any_store: Store) -> None:
    day, cap = timedelta(days=1), Cap(3, 7)
    fill(any_store, {1: [], 2: [], 3: [], 4: []})
    taken = {1: [0 * day, 6 * day], 2: [8 * day], 4: [1 * day]}
    rows = [
        {"contact_id": one, "slot": slot, "reserved_at": START - before, "message_key": f"{one}-{slot}"}
        for one, moments in taken.items()
        for slot, before in enumerate(moments)
    ]
    with any_store.write() as connection:
        connection.execute(insert(cap_slots), rows)
        connection.execute(update(enrolments).where(enrolments.c.contact_id == 4).values(in_holdout=True))
    with any_store.read() as connection:
        assert load(connection, "c1", 3, cap, START) == Load(cap, {0: 2, 2: 1})
        assert load(connection, "c1", 2_000, cap, START) == Load(cap, {0: 1}, every=2)
        assert load(connection, "none", 0, cap, START) == Load(cap, {})


def test_the_sender_of_a_campaign_stands_as_domains_take_its_mail(any_store: Store) -> None:
    play = scene.play()
    sender = domain_of(play.brand.sender_address)
    rows = [
        {"sender": of, "domain": domain, "state": state, "since": START, "reason": "", "actor": "noria"}
        for of, domain, state in (
            (sender, "gmail.com", "slowed"), (sender, "orange.fr", "fine"), ("other.example", "gmx.net", "stopped"),
        )
    ]  # fmt: skip
    with any_store.write() as connection:
        connection.execute(insert(reputation_standings), rows)
    with any_store.read() as connection:
        found = standing_of_sender(connection, play)
    assert [(one.sender, one.domain, one.state) for one in found] == [
        (sender, "*", "fine"), (sender, "gmail.com", "slowed"),
    ]  # fmt: skip


def test_what_never_left_is_counted_by_rule_and_week(any_store: Store) -> None:
    fill(any_store, {1: [-WEEK, 0 * WEEK], 2: [0 * WEEK, -30 * WEEK]}, state="suppressed", reason="frequency")
    with any_store.read() as connection:
        found = findings_history(connection, START)
    assert found.proposals == ()
    [frequency] = found.messages
    assert (frequency.name, frequency.counts[-3:], frequency.total) == ("frequency", (0, 1, 2), 3)


def test_how_domains_take_mail_is_counted_by_day(any_store: Store) -> None:
    rows = [
        {"sender": "shop.example", "domain": "gmail.com", "kind": kind, "at": START - hours, "messages": count}
        for kind, hours, count in (
            ("sent", timedelta(hours=1), 6), ("sent", timedelta(hours=2), 2), ("refused", timedelta(hours=1), 2),
        )
    ]  # fmt: skip
    with any_store.write() as connection:
        connection.execute(insert(reputation_counts), rows)
        charts = delivery_charts(connection, START, in_english)
    assert charts["bounces"].rows == (("2025-03-03 00:00", "20"),)
    assert charts["pressure"].rows == ()


def test_what_waits_is_told_with_the_first_of_it(any_store: Store) -> None:
    fill(any_store, {1: [-2 * WEEK, 2 * WEEK]}, state="planned")
    with any_store.read() as connection:
        found = {one.name: one for one in queues(connection, policy_version="base@1", now=START, machine_now=START)}
    due = found["messages that are due"]
    assert (due.rows, due.oldest_at, due.is_late) == (1, START - 2 * WEEK, True)
    assert (found["alerts"].rows, found["alerts"].oldest_at, found["alerts"].is_late) == (0, None, False)


def test_events_wait_for_the_lake_until_it_has_them_and_stay_in_the_store_after_that(
    any_store: Store, tmp_path: Path
) -> None:
    receive(any_store, [Incoming(event_id="e1", kind="visit", at=START, contact="ann@shop.example")], START)
    told = []
    for _ in range(2):
        with any_store.read() as connection:
            found = {
                one.name: one
                for one in queues(connection, policy_version="base@1", now=START + WEEK, machine_now=START)
            }
            one = found["live events on their way to the lake"]
            told.append((one.rows, one.is_late, read_vitals(connection).events_waiting))
        drain(any_store, Lake(tmp_path / "lake"))
    assert told == [(1, True, 1), (0, False, 0)]
