"""The model provider: a model does the agents' wording and choosing, code checks it, and rules stand behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Sequence as Items
from typing import TypeVar

from langchain_core.messages import BaseMessage
from pydantic import BaseModel

from agents.extractor import ReplyFacts, extract_reply
from agents.model import Model, ModelError
from agents.model_checks import copy_fault, not_an_option, numbers_in, rewritten, unfounded, unknown_numbers
from agents.model_data import copy_data, proposal_data, schedule_options, told
from agents.model_forms import AnalysisWords, CopyWords, Objections, ReplyWords, ScheduleChoice
from agents.model_lookups import look_up
from agents.provider import Analysis, Provider, Scheduling, Task, Writing
from agents.send_window import starts_from
from memory.bands import only
from memory.errors import InvalidInputError, NoriaError
from memory.finding import Finding, Verdict
from memory.proposal import Authorship, Evidence, Proposal
from tools.lookups import BudgetSpentError

# What a model may cause; a store that fails is nobody's fallback.
_FALLS_BACK = (ModelError, BudgetSpentError, InvalidInputError)
Words = TypeVar("Words", bound=BaseModel)
Part = TypeVar("Part", Analysis, Writing, Scheduling)


class ModelProvider:
    """Asks a model for words and choices; whatever does not hold is done by rules, and the proposal says so."""

    name = "model"

    def __init__(self, model: Model, rules: Provider) -> None:
        self._model = model
        self._rules = rules

    def analyse(self, task: Task) -> Analysis:
        by_rules = self._rules.analyse(task)
        try:
            seen, messages = look_up(self._model, task, by_rules)
            words = self._ask(
                task, "analyst", AnalysisWords, messages, check=lambda said: unfounded(said, seen, by_rules)
            )
        except _FALLS_BACK as error:
            return _noted(by_rules, error)
        cited = tuple(
            Evidence(lookup_id=one.lookup_id, sentence=one.sentence) for one in words.evidence if one.lookup_id in seen
        )
        return by_rules.model_copy(
            update={
                "hypothesis": words.hypothesis,
                "why_now": words.why_now,
                "evidence": by_rules.evidence + cited,
                "author": Authorship(agent="analyst", provider="model"),
            }
        )

    def write(self, task: Task, analysis: Analysis) -> Writing:
        by_rules = self._rules.write(task, analysis)
        messages = told("copywriter", copy_data(task, by_rules))
        try:
            words = self._ask(
                task, "copywriter", CopyWords, messages, check=lambda said: copy_fault(task, by_rules, said)
            )
        except _FALLS_BACK as error:
            return _noted(by_rules, error)
        return by_rules.model_copy(
            update={
                "sequences": rewritten(by_rules, words),
                "author": Authorship(agent="copywriter", provider="model"),
            }
        )

    def schedule(self, task: Task, analysis: Analysis, writing: Writing) -> Scheduling:
        by_rules = self._rules.schedule(task, analysis, writing)
        options = schedule_options(task, analysis, by_rules)
        try:
            choice = self._ask(
                task,
                "scheduler",
                ScheduleChoice,
                told("scheduler", options),
                check=lambda said: not_an_option(said, options),
            )
        except _FALLS_BACK as error:
            return _noted(by_rules, error)
        kept = {key: share for key, share in by_rules.shares.items() if key in choice.sequences}
        total = sum(kept.values())
        starts_at = starts_from(task.desk, days_ahead=choice.start_in_days)
        return by_rules.model_copy(
            update={
                "schedule": by_rules.schedule.model_copy(update={"starts_at": starts_at}),
                "holdout_share": choice.holdout_share,
                "shares": {key: share / total for key, share in kept.items()},
                "band_shares": only(by_rules.band_shares, kept),
                "shares_why": by_rules.shares_why if kept == by_rules.shares else "",
                "reasons": (*by_rules.reasons, choice.reason),
                "author": Authorship(agent="scheduler", provider="model"),
            }
        )

    def criticise(self, task: Task, proposal: Proposal) -> tuple[Finding, ...]:
        try:
            said = self._ask(task, "critic", Objections, told("critic", proposal_data(proposal)))
        except _FALLS_BACK:
            return ()
        # Objections without a part: no agent is sent back to work by them, a person reads them.
        return tuple(
            Finding(rule="critic", verdict=Verdict.HOLD, sentence=one.sentence, fact="a model's opinion")
            for one in said.objections
        )

    def read_reply(self, words: str) -> tuple[ReplyFacts, int]:
        return extract_reply(self._model, words)

    def reply(self, task: Task, proposal: Proposal, question: str) -> str:
        data = {**proposal_data(proposal), "question": question}
        known = numbers_in(json.dumps(data, ensure_ascii=False))
        try:
            said = self._ask(
                task,
                "reply",
                ReplyWords,
                told("reply", data),
                check=lambda words: unknown_numbers(words.answer, known),
            )
        except _FALLS_BACK:
            return self._rules.reply(task, proposal, question)
        return said.answer

    def _ask(
        self,
        task: Task,
        agent: str,
        form: type[Words],
        messages: Items[BaseMessage],
        *,
        check: Callable[[Words], str] | None = None,
    ) -> Words:
        task.lookups.check_tokens()
        try:
            reply = self._model.structured(form, messages, check=check)
        except ModelError as error:
            task.lookups.charge_model(agent, error.tokens)
            raise
        task.lookups.charge_model(agent, reply.tokens)
        return reply.value


def _noted(by_rules: Part, error: NoriaError) -> Part:
    """The rules' work, saying why it is theirs."""
    note = f"The model was asked and rules took over: {error.what}"
    return by_rules.model_copy(update={"author": by_rules.author.model_copy(update={"note": note})})
