"""What a rule is: an id, a sentence, its parameters with units, and one function per stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from memory.finding import Verdict
from policies.facts import MessageFacts, ProposalFacts

Stage = Literal["message", "proposal", "both"]


class Parameters(BaseModel):
    """Limits of one rule; every name carries its unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one rule says, before its id and sentence are added."""

    verdict: Verdict
    sentence: str
    fact: str = ""
    limit: str = ""
    part: str = ""
    retry_at: datetime | None = None
    """For a hold: the first moment at which asking again makes sense."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule is given besides the facts."""

    pack_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. No ruling at all means that it has nothing against it."""

    id: str
    parameters: type[Parameters]
    gate: Callable[[MessageFacts, Any, Context], Ruling | None] | None = None
    """Judges one message at the moment of its send."""
    review: Callable[[ProposalFacts, Any, Context], list[Ruling]] | None = None
    """Judges a whole proposal."""
    locked: bool = False
    """True for what must always hold: no pack may switch it off or make it advisory."""

    @property
    def stage(self) -> Stage:
        if self.gate and self.review:
            return "both"
        return "message" if self.gate else "proposal"


def refuse(sentence: str, *, fact: str = "", limit: str = "", part: str = "") -> Ruling:
    """Never, whatever time brings."""
    return Ruling(Verdict.REFUSE, sentence, fact, limit, part)


def hold(sentence: str, *, fact: str = "", limit: str = "", part: str = "", retry_at: datetime | None = None) -> Ruling:
    """Not now."""
    return Ruling(Verdict.HOLD, sentence, fact, limit, part, retry_at)


def note(sentence: str, *, fact: str = "", limit: str = "", part: str = "") -> Ruling:
    """Go on, but people should know."""
    return Ruling(Verdict.ALLOW, sentence, fact, limit, part)
