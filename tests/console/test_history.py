"""The history of a campaign: everything that was done to it, in order, with who did it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.learning.priors import Prior
from agents.learning.readout import HOLDOUT, Arm, MeasurementPlan, measure
from console.report.history import History, read_history, write_history
from memory import allocations, campaigns, journal, proposals, readouts
from memory.allocations import Allocation, allocation_id_of
from memory.errors import NotFoundError
from memory.pending_decisions import VOID
from memory.play import Replacement
from memory.proposal import ROUND, ProposalStatus
from memory.readouts import StoredReadOut, readout_id_of
from memory.store import Store
from tests import examples
from tests.agents.test_allocate import play
from tests.agents.trial import START, launch

DAY = timedelta(days=1)


def run_for_a_while(store: Store) -> str:
    """Launched, shares moved, looked at, paused, changed by a proposal that two people judged, and let go on."""
    campaign_id = launch(store, treated=[1, 2], holdout=[3], play=play())
    new = play().model_copy(update={"replaces": Replacement(campaign_id=campaign_id, version=1)})
    new = new.model_copy(update={"limits": new.limits.model_copy(update={"contacts_per_day": 50})})
    change = examples.proposal("p2", play=new, kind="change_campaign", title="Fewer a day", expires_at=START + 9 * DAY)
    other = examples.proposal("p3", play=new, kind="change_campaign").model_copy(update={"proposal_id": "p3"})
    elsewhere = other.play.model_copy(update={"replaces": Replacement(campaign_id="c0", version=1)})
    arms = [Arm(name=name, share=0.5, contacts=100, conversions=10) for name in (HOLDOUT, "one")]
    found = measure(arms, MeasurementPlan(), 1, Prior())
    with store.write() as connection:
        allocations.keep(
            connection,
            Allocation(
                allocation_id=allocation_id_of(campaign_id, START + DAY), campaign_id=campaign_id, version=1,
                state="applied", before=({"one": 0.5, "two": 0.5},), shares=({"one": 0.4, "two": 0.6},), evidence={},
                reason="Two does better.", decided_at=START + DAY, applied_at=START + DAY, actor="noria",
            ),
            at=START + DAY,
        )  # fmt: skip
        readouts.keep(
            connection,
            StoredReadOut(
                readout_id=readout_id_of(campaign_id, 1), campaign_id=campaign_id, look=1, looks_planned=4,
                verdict=found.verdict, body=found.model_dump(mode="json"), planned_at=START, read_at=START + 2 * DAY,
            ),
            facts={},
        )  # fmt: skip
        campaigns.swap_status(
            connection, campaign_id, ["live"], "paused", at=START + 3 * DAY, actor="cli:marie", reason="Out of stock"
        )
        proposals.submit(connection, change, author=ROUND, at=START + 4 * DAY, open_limit=9)
        proposals.submit(
            connection, other.model_copy(update={"play": elsewhere}), author=ROUND, at=START + 4 * DAY, open_limit=9
        )
        proposals.decide(
            connection, proposal_id="p2", version=1, digest=change.digest, verdict="approve", actor="cli:paul",
            reason="Stock is short", at=START + 5 * DAY,
        )  # fmt: skip
        before = campaigns.get_version(connection, campaign_id, 1)
        values: dict[str, Any] = {
            "version": 2,
            "digest": new.digest,
            "body": new.model_dump(mode="json"),
            "proposal_id": "p2",
        }
        campaigns.add_version(connection, replace(before, **values, activated_at=START + 6 * DAY))
        campaigns.set_version(connection, campaign_id, 2, ends_at=START + 60 * DAY, priority=0)
        proposals.swap_status(
            connection, "p2", ProposalStatus.OPEN, ProposalStatus.LAUNCHED, START + 6 * DAY, actor="noria"
        )
    return campaign_id


@pytest.fixture
def found(any_store: Store) -> History:
    campaign_id = run_for_a_while(any_store)
    with any_store.read() as connection:
        return read_history(connection, campaign_id[:8])


def test_everything_is_told_in_order_with_who_did_it(found: History) -> None:
    told = [(one.kind, one.who) for one in found.happenings]
    assert told == [
        ("proposal", "noria"),
        ("version", "noria"),
        ("shares", "noria"),
        ("look", "noria"),
        ("status", "cli:marie"),
        ("proposal", ROUND),
        ("decision", "cli:paul"),
        ("proposal", "noria"),
        ("version", "noria"),
    ]
    moments = [one.at for one in found.happenings]
    assert moments == sorted(moments)
    said = " ".join(one.sentence for one in found.happenings)
    for words in ("one 50 %, two 50 % → one 40 %, two 60 %", "Out of stock", "Yes to version 1: Stock is short"):
        assert words in said


def test_a_new_version_says_part_by_part_what_is_not_as_it_was(found: History) -> None:
    first, second = (one for one in found.happenings if one.kind == "version")
    assert first.changes == ()
    assert ("contacts a day", "1000", "50") in [(one.part, one.before, one.after) for one in second.changes]
    assert second.refers_to == "p2"


def test_the_page_stands_alone_and_shows_what_people_wrote_as_text(found: History, tmp_path: Path) -> None:
    hostile = found.happenings[0].model_copy(update={"sentence": "<script>alert(1)</script>"})
    page = write_history(found.model_copy(update={"happenings": (hostile,)}), tmp_path / "history.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script" not in page


@pytest.mark.parametrize("void", [True, False])
def test_a_decision_that_came_to_nothing_is_told_as_void_with_the_reason(store: Store, void: bool) -> None:
    campaign_id = run_for_a_while(store)
    why = "Version 2 had taken the place of version 1."
    with store.write() as connection:
        [said] = proposals.decisions_on(connection, "p2")
        if void:
            journal.append(
                connection, at=START + 6 * DAY, actor="noria", action=VOID, subject="p2",
                payload={"decision": said.decision_id, "version": 1, "reason": why},
            )  # fmt: skip
        [told] = [one for one in read_history(connection, campaign_id).happenings if one.kind == "decision"]
    expected = "Yes to version 1: Stock is short"
    assert told.sentence == (f"{expected} (void: {why[:-1]})" if void else expected)


def test_a_campaign_that_is_not_there_has_no_history(store: Store) -> None:
    with store.read() as connection, pytest.raises(NotFoundError):
        read_history(connection, "c0")
