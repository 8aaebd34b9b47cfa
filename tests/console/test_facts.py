"""What the report counts: how much mail contacts had at their worst."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import insert

from console.report.facts import pressure
from memory.schema import campaigns, contacts, enrolments, messages, proposals
from memory.store import Store
from tests.conftest import START

WEEK = timedelta(days=7)
MOMENT = timedelta(milliseconds=1)


def fill(store: Store, sent: dict[int, list[timedelta]]) -> None:
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
                        state="sent", planned_at=at, due_at=at, deadline_at=at, sent_at=at,
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
