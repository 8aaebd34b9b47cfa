"""Contacts enter as a set: once each, with the message that each would have been given alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from memory import ledger, message_pages
from memory.enrolments import Enrolment, of_campaign
from memory.entrance import Entries, Threshold, enter
from memory.schema import campaigns, contacts, enrolments, proposals, to_micros
from memory.store import Store

AT = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MAIL = Threshold(
    campaign_id="c1",
    version=1,
    sequence_key="one",
    band=0,
    probability=0.5,
    step_key="mail “1”",
    wait=None,
    channel="email",
    purpose="marketing",
    deadline=7 * DAY,
)


@pytest.fixture
def opened(any_store: Store) -> Store:
    shared = {"created_at": AT, "updated_at": AT}
    with any_store.write() as connection:
        connection.execute(
            insert(proposals).values(
                proposal_id="p1", version=1, thread_id="t", kind="launch_campaign", playbook="x", status="launched",
                digest="d", body={}, expires_at=AT, **shared,
            )
        )  # fmt: skip
        connection.execute(
            insert(campaigns).values(
                campaign_id="c1", proposal_id="p1", playbook="x", name="x", status="live", version=1, holdout_share=0,
                owner="o", starts_at=AT, ends_at=AT + 99 * DAY, review_at=AT, created_at=AT,
            )
        )  # fmt: skip
        connection.execute(insert(contacts), [{"contact_id": one, **shared} for one in range(1, 9)])
    return any_store


def entries(*ids: int, occurrence: int = 1) -> Entries:
    return Entries(
        contact_ids=ids,
        occurrences=[occurrence] * len(ids),
        in_holdout=[one == 2 for one in ids],
        entered_at=[to_micros(AT + one * DAY) for one in ids],
        records={1: {"product": "p1"}},
    )


def put_in(store: Store, threshold: Threshold, coming: Entries) -> int:
    with store.write() as connection:
        return enter(connection, threshold, coming, actor="test", at=AT)


def inside(store: Store) -> dict[tuple[int, int], Enrolment]:
    with store.read() as connection:
        return {(one.contact_id, one.occurrence): one for one in of_campaign(connection, "c1")}


def test_each_has_an_enrolment_and_the_message_of_its_first_step(opened: Store) -> None:
    assert put_in(opened, MAIL, entries(1, 2, 3)) == 3
    found = inside(opened)
    with opened.read() as connection:
        planned = message_pages.of_campaign(connection, "c1")
        assert ledger.reconcile(connection).planned == 3
    assert [one.contact_id for one in planned] == [1, 2, 3]
    for one in planned:
        entered_at = AT + one.contact_id * DAY
        enrolment = found[one.contact_id, 1]
        assert enrolment == Enrolment(
            enrolment_id=one.enrolment_id,
            campaign_id="c1",
            contact_id=one.contact_id,
            version=1,
            in_holdout=one.contact_id == 2,
            sequence_key="one",
            band=0,
            probability=0.5,
            step_key="mail “1”",
            due_at=None,
            entered_at=entered_at,
            bindings={"product": "p1"} if one.contact_id == 1 else {},
        )
        assert one == ledger.Message(
            message_id=one.message_id,
            message_key=ledger.message_key("c1", one.contact_id, "mail “1”", 1),
            campaign_id="c1",
            contact_id=one.contact_id,
            enrolment_id=enrolment.enrolment_id,
            version=1,
            sequence_key="one",
            step_key="mail “1”",
            occurrence=1,
            channel="email",
            purpose="marketing",
            planned_at=AT,
            due_at=entered_at,
            deadline_at=entered_at + 7 * DAY,
        )


def test_who_is_in_stays_as_they_are_and_who_comes_again_enters_again(opened: Store) -> None:
    put_in(opened, MAIL, entries(1, 2))
    with opened.write() as connection:
        connection.execute(update(enrolments).where(enrolments.c.contact_id == 2).values(state="exited"))
    before = inside(opened)
    assert put_in(opened, replace(MAIL, sequence_key="two"), entries(1, 2, 3)) == 1
    assert {key: one for key, one in inside(opened).items() if key in before} == before
    assert put_in(opened, MAIL, entries(1, occurrence=2)) == 1
    with opened.read() as connection:
        keys = [one.message_key for one in message_pages.of_campaign(connection, "c1")]
        assert ledger.reconcile(connection).balances
    assert keys == [
        ledger.message_key("c1", one, "mail “1”", occurrence) for one, occurrence in ((1, 1), (2, 1), (3, 1), (1, 2))
    ]


def test_a_first_step_that_waits_plans_no_message(opened: Store) -> None:
    waits = replace(MAIL, step_key="wait", wait=2 * DAY, channel="", purpose="")
    assert put_in(opened, waits, entries(4, 5)) == 2
    assert [(one.step_key, one.due_at) for one in inside(opened).values()] == [
        ("wait", AT + 6 * DAY),
        ("wait", AT + 7 * DAY),
    ]
    with opened.read() as connection:
        assert message_pages.of_campaign(connection, "c1") == []


def test_nothing_of_an_entrance_that_dies_stays(opened: Store) -> None:
    with pytest.raises(IntegrityError):
        # Nobody knows contact 99.
        put_in(opened, MAIL, entries(1, 2, 99))
    assert inside(opened) == {}
    assert put_in(opened, MAIL, entries(3)) == 1
    assert [key[0] for key in inside(opened)] == [3]
