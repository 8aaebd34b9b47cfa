"""What a rule is: an id, its parameters with units, and one function for each thing it judges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from memory.brand import Brand
from memory.finding import Verdict
from memory.play import Fact, Offer
from memory.steps import Channel, Copy, Purpose
from policies.facts import MessageFacts, ProposalFacts

Stage = Literal["message", "proposal", "both"]


class Parameters(BaseModel):
    """Limits of one rule; every name carries its unit."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one rule says, before its id is added."""

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
class Wording:
    """One message's copy in one language, with the records that it may speak from."""

    copy: Copy
    language: str
    brand: Brand
    offer: Offer | None
    facts: tuple[Fact, ...]
    """Approved facts of this language that stay valid until the last send."""
    channel: Channel = "email"
    purpose: Purpose = "marketing"
    choices: tuple[str, ...] = ()
    """Labels of the choices that the message offers."""
    where: str = ""
    """Which message, for example "single/first (en)"."""

    def slots(self) -> list[tuple[str, str]]:
        """Every slot with its name, empty ones left out."""
        named = [("subject", self.copy.subject), ("preheader", self.copy.preheader), ("headline", self.copy.headline)]
        named += [(f"paragraph {number}", text) for number, text in enumerate(self.copy.body, start=1)]
        named.append(("button", self.copy.button))
        named += [(f"choice {number}", text) for number, text in enumerate(self.choices, start=1)]
        return [(name, text) for name, text in named if text]

    def approved_texts(self) -> list[str]:
        """The only words that may state numbers, offers and claims: approved facts, and the offer's own label."""
        texts = [fact.text for fact in self.facts]
        if self.offer and self.language in self.offer.labels:
            texts.append(self.offer.labels[self.language])
        return texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. No ruling at all means that it has nothing against it."""

    id: str
    parameters: type[Parameters]
    gate: Callable[[MessageFacts, Any, Context], Ruling | None] | None = None
    """Judges one message at the moment of its send."""
    review: Callable[[ProposalFacts, Any, Context], list[Ruling]] | None = None
    """Judges a whole proposal."""
    read: Callable[[Wording, Any], list[Ruling]] | None = None
    """Judges the copy of one message; part of the review of a proposal."""
    locked: bool = False
    """True for what must always hold: no pack may switch it off or make it advisory."""

    @property
    def stage(self) -> Stage:
        if self.gate and (self.review or self.read):
            return "both"
        return "message" if self.gate else "proposal"


def refuse(sentence: str, *, fact: str = "", limit: str = "", part: str = "") -> Ruling:
    """Never, whatever time brings: it would have to be another message or another play."""
    return Ruling(Verdict.REFUSE, sentence, fact, limit, part)


def hold(sentence: str, *, fact: str = "", limit: str = "", part: str = "", retry_at: datetime | None = None) -> Ruling:
    """Not now: time, better data or a person can release it."""
    return Ruling(Verdict.HOLD, sentence, fact, limit, part, retry_at)


def note(sentence: str, *, fact: str = "", limit: str = "", part: str = "") -> Ruling:
    """Go on, but people should know."""
    return Ruling(Verdict.ALLOW, sentence, fact, limit, part)
