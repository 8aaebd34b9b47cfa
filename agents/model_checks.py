"""What must hold of a model's words: numbers and ids that were given, copy that the policy allows, options on offer."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import ValidationError

from agents.copywriter import copy_faults
from agents.model_data import message_steps
from agents.model_forms import AnalysisWords, CopyWords, ScheduleChoice
from agents.provider import Analysis, Task, Writing
from memory.steps import Copy, SendStep, Sequence
from tools.lookups import Lookup

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def unfounded(said: AnalysisWords, seen: dict[str, Lookup], by_rules: Analysis) -> str:
    """What an analysis cites or states that no look-up gave; empty when it is sound."""
    invented = sorted({one.lookup_id for one in said.evidence} - set(seen))
    if invented:
        return f"these look-up ids were never given: {', '.join(invented)}"
    for one in said.evidence:
        known = numbers_in(json.dumps(seen[one.lookup_id].model_dump(mode="json"), ensure_ascii=False))
        if fault := unknown_numbers(one.sentence, known):
            return f"{fault} by {one.lookup_id}"
    everything = [json.dumps(lookup.result, ensure_ascii=False) for lookup in seen.values()]
    everything += [one.sentence for one in by_rules.evidence]
    everything += [by_rules.hypothesis, by_rules.why_now, by_rules.opportunity.forecast.sentence]
    known = numbers_in(" ".join(everything))
    return unknown_numbers(f"{said.hypothesis} {said.why_now}", known)


def numbers_in(text: str) -> set[str]:
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


def unknown_numbers(text: str, known: set[str]) -> str:
    """Which numbers of a text are not among the known ones; empty for none."""
    unknown = sorted({one for one in _NUMBER.findall(text) if one not in known and one.replace(",", "") not in known})
    return f"these numbers were not given: {', '.join(unknown)}" if unknown else ""


def copy_fault(task: Task, by_rules: Writing, said: CopyWords) -> str:
    """What is wrong with rewritten copy; empty when every message is there and stands up to the policy."""
    wanted = {(name, language) for name, _, step in message_steps(by_rules) for language in step.copies}
    given = [(one.step, one.language) for one in said.messages]
    if len(given) != len(set(given)) or set(given) != wanted:
        return f"return exactly these messages: {sorted(wanted)}"
    try:
        sequences = rewritten(by_rules, said)
    except ValidationError as error:
        return f"a slot does not fit: {error.errors()[0]['msg']}"
    faults = []
    for sequence in sequences:
        for step in sequence.steps:
            if isinstance(step, SendStep):
                faults += copy_faults(task, sequence, step, by_rules.offer)
    return " ".join(faults[:5])


def rewritten(by_rules: Writing, said: CopyWords) -> tuple[Sequence, ...]:
    """The sequences with the model's words in their slots."""
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
                step = step.with_copies(copies)
            steps.append(step)
        sequences.append(sequence.model_copy(update={"steps": tuple(steps)}))
    return tuple(sequences)


def not_an_option(said: ScheduleChoice, options: dict[str, Any]) -> str:
    """What was chosen that was not on offer; empty for none."""
    if said.start_in_days not in options["start_in_days"]:
        return f"start_in_days must be one of {options['start_in_days']}"
    if said.holdout_share not in options["holdout_share"]:
        return f"holdout_share must be one of {options['holdout_share']}"
    if not set(said.sequences) <= set(options["sequences"]):
        return f"sequences must be among {options['sequences']}"
    return ""
