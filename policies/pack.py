"""A policy pack: which rules run, with which limits, why, and from which source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, model_validator

from memory.canonical import digest
from policies.facts import MessageFacts
from policies.pack_document import OF_A_RULE, Document, PackError, load_document, strictly, suggest
from policies.rule import Context, Parameters, Rule, Ruling
from policies.rules import RULES
from policies.rules.frequency import FrequencyLimits

Severity = Literal["critical", "serious", "advisory"]
Gate = Callable[[MessageFacts, Any, Context], Ruling | None]
P = TypeVar("P", bound=Parameters)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sentence(_Frozen):
    """What a pack or a rule says, for people."""

    en: str = Field(min_length=1)
    fr: str = Field(min_length=1)


class RuleSetting(_Frozen):
    """One rule as a pack sets it."""

    id: str
    enabled: bool = True
    severity: Severity = "serious"
    """An advisory rule only remarks; it neither holds nor refuses."""
    sentence: Sentence
    source: str = Field(min_length=1)
    """The law, guideline or house decision that it comes from."""
    parameters: SerializeAsAny[Parameters]

    @model_validator(mode="after")
    def _keeps_what_must_hold(self) -> RuleSetting:
        rule = RULES.get(self.id)
        if rule is None:
            raise ValueError(f"there is no rule {self.id}")
        if type(self.parameters) is not rule.parameters:
            raise ValueError(f"these are not the parameters of {self.id}")
        if rule.locked and not (self.enabled and self.severity != "advisory"):
            raise ValueError(f"the rule {self.id} must always hold: it cannot be switched off or made advisory")
        return self


@dataclass(frozen=True, slots=True)
class Cap:
    """The frequency cap over all campaigns together."""

    messages: int
    window_days: int


class Pack(_Frozen):
    """All rules with their limits. Every verdict and approval names its version."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")
    sentence: Sentence
    rules: tuple[RuleSetting, ...]

    @model_validator(mode="after")
    def _names_every_rule_once(self) -> Pack:
        named = [setting.id for setting in self.rules]
        if sorted(named) != sorted(RULES):
            missing = sorted(set(RULES) - set(named))
            raise ValueError(f"every rule must be set exactly once; missing: {', '.join(missing) or 'none'}")
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Pack:
        """The pack with some parts set otherwise, checked again and with its own version."""
        return type(self)(**{**{name: getattr(self, name) for name in type(self).model_fields}, **(update or {})})

    @cached_property
    def version(self) -> str:
        """The name and a short digest of everything the pack says."""
        return f"{self.name}@{digest(self.model_dump(mode='json'))[:12]}"

    @cached_property
    def active(self) -> tuple[tuple[Rule, RuleSetting], ...]:
        """The rules that run, in the pack's order."""
        return tuple((RULES[setting.id], setting) for setting in self.rules if setting.enabled)

    @cached_property
    def gates(self) -> tuple[tuple[Gate, Parameters, RuleSetting], ...]:
        """What runs on each message, ready to call."""
        return tuple((rule.gate, setting.parameters, setting) for rule, setting in self.active if rule.gate)

    @cached_property
    def context(self) -> Context:
        """What rules are told of the pack itself."""
        return Context(self.version)

    @cached_property
    def cap(self) -> Cap:
        """Messages per contact in a rolling window; the store reserves its slots by it."""
        limits = self.limits("frequency", FrequencyLimits)
        return Cap(limits.messages, limits.window_days)

    def setting(self, rule_id: str) -> RuleSetting:
        """How the pack sets one rule; KeyError for an id that is no rule."""
        return {setting.id: setting for setting in self.rules}[rule_id]

    def limits(self, rule_id: str, kind: type[P]) -> P:
        """The parameters of one rule, as their own type."""
        found = self.setting(rule_id).parameters
        if not isinstance(found, kind):
            raise TypeError(f"{rule_id} has no {kind.__name__}")
        return found


def parse_pack(text: str, *, where: str, parents: Mapping[str, str] | None = None) -> Pack:
    """Read a pack from YAML text; `parents` are the texts of the packs that it may extend, by name.

    Raises PackError naming file, line and remedy for the first problem, and the lines of all others.
    """
    pack, document = read_pack(text, where=where, parents=parents)
    if pack is not None:
        return pack
    first, *others = document.sorted_problems()
    also = "".join(f"\n{other}" for other in others)
    raise PackError(first.what, where=f"{first.file}, line {first.line}", remedy=first.remedy + also)


def read_pack(text: str, *, where: str, parents: Mapping[str, str] | None = None) -> tuple[Pack | None, Document]:
    """Read a pack with the document it came from; None where the document holds problems."""
    document = load_document(text, where, parents or {})
    settings = _settings(document)
    if document.problems:
        return None, document
    try:
        value = document.value
        pack = Pack(name=value.get("name", ""), sentence=value.get("sentence"), rules=tuple(settings))
    except ValidationError as error:
        document.blame(error, ())
        return None, document
    return pack, document


def pack_schema() -> dict[str, Any]:
    """The JSON schema of a pack file; every limit carries its unit, bounds and default."""
    sentence = Sentence.model_json_schema()
    rules = {
        rule.id: {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "enabled": {"const": True} if rule.locked else {"type": "boolean"},
                "severity": {"enum": ["critical", "serious"] if rule.locked else ["critical", "serious", "advisory"]},
                "sentence": sentence,
                "source": {"type": "string", "minLength": 1},
                "parameters": rule.parameters.model_json_schema(),
            },
        }
        for rule in RULES.values()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Policy pack",
        "type": "object",
        "additionalProperties": False,
        "required": ["schema_version", "name"],
        "properties": {
            "schema_version": {"const": 1},
            "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,40}$"},
            "extends": {
                "description": "the pack that this one starts from, or several: then the strictest of each limit",
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
                ],
            },
            "sentence": sentence,
            "rules": {"type": "object", "additionalProperties": False, "properties": rules},
        },
    }


def _settings(document: Document) -> list[RuleSetting]:
    rules = document.value.get("rules", {})
    settings = []
    for rule_id, rule in RULES.items():
        path = ("rules", rule_id)
        if rule_id not in rules:
            if not document.problems:
                document.complain(
                    ("rules",),
                    f"The pack does not set the rule {rule_id}.",
                    "Add it, or start from a whole pack with `extends: base`.",
                )
            continue
        body = dict(rules[rule_id])
        unknown = [key for key in body if key not in OF_A_RULE]
        for key in unknown:
            document.complain((*path, key), f"The rule {rule_id} has no key {key}.", suggest(key, OF_A_RULE))
            del body[key]
        try:
            body["parameters"] = strictly(rule.parameters, body.get("parameters") or {})
        except ValidationError as error:
            document.blame(error, (*path, "parameters"))
            continue
        try:
            settings.append(RuleSetting.model_validate({**body, "id": rule_id}))
        except ValidationError as error:
            document.blame(error, path)
    return settings
