"""The clarity gate: nothing is automated until the brief says what for, by whom, and when to stop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, create_model, model_validator
from pydantic.fields import FieldInfo

from agents.desk import Desk
from agents.handover import fetch, keep
from agents.state import PlanState, ProposalState
from memory import proposals
from memory.errors import InvalidInputError
from memory.journal import append
from memory.proposal import Brief

ACTION = "clarify_brief"
_WORD = re.compile(r"[^\W\d_]{2,}")
_EMPTY = re.compile(r"^\W*(?:tbd|todo|n/?a|none|unknown|later|aucun|inconnu|plus tard|x+|\?+)?\W*$", re.IGNORECASE)


class Question(BaseModel):
    """Something a brief must say before anything is automated."""

    model_config = ConfigDict(frozen=True)

    question_id: str
    sentence: dict[str, str]
    why: dict[str, str]


class Questions(BaseModel):
    """The questions a brief leaves open."""

    model_config = ConfigDict(frozen=True)

    brief_id: str
    questions: tuple[Question, ...]


def ask(question_id: str, en: str, fr: str, why_en: str, why_fr: str) -> Question:
    """A question in both languages, and why it is asked."""
    return Question(question_id=question_id, sentence={"en": en, "fr": fr}, why={"en": why_en, "fr": why_fr})


QUESTIONS = (
    ask(
        "intention",
        "What should change for your customers, and what do you want to see, simplify or amplify?",
        "Que doit-il changer pour vos clients, que voulez-vous voir, simplifier ou amplifier ?",
        "Without an intention a machine only makes noise faster.",
        "Sans intention, une machine ne fait que du bruit plus vite.",
    ),
    ask(
        "metric",
        "Which number should move, for example repeat orders?",
        "Quel chiffre doit bouger, par exemple les commandes répétées ?",
        "The forecast and the read-out are about this number.",
        "La prévision et le bilan portent sur ce chiffre.",
    ),
    ask(
        "owner",
        "Who answers for it?",
        "Qui en répond ?",
        "Somebody must be able to stop it and to explain it.",
        "Quelqu'un doit pouvoir l'arrêter et l'expliquer.",
    ),
    ask(
        "stop_rule",
        "What would make you stop it?",
        "Qu'est-ce qui vous ferait l'arrêter ?",
        "A campaign without a stop rule runs until it harms.",
        "Une campagne sans règle d'arrêt dure jusqu'à nuire.",
    ),
    ask(
        "decision",
        "Which decision will the numbers steer?",
        "Quelle décision ces chiffres vont-ils guider ?",
        "A number that steers nothing need not be measured.",
        "Un chiffre qui ne guide rien n'a pas à être mesuré.",
    ),
)


def open_questions(brief: Brief) -> tuple[Question, ...]:
    """The questions that a brief does not answer yet; none when it is clear."""
    return tuple(
        question
        for question in QUESTIONS
        if not says_something(question.question_id, getattr(brief, question.question_id))
    )


def complete_brief(brief: Brief, answers: Mapping[str, str]) -> Brief:
    """The brief with answers filled in. Raises InvalidInputError for an answer to no question."""
    known = {question.question_id for question in QUESTIONS}
    if unknown := sorted(set(answers) - known):
        raise InvalidInputError(
            f"The brief has no question {', '.join(unknown)}.", remedy=f"Answer: {', '.join(sorted(known))}."
        )
    return brief.model_copy(update={key: text.strip() for key, text in answers.items()})


def answers_model(questions: tuple[Question, ...]) -> type[BaseModel]:
    """The form that answers must have: one text for each open question, whichever inbox sends them."""
    fields: Any = {
        question.question_id: (str, FieldInfo(min_length=1, max_length=2_000, description=question.sentence["en"]))
        for question in questions
    }
    return create_model("ClarityAnswers", __base__=_AnyInbox, **fields)


class _AnyInbox(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _from_any_inbox(cls, given: Any) -> Any:
        if isinstance(given, list | tuple) and len(given) == 1:
            given = given[0]
        if isinstance(given, Mapping) and isinstance(given.get("decisions"), list) and len(given["decisions"]) == 1:
            given = given["decisions"][0]
        if isinstance(given, Mapping) and "type" in given:
            said = given.get("edited_action") or given.get("args") or given.get("message")
            if isinstance(said, str) and len(cls.model_fields) == 1:
                return {next(iter(cls.model_fields)): said}
            given = said.get("args", said) if isinstance(said, Mapping) else said
        return given


def gate(state: PlanState, desk: Desk) -> PlanState:
    """Read the brief and store the questions it leaves open."""
    return {"questions_id": store_questions(desk, state["thread_id"], state["brief_id"])}


def store_questions(desk: Desk, thread_id: str, brief_id: str) -> str:
    """The id of the stored questions of a brief; empty when it is clear."""
    with desk.store.read() as connection:
        brief = proposals.read_brief(connection, brief_id)
    questions = open_questions(brief)
    if not questions:
        return ""
    return keep(desk, thread_id, "questions", Questions(brief_id=brief_id, questions=questions))


def clarify(state: ProposalState | PlanState, desk: Desk) -> dict[str, Any]:
    """Ask, and nothing else: this node runs again from its top when the answer comes."""
    asked = fetch(desk, state["thread_id"], state["questions_id"], Questions)
    answers: BaseModel = interrupt(clarity_request(asked), response_schema=answers_model(asked.questions))
    return {"answers": answers.model_dump(mode="json")}


def complete(state: ProposalState | PlanState, desk: Desk) -> dict[str, Any]:
    """Write the answers into the brief; the gate then looks at it again."""
    with desk.store.write() as connection:
        brief = proposals.read_brief(connection, state["brief_id"])
        completed = complete_brief(brief, state.get("answers", {}))
        if completed != brief:
            proposals.write_brief(connection, completed, desk.clock.now())
            append(
                connection,
                at=desk.clock.now(),
                actor=completed.author or "noria",
                action="brief.completed",
                subject=completed.brief_id,
                payload={"answered": sorted(state.get("answers", {}))},
            )
    return {"answers": {}, "questions_id": ""}


def clarity_request(asked: Questions) -> dict[str, Any]:
    """What an inbox shows: one field for each open question."""
    fields = {question.question_id: "" for question in asked.questions}
    description = "\n".join(
        f"- {question.question_id}: {question.sentence['en']} ({question.why['en']})" for question in asked.questions
    )
    return {
        "kind": "clarity",
        "brief_id": asked.brief_id,
        "questions": [question.model_dump(mode="json") for question in asked.questions],
        "action_requests": [{"name": ACTION, "args": fields, "arguments": fields, "description": description}],
        "review_configs": [{"action_name": ACTION, "allowed_decisions": ["edit", "respond"]}],
        "action_request": {"action": ACTION, "args": fields},
        "config": {"allow_ignore": False, "allow_respond": True, "allow_edit": True, "allow_accept": False},
        "description": description,
    }


def says_something(field: str, text: str) -> bool:
    """Whether an answer answers: a name or a number of it may be one word, all others are a sentence."""
    words = [one for one in text.split() if any(letter.isalnum() for letter in one)]
    if _EMPTY.match(text) or not _WORD.search(text):
        return False
    return len(words) >= (1 if field in ("owner", "metric") else 3)
