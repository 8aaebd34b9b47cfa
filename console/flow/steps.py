"""What stands in a flow: the start and each step, told in words, with the ways out of it and a note."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from memory.step_text import tell_answer, tell_condition, tell_step, tell_trigger
from memory.steps import BranchStep, Sequence
from memory.trigger import Trigger

START: Final = ""
"""Where contacts come in, before the first step."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way out of a node."""

    to: str
    answer: str = ""
    """Yes or no, after a branch."""


@dataclass(frozen=True, slots=True)
class Node:
    """The start or a step."""

    key: str
    kind: str
    text: str
    ways: tuple[Way, ...] = ()
    note: str = ""
    """How many contacts, if somebody counted."""


def nodes_of(
    sequence: Sequence, trigger: Trigger, language: str, notes: Mapping[str, str] | None = None
) -> dict[str, Node]:
    """The start and the steps of a sequence without defects, by key, in the order in which they are written."""
    found = {START: Node(START, "start", capital(tell_trigger(trigger, language)), (Way(sequence.steps[0].key),))}
    for step in sequence.steps:
        ways = tuple(Way(one) for one in sequence.followers(step.key) if one is not None)
        text = tell_step(step, language)
        if isinstance(step, BranchStep):
            text = tell_condition(step.condition, language) + ("\u00a0?" if language == "fr" else "?")
            answers = (tell_answer(yes, language) for yes in (True, False))
            ways = tuple(Way(way.to, answer) for way, answer in zip(ways, answers, strict=True))
        found[step.key] = Node(step.key, step.kind, capital(text), ways)
    return {key: replace(node, note=(notes or {}).get(key, "")) for key, node in found.items()}


def capital(text: str) -> str:
    """The text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]
