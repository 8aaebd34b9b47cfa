"""A yes to a part, given before there is the version that holds only that: it covers what was seen, and no more."""

from __future__ import annotations

import pytest

from console.decisions import say_promised
from memory import proposals
from memory.finding import Finding, Verdict
from memory.workspace import StoreClock
from tests import examples
from tests.console.screens.conftest import House
from tests.tools.scene import DAY, NOW

SEEN = Finding(rule="identity", verdict=Verdict.HOLD, sentence="It is in the name of the example.")
NEW = Finding(rule="critic", verdict=Verdict.HOLD, sentence="Two claims contradict each other.")
GOOD = Finding(rule="holdout", verdict=Verdict.ALLOW, sentence="A tenth is held out.")


@pytest.mark.parametrize(
    ("after", "noted"), [((SEEN, GOOD), ["p1"]), ((), ["p1"]), ((SEEN, NEW), [])], ids=["as seen", "less", "more"]
)
def test_a_yes_in_advance_is_noted_unless_more_stands_against_what_came_of_it(
    house: House, after: tuple[Finding, ...], noted: list[str]
) -> None:
    opened = house.opened
    StoreClock(opened.store).advance_to(NOW)
    first = examples.proposal("p1", created_at=NOW, expires_at=NOW + 3 * DAY, findings=(SEEN,))
    part = first.play.model_copy(update={"holdout_share": 0.3})
    with opened.store.write() as connection:
        proposals.submit(connection, first, author="agents", at=NOW, open_limit=9)
        proposals.decide(
            connection, proposal_id="p1", version=1, digest=first.digest, verdict="edit", actor="console:ann",
            reason="Worth it", changes={"holdout_share": 0.3}, then_approves=part.digest, at=NOW,
        )  # fmt: skip
        second = first.model_copy(update={"version": 2, "play": part, "findings": after})
        proposals.revise(connection, second, author="console:ann", at=NOW)
    assert say_promised(opened) == noted
    with opened.store.read() as connection:
        assert [one.actor for one in proposals.approvals_for(connection, "p1", part.digest)] == [
            "console:ann" for _ in noted
        ]
