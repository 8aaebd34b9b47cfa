"""The rules provider: deterministic, without a key, and what every model falls back to."""

from __future__ import annotations

import re

from agents.analyst import analyse_by_rules
from agents.copywriter import write_by_rules
from agents.provider import Analysis, Scheduling, Task, Writing
from agents.scheduler import schedule_by_rules
from memory.finding import Finding
from memory.proposal import Proposal

_WORD = re.compile(r"[^\W\d_]{4,}")
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
    """The sentences on record that share most words with the question, each with where it comes from."""
    wanted = {word.casefold()[:6] for word in _WORD.findall(question)}
    said = [f"{one.sentence} [{one.lookup_id}]" for one in proposal.evidence]
    said += [f"{one.contacts} taken out: {one.sentence}" for one in proposal.audience.subtractions]
    said += [f"{one.sentence} ({one.rule}: {one.verdict})" for one in proposal.findings if one.sentence]
    said += [proposal.forecast.sentence, proposal.detection.sentence, proposal.hypothesis, proposal.why_now]
    ranked = sorted(
        (sentence for sentence in said if sentence),
        key=lambda sentence: -len(wanted & {word.casefold()[:6] for word in _WORD.findall(sentence)}),
    )
    best = [one for one in ranked if wanted & {word.casefold()[:6] for word in _WORD.findall(one)}][:_MOST_SENTENCES]
    if not best:
        return f"The record does not answer that. What it does say: {proposal.forecast.sentence}"
    return " ".join(best)
