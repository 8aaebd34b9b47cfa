"""What a playbook holds: a known play as data, which the agents choose, size, tailor and test."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from memory.bands import Bands
from memory.errors import ConflictError, InvalidInputError
from memory.floors import Floors
from memory.play import Goal, Limits, Offer, RecordKind
from memory.segments.grammar import json_schema as expression_schema
from memory.segments.grammar import parse
from memory.sequence_fit import fit, shape
from memory.slots import layout_needs, parse_slot
from memory.steps import Copy, Key, Language, SendStep, Sequence
from memory.trigger import OnceTrigger, Reentry, Trigger

OfferKind = Literal["percent", "amount", "free_shipping", "gift", "points"]
Lever = Literal["creative_angle", "offer", "cadence", "delay", "channel", "hour"]
Exit = Literal["goal", "consent_withdrawn", "suppressed"]
Text = Annotated[str, Field(min_length=1)]
Words = dict[Language, Text]

NUMBER: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
"""A number in a "why now" sentence."""
MOST_SEQUENCES: Final = 8
"""Of a playbook: more than lists of some thousand contacts can tell apart in a year."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OfferPolicy(_Part):
    """Whether the play speaks of an offer, and which kinds may serve."""

    use: Literal["none", "optional", "required"] = "none"
    kinds: tuple[OfferKind, ...] = ()

    @model_validator(mode="after")
    def _kinds_fit(self) -> OfferPolicy:
        if (self.use == "none") != (not self.kinds):
            raise ValueError("name the kinds of offer that may serve, and none where no offer is used")
        return self

    def allows(self, offer: Offer) -> bool:
        return offer.kind in self.kinds


class Prior(_Part):
    """What is expected of the whole play before this record has taught anything, against a holdout."""

    mean: float = Field(ge=-1, le=0.3)
    """On log-odds of reaching the goal. Above 0.3 no public test supports a start from nothing."""
    sd: float = Field(gt=0, le=1)
    source: Text


class Playbook(_Part):
    """One known play: what starts it, whom it is for, what it says, and how it is judged."""

    schema_version: Literal[1] = 1
    id: Key
    version: int = Field(ge=1)
    name: Words
    signal: Words
    """What happens in a customer relationship that makes the play fit, as one sentence."""
    why_now: Words
    """Why it should happen now; may name the numbers of WHY_NOW_FACTS."""
    segment: dict[str, Any]
    """Whom it is for: an expression of the segment grammar."""
    records: dict[RecordKind, str] = Field(default_factory=dict)
    """Feature that names, for each contact, the product or category that the copy speaks of."""
    trigger: Trigger = Field(default_factory=OnceTrigger)
    """What lets contacts of the segment in."""
    reentry: Reentry = Field(default_factory=Reentry)
    goal: Goal
    offer: OfferPolicy = Field(default_factory=OfferPolicy)
    topic: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_-]{0,62})?$")] = ""
    """What its messages are about, by the brand's list of topics; empty for a general play."""
    lever: Lever
    """What the sequences vary, and under which its effect is remembered."""
    levels: dict[Key, Text]
    """Level of the lever for each sequence."""
    prior: Prior
    holdout_share: float = Field(default=0.1, ge=0, le=0.5)
    days_between: int | None = Field(default=None, ge=1, le=365)
    """Days from one letter to the next of a play that begins once; the goal's window where none are named."""
    rhythms: tuple[Annotated[int, Field(ge=1, le=365)], ...] = ()
    """Days between letters that may be proposed in the place of ``days_between``, which is one of them, by what the
    letters so far added; none where the rhythm stays as it is."""
    bands: Bands | None = None
    """Contacts who may be told apart where it is learnt which sequence is best; none where one is best for all."""
    requires: Floors = Field(default_factory=dict)
    """Smallest value of each data-quality measure; with a poorer record the play waits."""
    limits: Limits = Field(default_factory=Limits)
    exits: tuple[Exit, ...]
    review_days: int = Field(default=28, ge=1)
    sequences: tuple[Sequence, ...] = Field(min_length=1, max_length=MOST_SEQUENCES)
    templates: dict[Key, str] = Field(default_factory=dict)
    """MJML source of each layout, read from the files beside the playbook."""

    @model_validator(mode="after")
    def _rhythm_is_one_of_them(self) -> Playbook:
        if self.rhythms and (self.days_between not in self.rhythms or list(self.rhythms) != sorted(set(self.rhythms))):
            raise ValueError("name the rhythms from the shortest on, each once, and days_between among them")
        return self

    @field_validator("segment")
    @classmethod
    def _segment_is_an_expression(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            parse(value)
        except InvalidInputError as error:
            raise ValueError(error.what.rstrip(".")) from error
        return value

    def tellings(self, offer: Offer | None, channels: Collection[str]) -> tuple[Sequence, ...]:
        """The sequences that can run with this offer, or without one, on these channels; their shares add up to 1.

        Messages on other channels are left out; so is a sequence that has nothing else, or now does what another does.
        """
        usable = [sequence for sequence in self.sequences if offer is not None or not self.needs_offer(sequence)]
        usable = _on(channels, usable)
        if not usable:
            raise ConflictError(
                "This play needs an offer, and none was given.",
                where=f"playbook {self.id}",
                remedy=f"Approve an offer of the kind {' or '.join(self.offer.kinds)}.",
            )
        total = sum(sequence.share for sequence in usable)
        return tuple(sequence.model_copy(update={"share": sequence.share / total}) for sequence in usable)

    def needs_offer(self, sequence: Sequence) -> bool:
        """Whether a message of the sequence cannot be written without an offer, by its copy or its layout."""
        return any(name.startswith("offer.") for step in sends_of(sequence) for name in self.needed(step))

    def needed(self, step: SendStep) -> set[str]:
        """Bindings without which a message cannot leave. Raises SlotError."""
        found = {name for text in slots_of(step).values() for name in parse_slot(text).needed}
        return found | set(layout_needs(self.templates[step.template] if step.template else ""))

    def why(self, language: str, facts: Mapping[str, str]) -> str:
        """The "why now" sentence with its numbers; a number that is not given stands as a dash."""
        words = self.why_now.get(language, self.why_now["en"])
        return NUMBER.sub(lambda match: facts.get(match[1], "–"), words)

    def layouts(self) -> list[str]:
        """Names of the layouts that its messages use, sorted."""
        return sorted({step.template for step in self.sends() if step.template})

    def sends(self) -> list[SendStep]:
        """Every message of every sequence."""
        return [step for sequence in self.sequences for step in sends_of(sequence)]


def _on(channels: Collection[str], sequences: list[Sequence]) -> list[Sequence]:
    """The sequences as they run on these channels; as they are where none could run, so that the guardian says why."""
    served = [one for one in sequences if any(step.channel in channels for step in sends_of(one))]
    fitted = {one.key: fit(one, channels) for one in served}
    shapes = [shape(one) for one in served if fitted[one.key] is one]
    kept = []
    for one in served:
        if fitted[one.key] is not one:
            if shape(fitted[one.key]) in shapes:
                continue
            shapes.append(shape(fitted[one.key]))
        kept.append(fitted[one.key])
    return kept or sequences


def sends_of(sequence: Sequence) -> list[SendStep]:
    """The messages of one sequence."""
    return [step for step in sequence.steps if isinstance(step, SendStep)]


def slots_of(step: SendStep) -> dict[str, str]:
    """Every text of a message by its place, for example `copies.en.subject`; empty ones are left out."""
    found = {"link": step.link}
    for index, choice in enumerate(step.choices):
        found[f"choices.{index}.link"] = choice.link
        found |= {f"choices.{index}.labels.{language}": label for language, label in choice.labels.items()}
    for language, copy in step.copies.items():
        found |= {f"copies.{language}.{slot}": text for slot, text in copy_slots(copy).items()}
    return found


def copy_slots(copy: Copy) -> dict[str, str]:
    """The texts of one copy by slot, paragraphs as `body.0`, `body.1`, …; empty ones are left out."""
    slots = {name: getattr(copy, name) for name in ("subject", "preheader", "headline", "button")}
    paragraphs = {f"body.{index}": paragraph for index, paragraph in enumerate(copy.body)}
    return {name: text for name, text in (slots | paragraphs).items() if text}


def json_schema() -> dict[str, Any]:
    """The JSON schema of a playbook file."""
    schema = Playbook.model_json_schema()
    # Layouts are files of their own, and the segment has a grammar of its own.
    del schema["properties"]["templates"]
    segment = expression_schema()
    schema["$defs"] |= segment.pop("$defs")
    schema["properties"]["segment"] = segment
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Noria playbook"
    return schema
