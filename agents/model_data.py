"""What a model is shown for each piece of work: numbers, facts and options, and no contact."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from agents.drafting import audience_sentence
from agents.prompts import prompt
from agents.provider import Analysis, Scheduling, Task, Writing
from agents.sizing import HOLDOUT_SHARES, make_detection, split
from memory.bindings import BINDINGS, FILTERS
from memory.offers import approved_facts
from memory.proposal import Proposal
from memory.steps import SendStep, Sequence
from policies.rules.holdout import HoldoutLimits
from tools.lookups import Lookup

_START_OPTIONS_DAYS = (1, 2, 3, 5, 7)


def told(agent: str, data: dict[str, Any]) -> list[BaseMessage]:
    """The opening of a conversation: the agent's prompt, then the data, marked as data."""
    return [
        SystemMessage(prompt(agent)),
        HumanMessage(f"<DATA>\n{json.dumps(data, ensure_ascii=False, default=str)}\n</DATA>"),
    ]


def analysis_data(task: Task, sized: Analysis, notes: Lookup | None) -> dict[str, Any]:
    """What the analyst is shown."""
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


def copy_data(task: Task, by_rules: Writing) -> dict[str, Any]:
    """What the copywriter is shown."""
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
            for name, _, step in message_steps(by_rules)
            for language, copy in sorted(step.copies.items())
        ],
    }


def message_steps(writing: Writing) -> list[tuple[str, Sequence, SendStep]]:
    """Every send step under the name that a model calls it by."""
    return [
        (f"{sequence.key}.{step.key}", sequence, step)
        for sequence in writing.sequences
        for step in sequence.steps
        if isinstance(step, SendStep)
    ]


def schedule_options(task: Task, analysis: Analysis, by_rules: Scheduling) -> dict[str, Any]:
    """What the scheduler may choose from."""
    audience, rate = analysis.opportunity.audience, analysis.opportunity.base_rate
    limits = task.desk.pack.limits("holdout", HoldoutLimits)
    shares = sorted({by_rules.holdout_share, *(one for one in HOLDOUT_SHARES if one >= by_rules.holdout_share)})
    allowed = [share for share in shares if limits.minimum_share <= share <= limits.maximum_share]
    if analysis.opportunity.holdout_key:
        # A series has one holdout.
        allowed = [by_rules.holdout_share]
    return {
        "start_in_days": list(_START_OPTIONS_DAYS),
        "holdout_share": allowed,
        "detection": {str(share): make_detection(rate, split(audience, share)).sentence for share in allowed},
        "sequences": sorted(by_rules.shares),
        "contacts": audience.reachable,
        "forecast": analysis.opportunity.forecast.sentence,
    }


def proposal_data(proposal: Proposal) -> dict[str, Any]:
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
