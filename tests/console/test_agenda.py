"""The calendar's counts on both engines: planned messages by day of the zone, without those held out."""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy import insert

from console.agenda import agenda
from memory import proposals
from memory.schema import campaign_versions, campaigns, contacts, enrolments, messages
from memory.store import Store
from tests import examples
from tests.examples import NOW

LATE = datetime(2025, 3, 29, 23, 30, tzinfo=UTC)
"""In Paris it is half past midnight of the 30th, the day on which the clock is put forward."""


def test_a_message_is_counted_on_the_day_on_which_its_reader_is_written_to(any_store: Store) -> None:
    play = examples.play()
    row = {
        "campaign_id": "c1", "proposal_id": "p1", "playbook": play.playbook, "name": "Spring", "status": "live",
        "version": 1, "holdout_share": 0.1, "owner": "marie", "starts_at": NOW, "ends_at": NOW, "review_at": NOW,
        "created_at": NOW,
    }  # fmt: skip
    with any_store.write() as connection:
        proposals.submit(connection, examples.proposal(), author="noria", at=NOW, open_limit=5)
        connection.execute(insert(campaigns).values(row))
        connection.execute(
            insert(campaign_versions).values(
                campaign_id="c1", version=1, digest=play.digest, body=play.model_dump(mode="json"),
                policy_version="x", approved_until=NOW, activated_at=NOW,
            )
        )  # fmt: skip
        for number, (state, held_out) in enumerate([("planned", False), ("planned", True), ("sent", False)], 1):
            connection.execute(
                insert(contacts).values(contact_id=number, attributes={}, created_at=NOW, updated_at=NOW)
            )
            connection.execute(
                insert(enrolments).values(
                    enrolment_id=number, campaign_id="c1", contact_id=number, version=1, in_holdout=held_out,
                    sequence_key="one", probability=1.0, state="active", entered_at=NOW, bindings={},
                )
            )  # fmt: skip
            connection.execute(
                insert(messages).values(
                    message_key=f"m{number}", campaign_id="c1", contact_id=number, enrolment_id=number, version=1,
                    sequence_key="one", step_key="mail", occurrence=1, channel="email", purpose="marketing",
                    state=state, findings=[], planned_at=NOW, due_at=LATE, deadline_at=LATE,
                )
            )  # fmt: skip
    with any_store.read() as connection:
        found = agenda(connection, date(2025, 3, 28), "Europe/Paris")
    assert [(day, one.what, one.count) for day, lines in found.items() for one in lines] == [
        (date(2025, 3, 30), "messages", 1)
    ]
