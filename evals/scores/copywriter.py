"""The copywriter: facts, language and slots, read by other means than the guardian's so that one can miss for both."""

from __future__ import annotations

import re

from evals.outcome import Outcome, SeenProposal
from evals.scenario import Scenario
from evals.scores.score import Checks, Score
from memory.bindings import BINDINGS
from memory.steps import Copy

_TAG = re.compile(r"\{%.*?%\}|\{\{.*?\}\}")
_BINDING = re.compile(r"\{\{-?\s*([a-z_]+(?:\.[a-z_]+)*)")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_LINK = re.compile(r"https?://|www\.|\b[\w-]+\.(?:com|net|org|fr|io|example)\b", re.IGNORECASE)
_INVISIBLE = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad]")
_COMMON = {
    "en": re.compile(r"\b(?:the|you|your|and|to|is|of|we|with|not|for|have|our|this|that|it|if)\b", re.IGNORECASE),
    "fr": re.compile(
        r"\b(?:le|la|les|vous|votre|vos|et|de|des|est|nous|une|un|avec|pas|pour|que|si|notre|dans)\b", re.IGNORECASE
    ),
}


def score(scenario: Scenario, outcome: Outcome) -> Score | None:
    """Every message of every proposal, in every language."""
    checks = Checks()
    for seen in outcome.proposals:
        name = seen.proposal.play.playbook
        if seen.proposal.version > 1:
            # These words are a person's.
            continue
        checks.check(not seen.undefined, f"{name}: {'; '.join(seen.undefined[:2])}")
        known = _known_numbers(scenario, seen)
        for sequence, step in seen.proposal.play.sends():
            wanted = {"en", "fr"}
            checks.check(wanted <= set(step.copies), f"{name}: {step.key} lacks {sorted(wanted - set(step.copies))}")
            for language, copy in sorted(step.copies.items()):
                _check_copy(checks, f"{name}/{sequence.key}/{step.key}/{language}", language, copy, known, scenario)
    return checks.score


def _check_copy(checks: Checks, where: str, language: str, copy: Copy, known: set[str], scenario: Scenario) -> None:
    slots = (copy.subject, copy.preheader, copy.headline, *copy.body, copy.button)
    bindings = {name for slot in slots for name in _BINDING.findall(slot)}
    checks.check(bindings <= set(BINDINGS), f"{where}: unknown values {sorted(bindings - set(BINDINGS))}")
    text = " ".join(_TAG.sub(" ", slot) for slot in slots)
    invented = {number for number in _NUMBER.findall(text) if number not in known}
    checks.check(not invented, f"{where}: numbers from nowhere {sorted(invented)}")
    checks.check(not _LINK.search(text), f"{where}: a link is written out")
    checks.check(not _INVISIBLE.search(text), f"{where}: invisible characters")
    banned = [word for word in scenario.world.banned_words if word.casefold() in text.casefold()]
    checks.check(not banned, f"{where}: banned words {banned}")
    checks.check(_speaks(text) == language, f"{where}: reads like {_speaks(text)}")


def _speaks(text: str) -> str:
    return max(_COMMON, key=lambda language: len(_COMMON[language].findall(text)))


def _known_numbers(scenario: Scenario, seen: SeenProposal) -> set[str]:
    texts = [text for texts in scenario.world.facts.values() for text in texts.values()]
    offer = seen.proposal.play.offer
    texts += list(offer.labels.values()) if offer is not None else []
    return {number for text in texts for number in _NUMBER.findall(text)}
