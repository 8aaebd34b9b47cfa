"""What resembles a play moves its forecast, by as much as it resembles it, and only where it can say something."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agents.desk import Desk
from agents.learning.priors import Prior
from agents.provider import Resembling
from agents.recall import gather
from agents.remember import lesson_document
from agents.sizing import prior_from
from memory import lessons
from memory.clock import ManualClock
from memory.lessons import Lesson
from memory.store import Store
from memory.vectors import VectorMemory
from tests.agents.test_learn import LESSON, Letters
from tests.agents.trial import START, desk_of, launch
from tests.agents.world import BRIEF

NEAR = LESSON.model_copy(
    update={"playbook": "cross_sell", "effect": 0.6, "standard_error": 0.05, "expires_at": START.replace(year=2027)}
)


@pytest.fixture
def desk(store: Store, tmp_path: Path, clock: ManualClock) -> Desk:
    return replace(desk_of(store, tmp_path, clock), vectors=VectorMemory(tmp_path / "vectors", Letters()))


def remember(desk: Desk, *found: Lesson) -> None:
    launch(desk.store, treated=[1], holdout=[2])
    assert desk.vectors is not None
    with desk.store.write() as connection:
        for one in found:
            lessons.write(connection, one.model_copy(update={"campaign_id": None, "readout_id": None}), at=START)
    desk.vectors.index([lesson_document(one) for one in found])


def recalled(desk: Desk) -> list[str]:
    return [one.lesson.lesson_id for one in gather(desk, BRIEF, "win_back").resembling]


def test_lessons_of_other_playbooks_with_the_same_goal_and_channel_are_recalled(desk: Desk) -> None:
    remember(
        desk,
        NEAR,
        NEAR.model_copy(update={"lesson_id": "l2", "goal": "signup"}),
        NEAR.model_copy(update={"lesson_id": "l3", "channel": "sms"}),
        NEAR.model_copy(update={"lesson_id": "l4", "playbook": "win_back"}),
        NEAR.model_copy(update={"lesson_id": "l5", "state_reason": "narrowed"}),
        NEAR.model_copy(update={"lesson_id": "l6", "expires_at": START}),
    )
    assert recalled(desk) == ["l1"]
    assert [one.lesson_id for one in gather(desk, BRIEF, "win_back").lessons] == ["l4"]


def prior(*near: Lesson, own: tuple[Lesson, ...] = (), similarity: float = 1.0) -> tuple[float, list[str]]:
    found, uses = prior_from(
        own,
        segment=LESSON.segment,
        lever="offer",
        starting=Prior(),
        at=START,
        resembling=[Resembling(lesson=one, similarity=similarity) for one in near],
    )
    return found.mean, [one.lesson_id for one in uses]


def test_they_move_the_prior_by_k_of_k_and_five() -> None:
    # Each counts tau^2 / (tau^2 + v) = 0.0441 / 0.0466 = 0.946 for how well it was measured.
    mean, uses = prior(NEAR)
    assert mean == pytest.approx(0.6 * 0.946 / 5.946, abs=0.001)
    assert uses == ["l1"]
    both, uses = prior(NEAR, NEAR.model_copy(update={"lesson_id": "l2"}))
    assert both == pytest.approx(0.6 * 1.893 / 6.893, abs=0.001)
    assert uses == ["l1", "l2"]
    assert prior(NEAR, similarity=0.0)[0] == 0


def test_a_narrowed_lesson_speaks_of_its_own_segment_only() -> None:
    narrowed = NEAR.model_copy(update={"state_reason": "narrowed"})
    elsewhere = narrowed.model_copy(update={"segment": "everybody else"})
    assert prior(own=(narrowed,))[0] > 0.05
    assert prior(own=(elsewhere,)) == (0, [])
