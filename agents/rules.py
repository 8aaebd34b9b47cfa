"""The rules provider: deterministic, without a key, and what every model falls back to."""

from __future__ import annotations

import re
from typing import Final

from agents.analyst import analyse_by_rules
from agents.copywriter import write_by_rules
from agents.provider import Analysis, Scheduling, Task, Writing
from agents.scheduler import schedule_by_rules
from memory.finding import Finding
from memory.proposal import Proposal

_WORD = re.compile(r"[^\W\d_]{4,}|\d+")
_ASKING: Final = frozenset({
    "does", "many", "much", "this", "that", "what", "when", "where", "which", "with", "would", "have", "from", "they",
    "them", "their", "there", "will", "into", "about",
})  # fmt: skip
"""Words of a question that say nothing of what it is about."""
_MOST_SENTENCES = 3


class RulesProvider:
    """Numbers, templates and closed choices."""

    name = "rules"

    def analyse(self, task: Task) -> Analysis:
        return analyse_by_rules(task)

    def write(self, task: Task, analysis: Analysis) -> Writing:
        return write_by_rules(task, analysis)

    def schedule(self, task: Task, analysis: Analysis, writing: Writing) -> Scheduling:
        return schedule_by_rules(task, analysis, writing)

    def criticise(self, task: Task, proposal: Proposal) -> tuple[Finding, ...]:
        return ()

    def reply(self, task: Task, proposal: Proposal, question: str) -> str:
        return reply_by_rules(proposal, question)

    def read_reply(self, words: str) -> None:
        return None


def reply_by_rules(proposal: Proposal, question: str) -> str:
    """The sentences on record that speak of what is asked, each with where it comes from; or that none does.

    A sentence does where it shares half of the words and numbers that say what the question is about.
    """
    wanted = _subject(question)
    said = [proposal.forecast.sentence, proposal.detection.sentence, proposal.holdout_why, proposal.shares_why]
    said += [f"{one.sentence} [{one.lookup_id}]" for one in proposal.evidence]
    said += [f"{one.contacts} taken out: {one.sentence}" for one in proposal.audience.subtractions]
    said += [proposal.hypothesis, proposal.why_now]
    said += [f"{one.sentence} ({one.rule}: {one.verdict})" for one in proposal.findings if one.sentence]
    shared = {sentence: len(wanted & _subject(sentence)) for sentence in said if sentence}
    best = sorted((one for one in shared if shared[one] * 2 >= max(len(wanted), 1)), key=lambda one: -shared[one])
    if not best:
        return f"The record does not answer that. What it does say: {proposal.forecast.sentence}"
    return " ".join(best[:_MOST_SENTENCES])


def _subject(sentence: str) -> set[str]:
    """The beginnings of the words and numbers that tell sentences apart."""
    words = {word.casefold() for word in _WORD.findall(sentence)}
    return {word[:5] for word in words - _ASKING}
