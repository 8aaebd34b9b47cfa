"""The model provider: a model does the agents' wording and choosing, code checks it, and rules stand behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from collections.abc import Sequence as Items
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.copywriter import copy_faults
from agents.drafting import audience_sentence
from agents.model import Model, ModelError
from agents.notes import read_notes
from agents.prompts import prompt
from agents.provider import Analysis, Provider, Scheduling, Task, Writing
from agents.scheduler import starts_from
from agents.sizing import HOLDOUT_SHARES, make_detection, split
from memory.bindings import BINDINGS, FILTERS
from memory.errors import InvalidInputError, NoriaError
from memory.finding import Finding, Verdict
from memory.offers import approved_facts
from memory.play import Copy, SendStep, Sequence
from memory.proposal import Authorship, Evidence, Proposal
from policies.rules.holdout import HoldoutLimits
from tools.lookups import BudgetSpentError, Lookup

_ROUNDS = 6
_MOST_CALLS_A_ROUND = 8
_START_OPTIONS_DAYS = (1, 2, 3, 5, 7)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


# What a model may cause; a store that fails is nobody's fallback.
_FALLS_BACK = (ModelError, BudgetSpentError, InvalidInputError)
Words = TypeVar("Words", bound=BaseModel)
Part = TypeVar("Part", Analysis, Writing, Scheduling)


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EvidenceWords(_Form):
    """One fact and where it comes from."""

    lookup_id: str = Field(max_length=40)
    sentence: str = Field(min_length=1, max_length=300)


class AnalysisWords(_Form):
    """The analyst's words."""

    hypothesis: str = Field(min_length=1, max_length=400)
    why_now: str = Field(min_length=1, max_length=400)
    evidence: list[EvidenceWords] = Field(min_length=1, max_length=8)


class SlotWords(_Form):
    """The slots of one message in one language."""

    step: str = Field(max_length=130)
    language: str = Field(max_length=2)
    subject: str = Field(min_length=1, max_length=150)
    preheader: str = Field(max_length=200)
    headline: str = Field(min_length=1, max_length=150)
    body: list[str] = Field(min_length=1, max_length=8)
    button: str = Field(max_length=60)


class CopyWords(_Form):
    """The slots of every message."""

    messages: list[SlotWords] = Field(min_length=1, max_length=24)


class ScheduleChoice(_Form):
    """A choice among options."""

    start_in_days: int
    holdout_share: float
    sequences: list[str] = Field(min_length=1, max_length=4)
    reason: str = Field(max_length=300)


class Objection(_Form):
    """One objection."""

    part: str = Field(max_length=20)
    sentence: str = Field(min_length=1, max_length=300)


class Objections(_Form):
    """What speaks against a proposal."""

    objections: list[Objection] = Field(max_length=3)


class ReplyWords(_Form):
    """An answer to a question."""

    answer: str = Field(min_length=1, max_length=800)


class ModelProvider:
    """Asks a model for words and choices; whatever does not hold is done by rules, and the proposal says so."""

    name = "model"

    def __init__(self, model: Model, rules: Provider) -> None:
        self._model = model
        self._rules = rules

    def analyse(self, task: Task) -> Analysis:
        by_rules = self._rules.analyse(task)
        try:
            seen, messages = self._look_up(task, by_rules)
            words = self._ask(
                task, "analyst", AnalysisWords, messages, check=lambda said: _unfounded(said, seen, by_rules)
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
        messages = _told("copywriter", _copy_data(task, by_rules))
        try:
            words = self._ask(
                task, "copywriter", CopyWords, messages, check=lambda said: _copy_fault(task, by_rules, said)
            )
        except _FALLS_BACK as error:
            return _noted(by_rules, error)
        return by_rules.model_copy(
            update={
                "sequences": _rewritten(by_rules, words),
                "author": Authorship(agent="copywriter", provider="model"),
            }
        )

    def schedule(self, task: Task, analysis: Analysis, writing: Writing) -> Scheduling:
        by_rules = self._rules.schedule(task, analysis, writing)
        options = _options(task, analysis, by_rules)
        try:
            choice = self._ask(
                task,
                "scheduler",
                ScheduleChoice,
                _told("scheduler", options),
                check=lambda said: _not_an_option(said, options),
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
                "reasons": (*by_rules.reasons, choice.reason),
                "author": Authorship(agent="scheduler", provider="model"),
            }
        )

    def criticise(self, task: Task, proposal: Proposal) -> tuple[Finding, ...]:
        try:
            said = self._ask(task, "critic", Objections, _told("critic", _proposal_data(proposal)))
        except _FALLS_BACK:
            return ()
        # Objections without a part: no agent is sent back to work by them, a person reads them.
        return tuple(
            Finding(rule="critic", verdict=Verdict.HOLD, sentence=one.sentence, fact="a model's opinion")
            for one in said.objections
        )

    def reply(self, task: Task, proposal: Proposal, question: str) -> str:
        data = {**_proposal_data(proposal), "question": question}
        known = _numbers(json.dumps(data, ensure_ascii=False))
        try:
            said = self._ask(
                task,
                "reply",
                ReplyWords,
                _told("reply", data),
                check=lambda words: _unknown_numbers(words.answer, known),
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

    def _look_up(self, task: Task, sized: Analysis) -> tuple[dict[str, Lookup], list[BaseMessage]]:
        """Let the model call look-ups within the budget; returns what it saw, and the conversation."""
        notes = read_notes(task, self._model)
        messages = _told("analyst", _analysis_data(task, sized, notes))
        offered = [_tool(offer.name, offer.sentence, offer.arguments) for offer in task.lookups.offered]
        seen: dict[str, Lookup] = {} if notes is None else {notes.lookup_id: notes}
        for _ in range(_ROUNDS):
            task.lookups.check_tokens()
            said, tokens = self._model.converse(messages, offered)
            task.lookups.charge_model("analyst", tokens)
            if not said.tool_calls and not said.invalid_tool_calls:
                break
            try:
                answers = _answers(task, said, seen)
            except BudgetSpentError:
                break
            messages = [*messages, _as_asked(said), *answers]
        asked = "Now write the analysis. Cite only look-up ids from the answers above."
        return seen, [*messages, HumanMessage(asked)]


def _answers(task: Task, said: AIMessage, seen: dict[str, Lookup]) -> list[ToolMessage]:
    answers = []
    for call in said.tool_calls[:_MOST_CALLS_A_ROUND]:
        try:
            found = task.lookups.call(call["name"], call["args"])
        except BudgetSpentError:
            raise
        except InvalidInputError as error:
            told: dict[str, Any] = {"error": str(error)}
        else:
            seen[found.lookup_id] = found
            told = {"lookup_id": found.lookup_id, "result": found.result}
        answers.append(ToolMessage(json.dumps(told, ensure_ascii=False), tool_call_id=call["id"] or ""))
    answers += [
        ToolMessage(json.dumps({"error": "too many at once"}), tool_call_id=call["id"] or "")
        for call in said.tool_calls[_MOST_CALLS_A_ROUND:]
    ]
    answers += [
        ToolMessage(json.dumps({"error": "these arguments are not JSON"}), tool_call_id=call["id"] or "")
        for call in said.invalid_tool_calls
    ]
    return answers


def _as_asked(said: AIMessage) -> AIMessage:
    """The model's turn with nothing but its calls: its prose is not carried on."""
    return AIMessage("", tool_calls=said.tool_calls, invalid_tool_calls=said.invalid_tool_calls)


def _tool(name: str, sentence: str, arguments: type[BaseModel]) -> dict[str, Any]:
    form = arguments.model_json_schema()
    return {"type": "function", "function": {"name": name, "description": sentence, "parameters": form}}


def _told(agent: str, data: dict[str, Any]) -> list[BaseMessage]:
    return [
        SystemMessage(prompt(agent)),
        HumanMessage(f"<DATA>\n{json.dumps(data, ensure_ascii=False, default=str)}\n</DATA>"),
    ]


def _noted(by_rules: Part, error: NoriaError) -> Part:
    """The rules' work, saying why it is theirs."""
    note = f"The model was asked and rules took over: {error.what}"
    return by_rules.model_copy(update={"author": by_rules.author.model_copy(update={"note": note})})


def _analysis_data(task: Task, sized: Analysis, notes: Lookup | None) -> dict[str, Any]:
    opportunity = sized.opportunity
    return {
        "brief": task.brief.model_dump(mode="json", exclude={"brief_id", "author", "owner"}),
        "playbook": {
            "id": task.playbook.id,
            "name": task.playbook.name["en"],
            "signal": task.playbook.signal["en"],
            "segment": audience_sentence(task.playbook),
        },
        "forecast": opportunity.forecast.sentence,
        "detection": opportunity.detection.sentence,
        "evidence": [one.model_dump(mode="json") for one in sized.evidence],
        "notes": {"lookup_id": notes.lookup_id, "result": notes.result} if notes else None,
    }


def _unfounded(said: AnalysisWords, seen: dict[str, Lookup], by_rules: Analysis) -> str:
    """What an analysis cites or states that no look-up gave; empty when it is sound."""
    invented = sorted({one.lookup_id for one in said.evidence} - set(seen))
    if invented:
        return f"these look-up ids were never given: {', '.join(invented)}"
    for one in said.evidence:
        known = _numbers(json.dumps(seen[one.lookup_id].model_dump(mode="json"), ensure_ascii=False))
        if fault := _unknown_numbers(one.sentence, known):
            return f"{fault} by {one.lookup_id}"
    everything = [json.dumps(lookup.result, ensure_ascii=False) for lookup in seen.values()]
    everything += [one.sentence for one in by_rules.evidence]
    everything += [by_rules.hypothesis, by_rules.why_now, by_rules.opportunity.forecast.sentence]
    known = _numbers(" ".join(everything))
    return _unknown_numbers(f"{said.hypothesis} {said.why_now}", known)


def _numbers(text: str) -> set[str]:
    """Every number in a text, and each share also as a percentage, in the spellings that a sentence may use."""
    found = set()
    for match in _NUMBER.findall(text):
        value = match.replace(",", "")
        found |= {match, value}
        try:
            number = float(value)
        except ValueError:
            continue
        found |= {f"{number:g}", f"{number:.0f}", f"{number:.1f}", f"{number:.2f}", f"{number:,.0f}"}
        if number <= 1:
            found |= {f"{number * 100:g}", f"{number * 100:.0f}", f"{number * 100:.1f}", f"{number * 100:.2f}"}
        if number >= 100:
            # Amounts are looked up in minor units and told in major ones.
            found |= {f"{number / 100:.2f}", f"{number / 100:.0f}"}
    return found


def _unknown_numbers(text: str, known: set[str]) -> str:
    unknown = sorted({one for one in _NUMBER.findall(text) if one not in known and one.replace(",", "") not in known})
    return f"these numbers were not given: {', '.join(unknown)}" if unknown else ""


def _copy_data(task: Task, by_rules: Writing) -> dict[str, Any]:
    desk, offer = task.desk, by_rules.offer
    with desk.store.read() as connection:
        facts = approved_facts(connection, desk.clock.now())
    return {
        "brand": {
            "name": desk.brand.name,
            "tone": desk.brand.voice.tone,
            "formal_french": desk.brand.voice.formal_french,
            "banned_words": desk.brand.voice.banned_words,
        },
        "playbook": {"name": task.playbook.name["en"], "signal": task.playbook.signal["en"]},
        "offer": {"kind": offer.kind, "labels": offer.labels} if offer else None,
        "approved_facts": [{"language": fact.language, "text": fact.text} for fact in facts],
        "bindings": {one.name: one.sentence["en"] for one in BINDINGS.values() if one.in_copy},
        "filters": sorted(FILTERS),
        "objections": [finding.sentence for finding in task.objections if finding.part == "copy"],
        "messages": [
            {"step": name, "language": language, **copy.model_dump(mode="json")}
            for name, _, step in _steps(by_rules)
            for language, copy in sorted(step.copies.items())
        ],
    }


def _steps(writing: Writing) -> list[tuple[str, Sequence, SendStep]]:
    return [
        (f"{sequence.key}.{step.key}", sequence, step)
        for sequence in writing.sequences
        for step in sequence.steps
        if isinstance(step, SendStep)
    ]


def _copy_fault(task: Task, by_rules: Writing, said: CopyWords) -> str:
    """What is wrong with rewritten copy; empty when every message is there and stands up to the policy."""
    wanted = {(name, language) for name, _, step in _steps(by_rules) for language in step.copies}
    given = [(one.step, one.language) for one in said.messages]
    if len(given) != len(set(given)) or set(given) != wanted:
        return f"return exactly these messages: {sorted(wanted)}"
    try:
        sequences = _rewritten(by_rules, said)
    except ValidationError as error:
        return f"a slot does not fit: {error.errors()[0]['msg']}"
    faults = []
    for sequence in sequences:
        for step in sequence.steps:
            if isinstance(step, SendStep):
                faults += copy_faults(task, sequence, step, by_rules.offer)
    return " ".join(faults[:5])


def _rewritten(by_rules: Writing, said: CopyWords) -> tuple[Sequence, ...]:
    words = {(one.step, one.language): one for one in said.messages}
    sequences = []
    for sequence in by_rules.sequences:
        steps = []
        for step in sequence.steps:
            if isinstance(step, SendStep):
                copies = {
                    language: Copy.model_validate(
                        words[f"{sequence.key}.{step.key}", language].model_dump(exclude={"step", "language"})
                    )
                    for language in step.copies
                }
                step = step.model_copy(update={"copies": copies})
            steps.append(step)
        sequences.append(sequence.model_copy(update={"steps": tuple(steps)}))
    return tuple(sequences)


def _options(task: Task, analysis: Analysis, by_rules: Scheduling) -> dict[str, Any]:
    audience, rate = analysis.opportunity.audience, analysis.opportunity.base_rate
    limits = task.desk.pack.limits("holdout", HoldoutLimits)
    shares = sorted({by_rules.holdout_share, *(one for one in HOLDOUT_SHARES if one >= by_rules.holdout_share)})
    allowed = [share for share in shares if limits.minimum_share <= share <= limits.maximum_share]
    return {
        "start_in_days": list(_START_OPTIONS_DAYS),
        "holdout_share": allowed,
        "detection": {str(share): make_detection(rate, split(audience, share)).sentence for share in allowed},
        "sequences": sorted(by_rules.shares),
        "contacts": audience.reachable,
        "forecast": analysis.opportunity.forecast.sentence,
    }


def _not_an_option(said: ScheduleChoice, options: dict[str, Any]) -> str:
    if said.start_in_days not in options["start_in_days"]:
        return f"start_in_days must be one of {options['start_in_days']}"
    if said.holdout_share not in options["holdout_share"]:
        return f"holdout_share must be one of {options['holdout_share']}"
    if not set(said.sequences) <= set(options["sequences"]):
        return f"sequences must be among {options['sequences']}"
    return ""


def _proposal_data(proposal: Proposal) -> dict[str, Any]:
    """What a model may see of a proposal: no contact, no address, no owner."""
    return {
        "title": proposal.title,
        "summary": proposal.summary,
        "hypothesis": proposal.hypothesis,
        "why_now": proposal.why_now,
        "evidence": [one.model_dump(mode="json") for one in proposal.evidence],
        "audience": proposal.audience.model_dump(mode="json", exclude={"sample"}),
        "forecast": proposal.forecast.sentence,
        "detection": proposal.detection.sentence,
        "holdout_share": proposal.play.holdout_share,
        "messages": [
            {"sequence": sequence.key, "language": language, **copy.model_dump(mode="json")}
            for sequence, step in proposal.play.sends()
            for language, copy in sorted(step.copies.items())
        ],
        "findings": [f"{one.rule}: {one.verdict}: {one.sentence}" for one in proposal.findings],
    }
