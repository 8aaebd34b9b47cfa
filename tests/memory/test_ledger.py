"""The ledger: every move names the state it leaves, so whoever comes second changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, delete, insert, update

from memory import ledger, message_pages, unknown
from memory.ledger import Message, Result, Verdict, message_key
from memory.schema import campaigns, contacts, enrolments, messages, proposals
from memory.store import Store

AT = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def message(contact_id: int, step: str = "mail1", campaign: str = "c1") -> Message:
    return Message(
        message_key=message_key(campaign, contact_id, step, 1),
        campaign_id=campaign,
        contact_id=contact_id,
        enrolment_id=contact_id,
        version=1,
        sequence_key="one",
        step_key=step,
        occurrence=1,
        channel="email",
        purpose="marketing",
        planned_at=AT,
        due_at=AT,
        deadline_at=AT + 7 * DAY,
    )


@pytest.fixture
def opened(any_store: Store) -> Store:
    """A store with one live campaign and nine enrolled contacts."""
    with any_store.write() as connection:
        shared = {"created_at": AT, "updated_at": AT}
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
        for one in range(1, 10):
            connection.execute(insert(contacts).values(contact_id=one, **shared))
            connection.execute(
                insert(enrolments).values(
                    enrolment_id=one, campaign_id="c1", contact_id=one, version=1, in_holdout=False,
                    sequence_key="one", probability=1, state="active", entered_at=AT,
                )
            )  # fmt: skip
        ledger.plan(connection, [message(one) for one in range(1, 10)], actor="test", at=AT)
    return any_store


def take(connection: Connection, *contacts_wanted: int, token: str = "t1") -> list[Message]:
    found = ledger.due(connection, channels=["email"], at=AT, limit=99)
    taken = [one for one in found if one.contact_id in contacts_wanted]
    verdicts = [Verdict(message_id=one.message_id, state="claimed", due_at=one.due_at) for one in taken]
    judge(connection, verdicts, token=token)
    return taken


def judge(connection: Connection, verdicts: list[Verdict], *, token: str = "t1") -> None:
    until = AT + MINUTE
    ledger.judge(
        connection, verdicts, token=token, lease_until=until, at=AT, provider="smtp", pack_version="base@1", chunk="c1"
    )


def states(store: Store) -> dict[int, str]:
    with store.read() as connection:
        return {row.contact_id: row.state for row in message_pages.of_campaign(connection, "c1")}


def test_the_same_send_is_planned_once_under_one_key(opened: Store) -> None:
    with opened.write() as connection:
        assert ledger.plan(connection, [message(1), message(1, "mail2")], actor="test", at=AT) == 1
        assert ledger.reconcile(connection).planned == 10
    assert message_key("c1", 1, "mail1", 1) != message_key("c1", 1, "mail1", 2)


def test_a_row_that_vanishes_is_missed(opened: Store) -> None:
    with opened.write() as connection:
        assert ledger.reconcile(connection, "c1").balances
        connection.execute(delete(messages).where(messages.c.contact_id == 5))
        assert not ledger.reconcile(connection, "c1").balances


def test_only_due_messages_of_live_campaigns_are_found_one_per_contact(opened: Store) -> None:
    with opened.write() as connection:
        ledger.plan(connection, [message(1, "mail2")], actor="test", at=AT)
        connection.execute(update(messages).where(messages.c.contact_id == 9).values(due_at=AT + MINUTE))
        found = ledger.due(connection, channels=["email"], at=AT, limit=99)
        assert [one.contact_id for one in found] == list(range(1, 9))
        assert ledger.due(connection, channels=["sms"], at=AT, limit=99) == []
        assert ledger.due(connection, channels=["email"], at=AT - MINUTE, limit=99) == []
        connection.execute(update(campaigns).values(status="paused"))
        assert ledger.due(connection, channels=["email"], at=AT, limit=99) == []


def test_a_claim_is_recorded_only_by_who_holds_it(opened: Store) -> None:
    with opened.write() as connection:
        one = take(connection, 1)[0]
        sent = Result(message_id=one.message_id, state="sent", sent_at=AT, provider_id="q1")
        assert ledger.record(connection, [sent], token="somebody else") == []
        assert [row.state for row in ledger.record(connection, [sent], token="t1")] == ["sent"]
        assert ledger.record(connection, [replace(sent, state="failed")], token="t1") == []
        [found] = [row for row in message_pages.of_campaign(connection, "c1") if row.message_key == one.message_key]
    assert (found.state, found.sent_at, found.provider, found.attempts) == ("sent", AT, "smtp", 1)


def test_a_verdict_never_touches_what_has_already_ended(opened: Store) -> None:
    with opened.write() as connection:
        one = take(connection, 1)[0]
        ledger.record(connection, [Result(message_id=one.message_id, state="sent", sent_at=AT)], token="t1")
        for state in ("claimed", "suppressed", "planned", "withheld", "unknown"):
            judge(connection, [Verdict(message_id=one.message_id, state=state, due_at=AT)])
    assert states(opened)[1] == "sent"


def test_a_message_that_goes_back_is_claimed_anew(opened: Store) -> None:
    with opened.write() as connection:
        one = take(connection, 1)[0]
        back = Result(message_id=one.message_id, state="planned", reason="451", due_at=AT + MINUTE)
        assert ledger.record(connection, [back], token="t1")[0].state == "planned"
        [found] = [row for row in message_pages.of_campaign(connection, "c1") if row.message_key == one.message_key]
        assert (found.claimed_at, found.due_at, found.reason) == (None, AT + MINUTE, "451")


def test_a_lease_that_ran_out_is_found_by_its_provider(opened: Store) -> None:
    with opened.write() as connection:
        take(connection, 1, 2)
        late = AT + 2 * MINUTE
        assert ledger.stale(connection, ways=[("email", "smtp")], others=False, now=AT, limit=9) == []
        assert len(ledger.stale(connection, ways=[("email", "smtp")], others=False, now=late, limit=9)) == 2
        assert ledger.stale(connection, ways=[("email", "smtp")], others=True, now=late, limit=9) == []
        assert len(ledger.stale(connection, ways=[("email", "sandbox")], others=True, now=late, limit=9)) == 2


def test_an_unknown_message_is_put_right_by_its_worker_but_never_tried_again(opened: Store) -> None:
    with opened.write() as connection:
        one, two = take(connection, 1, 2)
        judge(connection, [Verdict(message_id=row.message_id, state="unknown", due_at=AT) for row in (one, two)])
        results = [
            Result(message_id=one.message_id, state="sent", sent_at=AT),
            Result(message_id=two.message_id, state="planned", due_at=AT),
        ]
        ledger.record(connection, results, token="t1")
    assert (states(opened)[1], states(opened)[2]) == ("sent", "failed")


@pytest.mark.parametrize(("sent_at", "state"), [(AT, "sent"), (None, "failed")])
def test_a_provider_or_a_person_settles_an_unknown_message(opened: Store, sent_at: datetime | None, state: str) -> None:
    with opened.write() as connection:
        one = take(connection, 1)[0]
        key = one.message_key
        assert not unknown.settle(connection, key, sent_at=sent_at, reason="said so")
        judge(connection, [Verdict(message_id=one.message_id, state="unknown", due_at=AT)])
        assert unknown.settle(connection, key, sent_at=sent_at, reason="said so")
        assert not unknown.settle(connection, key, sent_at=sent_at, reason="said so")
    assert states(opened)[1] == state


def test_cancelling_takes_what_is_planned_and_leaves_what_is_in_flight(opened: Store) -> None:
    with opened.write() as connection:
        take(connection, 1)
        cancelled = ledger.cancel(connection, messages.c.contact_id.in_([1, 2]), "goal")
        assert [row.contact_id for row in cancelled] == [2]
        assert ledger.reasons(connection)["suppressed"] == {"goal": 1}
    assert (states(opened)[1], states(opened)[2], states(opened)[3]) == ("claimed", "suppressed", "planned")


def test_two_claims_at_once_never_share_a_message(opened: Store) -> None:
    with opened.write() as connection:
        first = take(connection, *range(1, 6))
    with opened.write() as connection:
        second = take(connection, *range(1, 10), token="t2")
    assert not {one.message_id for one in first} & {one.message_id for one in second}
    assert len(first) + len(second) == 9


def test_a_second_claim_passes_by_what_the_first_still_holds(opened: Store) -> None:
    if opened.is_sqlite:
        pytest.skip("SQLite has one writer at a time: the second waits")
    with opened.write() as one, opened.write() as other:
        first = ledger.due(one, channels=["email"], at=AT, limit=4)
        second = ledger.due(other, channels=["email"], at=AT, limit=9)
    assert len(first) == 4
    assert not {row.message_id for row in first} & {row.message_id for row in second}
    assert len(second) == 5
