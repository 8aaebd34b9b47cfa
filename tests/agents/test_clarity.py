"""The clarity gate: an unclear brief is asked, by question id, and nothing is proposed before it is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.clarity import complete_brief, open_questions
from agents.planning import answer_questions, plan
from agents.resume import NotWaitingError
from memory import proposals
from memory.errors import InvalidInputError
from memory.proposal import Brief
from tests.agents.world import BRIEF, open_world

VAGUE = Brief(brief_id="vague", intention="more sales", author="cli:marie")
ANSWERS = {
    "intention": "Win back regular customers before they forget us",
    "metric": "repeat orders",
    "owner": "marie",
    "stop_rule": "Stop when more than one in a hundred unsubscribes",
    "decision": "Whether win-back mails run all year",
}


def test_a_clear_brief_leaves_no_question_open() -> None:
    assert open_questions(BRIEF) == ()


@pytest.mark.parametrize("field", sorted(ANSWERS))
@pytest.mark.parametrize("said", ["", "  ", "?", "TBD", "n/a", "…", "later"])
def test_each_question_stays_open_while_nothing_is_said(field: str, said: str) -> None:
    brief = BRIEF.model_copy(update={field: said})
    assert [question.question_id for question in open_questions(brief)] == [field]


def test_an_intention_of_two_words_is_no_intention() -> None:
    assert "intention" in [question.question_id for question in open_questions(VAGUE)]


def test_questions_are_asked_in_english_and_french_with_their_reason() -> None:
    for question in open_questions(Brief(brief_id="empty")):
        assert set(question.sentence) == set(question.why) == {"en", "fr"}


def test_an_answer_to_no_question_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="budget"):
        complete_brief(VAGUE, {"budget": "a lot"})


def test_a_vague_brief_is_asked_and_nothing_is_proposed(fresh: Path) -> None:
    with open_world(fresh, names=["win_back"]) as world:
        result = plan(world.threads, VAGUE)
        assert result.proposal_ids == ()
        (asked,) = result.questions
        assert asked.kind == "clarity"
        assert set(asked.response_schema["properties"]) == set(ANSWERS)
        assert [one.interrupt_id for one in world.threads.questions()] == [asked.interrupt_id]
        with world.store.read() as connection:
            assert proposals.list_proposals(connection) == []


@pytest.mark.parametrize(
    "shape",
    [
        lambda answers: answers,
        lambda answers: [{"type": "edit", "args": {"action": "clarify_brief", "args": answers}}],
        lambda answers: {"decisions": [{"type": "edit", "edited_action": {"name": "clarify_brief", "args": answers}}]},
    ],
    ids=["own", "agent_inbox", "langchain"],
)
def test_answers_complete_the_brief_and_the_round_goes_on_after_a_restart(fresh: Path, shape: Any) -> None:
    with open_world(fresh, names=["win_back"]) as world:
        (asked,) = plan(world.threads, VAGUE).questions
    with open_world(fresh, names=["win_back"]) as world:
        result = answer_questions(world.threads, asked, shape(ANSWERS))
        assert len(result.proposal_ids) == 1
        with world.store.read() as connection:
            brief = proposals.read_brief(connection, VAGUE.brief_id)
            stored = proposals.get(connection, result.proposal_ids[0])
    assert brief.model_dump(include=set(ANSWERS)) == ANSWERS
    assert stored.proposal.play.owner == "marie"


@pytest.mark.parametrize("bad", [{}, {"intention": "x"}, {**ANSWERS, "extra": "y"}, "all of it", None, []], ids=str)
def test_bad_answers_leave_the_questions_open(fresh: Path, bad: Any) -> None:
    with open_world(fresh, names=["win_back"]) as world:
        (asked,) = plan(world.threads, VAGUE).questions
        with pytest.raises(InvalidInputError):
            world.threads.answer(asked.thread_id, asked.interrupt_id, bad)
        assert world.threads.waiting(asked.thread_id) == [asked]


def test_answers_that_say_nothing_are_asked_again(fresh: Path) -> None:
    with open_world(fresh, names=["win_back"]) as world:
        (asked,) = plan(world.threads, VAGUE).questions
        again = answer_questions(world.threads, asked, {**ANSWERS, "stop_rule": "TBD"})
        (open_one,) = again.questions
        assert list(open_one.response_schema["properties"]) == ["stop_rule"]
        assert open_one.interrupt_id != asked.interrupt_id
        with pytest.raises(NotWaitingError):
            answer_questions(world.threads, asked, ANSWERS)
        one_word = [{"type": "response", "args": "Stop when complaints come in"}]
        world.threads.answer(open_one.thread_id, open_one.interrupt_id, one_word)
        assert plan(world.threads, BRIEF).proposal_ids or world.threads.questions() == []


def test_a_proposal_thread_started_on_an_unclear_brief_asks_first(fresh: Path) -> None:
    with open_world(fresh, names=["win_back"]) as world:
        with world.store.write() as connection:
            proposals.write_brief(connection, VAGUE, world.clock.now())
        world.threads.start("proposal-direct", {"brief_id": VAGUE.brief_id, "playbook": "win_back"})
        (asked,) = world.threads.waiting("proposal-direct")
        assert asked.kind == "clarity"
        (next_one,) = world.threads.answer("proposal-direct", asked.interrupt_id, ANSWERS)
        assert next_one.kind == "approval"
