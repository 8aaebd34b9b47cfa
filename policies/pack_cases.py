"""The tests of a policy pack, as data beside it: a request, the verdict that its rule must give, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, Literal, get_type_hints
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from memory.errors import InvalidInputError
from memory.finding import Finding, Verdict, strongest
from memory.marked_yaml import Marked, complaints, read_yaml
from memory.play import Fact, Offer, Play
from memory.proposal import Audience
from memory.standing import Standing
from memory.steps import Copy
from policies import sample
from policies.approval import approvals_needed
from policies.facts import NEVER, ApprovalFacts, MessageFacts, OfferFacts, ProposalFacts
from policies.guardian import gate_message, read_copy, review_proposal
from policies.pack import Pack
from policies.pack_document import suggest
from policies.rule import Rule, Wording
from policies.rules import RULES

_RELATIVE: Final = re.compile(r"(in )?(\d+(?:\.\d+)?) (minute|hour|day)s?( ago)?")
_LOCAL: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d)(?: (\w+/\w+|UTC))?")
_COPY: Final = ("language", "channel", "purpose", "facts", "offer", "choices", *Copy.model_fields)
_OF_A_PLAY: Final = ("messages", "days_apart", "step", "markup")
"""Short for a whole sequence: so many messages so many days apart, each with these changes; and more in the layout."""


class Case(BaseModel):
    """One test: a sample request with some facts changed, and what one rule must say to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    title: str = Field(min_length=1)
    message: dict[str, Any] | None = None
    """Facts of a message; what is not named has nothing against it."""
    proposal: dict[str, Any] | None = None
    """Facts of a proposal; below ``play``, parts of the play."""
    wording: dict[str, Any] | None = Field(default=None, alias="copy")
    """Slots of a message's copy, its language, and the offer and facts that it may speak from."""
    verdict: Verdict
    reason: str = ""
    """Words that must stand in what the rule says."""
    people: int | None = Field(default=None, ge=0, le=2)
    """How many must say yes to the proposal; only for the rule ``approval``. 0 where it may go alone at ``auto``, which
    1 leaves open."""

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Case:
        if self.rule not in RULES:
            raise ValueError(f"there is no rule {self.rule}. {suggest(self.rule, tuple(RULES))}")
        if len(self.asked) != 1:
            raise ValueError("give one of message, proposal and copy")
        if (self.people is not None) != (self.rule == "approval" and self.proposal is not None):
            raise ValueError("people goes with a proposal, and the rule approval")
        if self.people is None and self.asked[0] not in judged_by(RULES[self.rule]):
            raise ValueError(f"the rule {self.rule} judges {' and '.join(judged_by(RULES[self.rule]))}")
        return self

    @property
    def objects(self) -> bool:
        """Whether the rule has something against the request; an advisory one says so, and allows."""
        return self.verdict is not Verdict.ALLOW or "advice" in self.reason.casefold()

    @property
    def asked(self) -> list[Literal["message", "proposal", "copy"]]:
        """What kinds of request it names."""
        kinds: list[Literal["message", "proposal", "copy"]] = []
        kinds += ["message"] if self.message is not None else []
        kinds += ["proposal"] if self.proposal is not None else []
        kinds += ["copy"] if self.wording is not None else []
        return kinds


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1]
    tests: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one test."""

    case: Case
    where: str
    """File and line."""
    verdict: Verdict
    said: tuple[str, ...]
    """What the rule said, each finding in one line."""
    people: int | None = None

    @property
    def passed(self) -> bool:
        case, words = self.case, self.case.reason.casefold()
        return (
            self.verdict is case.verdict
            and self.people == case.people
            and (not words or any(words in one.casefold() for one in self.said))
        )


@dataclass(frozen=True, slots=True)
class Cases:
    """The tests in one file."""

    cases: tuple[Case, ...]
    file: str
    marked: Marked

    def run(self, pack: Pack) -> list[Tried]:
        """Ask the pack each of them. Raises InvalidInputError for facts that do not exist."""
        return [self._try(number, case, pack) for number, case in enumerate(self.cases)]

    def unpaired(self, rule_ids: list[str]) -> list[str]:
        """Those of the rules that lack a test which they allow, or one which they do not."""
        seen = {(case.rule, not case.objects) for case in self.cases}
        return [one for one in rule_ids if not {(one, True), (one, False)} <= seen]

    def _try(self, number: int, case: Case, pack: Pack) -> Tried:
        where = f"{self.file}, line {self.marked.line(('tests', number))}"
        try:
            if case.people is not None:
                needed = approvals_needed(_proposal(case.proposal or {}), pack)
                if case.people == 0:
                    people = 0 if needed.may_go_alone else needed.people
                    return Tried(case, where, Verdict.ALLOW, needed.asks_because, people)
                return Tried(case, where, Verdict.ALLOW, needed.reasons, needed.people)
            findings = ask(case, pack)
        except (ValueError, TypeError) as error:
            what = _first(error) if isinstance(error, ValidationError) else str(error)
            raise InvalidInputError(
                f"The test “{case.title}” cannot be asked: {what}",
                where=where,
                remedy="docs/policies.md lists what a test may say.",
            ) from error
        mine = [finding for finding in findings if finding.rule == case.rule]
        return Tried(case, where, strongest(mine), tuple(told(finding) for finding in mine))


def read_cases(text: str, *, where: str) -> Cases:
    """Read the tests of a pack. Raises InvalidInputError naming file, line and remedy."""
    marked = read_yaml(text, where=where)
    try:
        found = _File.model_validate(marked.data)
    except ValidationError as error:
        first = complaints(error, marked)[0]
        raise InvalidInputError(
            first.what, where=f"{where}, line {first.line}", remedy="docs/policies.md shows how a test is written."
        ) from error
    return Cases(found.tests, where, marked)


def judged_by(rule: Rule) -> list[Literal["message", "proposal", "copy"]]:
    """What a rule can be asked about."""
    kinds: list[Literal["message", "proposal", "copy"]] = []
    kinds += ["message"] if rule.gate else []
    kinds += ["proposal"] if rule.review else []
    kinds += ["copy"] if rule.read else []
    return kinds


def told(finding: Finding) -> str:
    """A finding in one line: what it says, what was found, and what is allowed."""
    facts = "; ".join(part for part in (finding.fact, finding.limit and f"allowed: {finding.limit}") if part)
    return f"{finding.sentence} ({facts})" if facts else finding.sentence


def ask(case: Case, pack: Pack) -> tuple[Finding, ...]:
    """Everything that a pack finds in the request of a test."""
    if case.message is not None:
        return gate_message(_message(case.message, pack), pack).findings
    if case.proposal is not None:
        return review_proposal(_proposal(case.proposal), pack).findings
    return read_copy(_wording(case.wording or {}), pack).findings


def _message(asked: Mapping[str, Any], pack: Pack) -> MessageFacts:
    kinds = _hints(MessageFacts)
    _known(asked, tuple(kinds))
    base = sample.message(pack.version)
    changes: dict[str, Any] = {}
    for name, value in asked.items():
        if name == "approval" and isinstance(value, dict):
            own = {key: getattr(base.approval, key) for key in _hints(ApprovalFacts)}
            changes[name] = ApprovalFacts(**{**own, **{key: _dated(one) for key, one in value.items()}})
        elif name == "standing" and isinstance(value, dict):
            changes[name] = _standing(value)
        elif name == "offer" and isinstance(value, dict):
            planned = _offer(value.get("planned", {}))
            recorded = _offer(value["recorded"]) if value.get("recorded") is not None else None
            changes[name] = OfferFacts(
                planned=planned,
                recorded=recorded if "recorded" in value else planned,
                pool_empty=bool(value.get("pool_empty")),
            )
        else:
            changes[name] = _typed(kinds[name], _dated(value))
    return sample.message(pack.version, **changes)


def _proposal(asked: Mapping[str, Any]) -> ProposalFacts:
    kinds = _hints(ProposalFacts)
    _known(asked, tuple(kinds))
    changes: dict[str, Any] = {}
    for name, value in asked.items():
        if name == "play":
            changes[name] = _play(value)
        elif name == "offers":
            changes[name] = tuple(_offer(one) for one in value)
        elif name == "standings":
            changes[name] = tuple(_standing(one) for one in value)
        elif name == "audience" and isinstance(value, dict):
            reachable = value.get("reachable", 0)
            changes[name] = Audience(**{"selected": reachable, "holdout": 0, "treated": reachable, **value})
        elif name == "approved_facts":
            changes[name] = tuple(_fact(text, "en") for text in value)
        else:
            changes[name] = _typed(kinds[name], _dated(value))
    return sample.proposal(**changes)


def _standing(asked: dict[str, Any]) -> Standing:
    _known(asked, tuple(_hints(Standing)))
    return Standing(**{name: _dated(value) for name, value in asked.items()})


def _play(asked: dict[str, Any]) -> Play:
    _known(asked, (*_OF_A_PLAY, *Play.model_fields))
    parts = {name: value for name, value in asked.items() if name not in _OF_A_PLAY}
    whole = _merged(sample.play().model_dump(mode="json"), _dated_json(parts))
    # A segment is told whole: parts of two make none.
    whole["audience"] = asked.get("audience", whole["audience"])
    if "offer" in asked:
        whole["offer"] = _offer(asked["offer"]).model_dump(mode="json")
    if "tiers" in asked:
        whole["tiers"] = [_offer(one).model_dump(mode="json") for one in asked["tiers"]]
    if {"messages", "days_apart", "step"} & asked.keys():
        sequence = sample.sequence(
            asked.get("messages", 1), days_apart=asked.get("days_apart", 1), **_step(asked.get("step", {}))
        )
        whole["sequences"] = [sequence.model_dump(mode="json")]
    whole["templates"]["letter"] += asked.get("markup", "")
    return Play.model_validate(whole)


def _step(asked: dict[str, Any]) -> dict[str, Any]:
    """Changes of a message; a text message or an audience has no layout."""
    plain = {"template": ""} if asked.get("channel", "email") != "email" else {}
    return {**plain, **asked}


def _wording(asked: dict[str, Any]) -> Wording:
    _known(asked, _COPY)
    language = asked.get("language", "en")
    if language not in sample.COPIES:
        return sample.wording("en", **{**_slots(asked), "language": language})
    return sample.wording(language, **{name: value for name, value in _slots(asked).items() if name != "language"})


def _slots(asked: dict[str, Any]) -> dict[str, Any]:
    changes = dict(asked)
    if "body" in asked:
        changes["body"] = (asked["body"],) if isinstance(asked["body"], str) else tuple(asked["body"])
    if "choices" in asked:
        changes["choices"] = tuple(asked["choices"])
    if "facts" in asked:
        changes["facts"] = tuple(_fact(text, asked.get("language", "en")) for text in asked["facts"])
    if asked.get("offer") is not None:
        changes["offer"] = _offer(asked["offer"])
    if asked.get("channel") == "sms":
        changes = {"subject": "", "headline": "", "button": "", **changes}
    return changes


def _offer(changes: dict[str, Any]) -> Offer:
    return Offer.model_validate({**sample.OFFER.model_dump(), **{name: _dated(one) for name, one in changes.items()}})


def _fact(text: str, language: str) -> Fact:
    return Fact(fact_id="said", language=language, text=text, approved_by="marie")


def _merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {name: _merged(below.get(name), above.get(name, below.get(name))) for name in {**below, **above}}
    return above


def _dated(value: Any) -> Any:
    """A value in which moments may be told from the sample's now: "3 days ago", "in 2 hours", "now", "never"."""
    if isinstance(value, list):
        return [_dated(one) for one in value]
    if isinstance(value, dict):
        return {name: _dated(one) for name, one in value.items()}
    if not isinstance(value, str):
        return value
    if value in ("now", "never"):
        return sample.NOW if value == "now" else NEVER
    if (match := _RELATIVE.fullmatch(value)) and bool(match[1]) != bool(match[4]):
        span = timedelta(**{f"{match[3]}s": float(match[2])})
        return sample.NOW + span if match[1] else sample.NOW - span
    if match := _LOCAL.fullmatch(value):
        return datetime.fromisoformat(match[1]).replace(tzinfo=ZoneInfo(match[2] or str(sample.ZONE)))
    return value


def _dated_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _dated_json(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_dated_json(one) for one in value]
    moment = _dated(value)
    return moment.isoformat() if isinstance(moment, datetime) else value


def _tuples(value: Any) -> Any:
    """The value with tuples for lists, as YAML has no others."""
    if isinstance(value, list):
        return tuple(_tuples(one) for one in value)
    return {name: _tuples(one) for name, one in value.items()} if isinstance(value, dict) else value


def _typed(kind: Any, value: Any) -> Any:
    # Strict, so that "three" is an error and not a fact.
    return _adapter(kind).validate_python(_tuples(value), strict=True)


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True))


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _known(asked: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in asked:
        if name not in names:
            raise ValueError(f"there is no {name}. {suggest(name, names)}")


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in detail["loc"])
    return f"{where}: {detail['msg']}" if where else detail["msg"]
