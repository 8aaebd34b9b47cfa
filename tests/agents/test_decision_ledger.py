"""Who was right is said only where the contacts who came show it, and what is missing is named elsewhere."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from agents.arm_counts import pick_of
from agents.decision_ledger import DecisionLedger, decision_ledger
from agents.desk import Desk
from agents.learning.off_policy import arm_means, doubly_robust, mixed, watched
from console.report.decisions import write_decisions
from memory import allocations, proposals
from memory.allocations import Allocation, allocation_id_of
from memory.clock import ManualClock
from memory.lessons import Lesson
from memory.proposal import Pick
from memory.store import Store
from tests import examples
from tests.agents.test_allocate import play
from tests.agents.trial import START, buy, desk_of, launch

DAY = timedelta(days=1)
TREATED, HOLDOUT = range(1, 1601), range(1601, 2001)
ODD, EVEN = [one for one in TREATED if one % 2], [one for one in TREATED if not one % 2]
"""Who drew the sequences "two" and "one"."""


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    return desk_of(store, tmp_path, clock)


def decided(
    desk: Desk, clock: ManualClock, *, two: int, one: int, pick: str = "two", sent: bool = True
) -> DecisionLedger:
    """Both sequences were approved alike; so many of those who drew each bought, and Noria would have taken one."""
    other = {"two": "one", "one": "two"}.get(pick, "one")
    chosen = Pick(chances={pick: 0.9, other: 0.1}, lesson_ids=("l1",)) if pick else None
    launch(desk.store, treated=TREATED, holdout=HOLDOUT, play=play(), pick=chosen)
    with desk.store.write() as connection:
        made = proposals.get(connection, "p1").proposal
        proposals.decide(
            connection, proposal_id="p1", version=1, digest=made.digest, verdict="approve", actor="cli:marie",
            at=START + timedelta(hours=1),
        )  # fmt: skip
    buy(desk, [*ODD[:two], *EVEN[:one], *HOLDOUT[:20]], START + DAY)
    clock.advance(6 * DAY if sent else 2 * DAY)
    return decision_ledger(desk)


def test_noria_was_right_where_its_pick_surely_brings_more_than_the_approved_shares(
    desk: Desk, clock: ManualClock
) -> None:
    found = decided(desk, clock, two=240, one=80)
    [line] = found.lines
    assert (line.right, found.right, line.people) == ("noria", "noria", ("cli:marie",))
    assert line.yours is not None
    assert line.noria is not None
    assert line.runner_up is not None
    assert line.gain is not None
    assert line.yours.chosen == {"one": 0.5, "two": 0.5}
    assert (line.noria.chosen, line.runner_up.chosen) == ({"two": 1.0}, {"one": 1.0})
    assert line.noria.value.mean == pytest.approx(0.3, abs=0.01)
    assert line.noria.snips == pytest.approx(0.3)
    assert line.yours.value.mean == pytest.approx(0.2, abs=0.01)
    assert line.gain.low > 0


def test_you_were_right_where_noria_would_have_taken_the_worse_one(desk: Desk, clock: ManualClock) -> None:
    assert decided(desk, clock, two=240, one=80, pick="one").right == "you"


def test_a_lead_that_chance_may_have_made_is_not_called_right_and_says_how_many_contacts_it_takes(
    desk: Desk, clock: ManualClock
) -> None:
    found = decided(desk, clock, two=100, one=90)
    assert found.right == "not shown"
    assert "contacts would be needed" in found.sentence


def test_few_who_reached_the_goal_prove_nothing_however_clear_it_looks(desk: Desk, clock: ManualClock) -> None:
    found = decided(desk, clock, two=19, one=0)
    assert found.right == "not shown"
    assert "at least 20" in found.sentence


def test_without_an_opinion_of_its_own_noria_agrees(desk: Desk, clock: ManualClock) -> None:
    [line] = decided(desk, clock, two=240, one=80, pick="").lines
    assert (line.right, line.noria) == ("no difference", None)


def test_before_a_goal_window_is_over_nothing_is_said(desk: Desk, clock: ManualClock) -> None:
    found = decided(desk, clock, two=240, one=80, sent=False)
    assert (found.lines[0].right, found.right) == ("cannot be known", "not shown")


def test_what_nobody_could_draw_cannot_be_known(desk: Desk, clock: ManualClock) -> None:
    [line] = decided(desk, clock, two=240, one=80, pick="three").lines
    assert (line.right, line.contacts) == ("cannot be known", 0)


def test_of_a_rejected_proposal_nobody_can_know(desk: Desk, clock: ManualClock) -> None:
    launch(desk.store, treated=TREATED[:2], holdout=HOLDOUT[:1], play=play())
    refused = examples.proposal("p9")
    with desk.store.write() as connection:
        proposals.submit(connection, refused, author="noria", at=clock.now(), open_limit=9)
        proposals.decide(
            connection, proposal_id="p9", version=1, digest=refused.digest, verdict="reject", actor="cli:marie",
            reason="No", at=clock.now(),
        )  # fmt: skip
    [line] = decision_ledger(desk).lines
    assert (line.proposal_id, line.decided, line.right) == ("p9", "reject", "cannot be known")


def test_a_move_that_a_person_accepted_is_theirs_from_then_on(desk: Desk, clock: ManualClock) -> None:
    decided(desk, clock, two=240, one=80)
    with desk.store.write() as connection:
        [campaign_id] = {one.campaign_id for one in decision_ledger(desk).lines}
        moved = Allocation(
            allocation_id=allocation_id_of(campaign_id, START - DAY), campaign_id=campaign_id, version=1,
            state="applied", before=({"one": 0.5, "two": 0.5},), shares=({"one": 0.2, "two": 0.8},), evidence={},
            reason="", decided_at=START - DAY, applied_at=START, actor="cli:marie",
        )  # fmt: skip
        assert allocations.keep(connection, moved, at=START)
    [line] = decision_ledger(desk).lines
    assert line.yours is not None
    assert line.yours.chosen == {"one": 0.2, "two": 0.8}


def test_the_page_shows_what_people_wrote_as_text(desk: Desk, clock: ManualClock, tmp_path: Path) -> None:
    found = decided(desk, clock, two=240, one=80)
    hostile = found.lines[0].model_copy(update={"title": "<script>x</script>"})
    page = write_decisions(found.model_copy(update={"lines": (hostile,)}), tmp_path / "d.html").read_text()
    assert "Noria was right" in page
    assert "<script" not in page


def lesson(lesson_id: str, **arms: tuple[int, int]) -> Lesson:
    return Lesson(
        lesson_id=lesson_id, campaign_id=None, readout_id=None, playbook="p", segment="", lever="delay", level="",
        goal="order", channel="email", effect=0.1, standard_error=0.1, contacts=1, conversions=1, verdict="works",
        text={}, evidence={"arms": {key: {"contacts": n, "conversions": k} for key, (n, k) in arms.items()}},
        observed_from=START - 60 * DAY, observed_to=START - 30 * DAY, expires_at=START + 300 * DAY, created_at=START,
    )  # fmt: skip


def test_the_pick_is_what_earlier_campaigns_taught_and_none_where_they_tell_nothing_apart() -> None:
    taught = [lesson("l1", one=(2_000, 100), two=(2_000, 300)), lesson("l2", three=(9, 1))]
    found = pick_of(["two", "one"], taught, START)
    assert found is not None
    assert (found.ranked, found.lesson_ids) == (("two", "one"), ("l1",))
    assert found.chances["two"] > 0.9
    assert pick_of(["one", "two"], taught, START) == found
    assert pick_of(["one", "four"], taught, START) is None


def test_a_mix_is_valued_without_bias_and_its_interval_covers_though_one_always_looks() -> None:
    rng, misses, means = np.random.default_rng(5), 0, []
    for _ in range(200):
        arms = rng.choice(3, 400, p=[0.2, 0.3, 0.5])
        outcomes = (rng.random(400) < np.asarray([0.1, 0.2, 0.3])[arms]).astype(float)
        probabilities = np.tile([0.2, 0.3, 0.5], (400, 1))
        scores = doubly_robust(arms, outcomes, probabilities, arm_means(arms, outcomes, 3))
        each = mixed(scores, np.tile([0.0, 0.5, 0.5], (400, 1)))
        means.append(float(each.mean()))
        misses += any(not watched(each[:n]).low <= 0.25 <= watched(each[:n]).high for n in range(100, 401, 50))
    assert float(np.mean(means)) == pytest.approx(0.25, abs=0.006)
    assert misses <= 10
