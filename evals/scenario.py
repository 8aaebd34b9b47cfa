"""A case of the suite: a small world, a brief, what is done, the end state wanted, and what must never happen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from memory.errors import InvalidInputError, NotFoundError
from memory.marked_yaml import complaints, read_yaml
from memory.play import Play
from memory.proposal import Audience
from memory.steps import Copy
from policies.pack import Pack

CASES = Path(__file__).parent / "cases"
BAD_MODELS = Literal["obeys", "down", "wrong_schema", "prose"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Buys(_Part):
    """A rhythm of orders: ``count`` of them, ``every_days`` apart, the newest ``last_days`` before the clock."""

    category: str = "coffee"
    count: int = Field(ge=1)
    every_days: int = Field(default=30, ge=1)
    last_days: int = Field(ge=0)
    cents: int = 2_000
    spread_days: int = Field(default=0, ge=0)
    """The first member ordered ``last_days`` ago, the next one a day earlier, and so on; then from the start again."""


class Group(_Part):
    """Contacts who are alike."""

    contacts: int = Field(ge=1)
    buys: tuple[Buys, ...] = ()
    language: str = "en"
    time_zone: str = "Europe/Paris"
    first_name: str = "Robin"
    notes: str = ""
    consent: Literal["granted", "withdrawn", ""] = "granted"
    proof: bool = True
    suppressed: str = ""
    """Reason under which the address is suppressed; empty for none."""
    sends_last_7_days: int = Field(default=0, ge=0)
    last_signal_days: int | None = None
    """Days since the last sign of life; by default the last order."""
    tracked: bool = True
    """False where nothing would have told of a sign of life."""
    messages_unanswered: int = Field(default=0, ge=0)
    next_category: str = ""
    """What these contacts are likely to discover next, as the world was made."""


class OfferRow(_Part):
    """A row of the offers table."""

    kind: Literal["percent", "amount", "free_shipping", "gift", "points"] = "percent"
    value: int = 1_000
    code: str = ""
    labels: dict[str, str]
    starts_days_ago: int = 1
    ends_in_days: int = 60
    approved_by: str = "marie"


class ProductRow(_Part):
    """What differs from a product that is named after its category."""

    name: str = ""
    cost_cents: int | None = None
    stock_units: int | None = None


class LessonRow(_Part):
    """What an earlier campaign taught, about the playbook's own segment unless another one is named."""

    playbook: str
    effect: float
    standard_error: float = 0.1
    verdict: Literal["works", "harms", "inconclusive"]
    contacts: int = 2_000
    days_ago: int = 60
    text: str = "An earlier campaign was measured."


class World(_Part):
    """Everything on record before the case begins."""

    groups: dict[str, Group] = Field(default_factory=dict)
    products: dict[str, ProductRow] = Field(default_factory=dict)
    """By category; a category that is bought has a product anyway."""
    offers: dict[str, OfferRow] = Field(default_factory=dict)
    facts: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Approved claims: id → language → text."""
    lessons: dict[str, LessonRow] = Field(default_factory=dict)
    banned_words: tuple[str, ...] = ()


class Desk(_Part):
    """How the workspace is set."""

    playbooks: tuple[str, ...] = ()
    """Only these; all that come with Noria when empty."""
    open_limit: int = 5
    programme_share: float = 0.0
    fallback_zone: str = "Europe/Paris"
    sandbox: bool = True
    critic: bool = False
    policy: dict[str, Any] = Field(default_factory=dict)
    """Rules of the base pack that are set otherwise."""


class Plan(_Part):
    """Plan for the brief."""

    do: Literal["plan"] = "plan"


class Answer(_Part):
    """Answer what the clarity gate asks."""

    do: Literal["answer"]
    answers: dict[str, str]


class Decide(_Part):
    """Say something about the proposal of a playbook, as it stands then."""

    do: Literal["approve", "reject", "ask", "edit"]
    playbook: str
    actor: str = "cli:marie"
    reason: str = ""
    changes: dict[str, Any] = Field(default_factory=dict)


class Work(_Part):
    """Let the worker work while time passes."""

    do: Literal["work"]
    days: int = Field(default=0, ge=0)
    every_hours: int = Field(default=12, ge=1)


class Switch(_Part):
    """Stop all sending, or allow it again."""

    do: Literal["stop", "resume"]


class Withdraw(_Part):
    """A group withdraws its consent."""

    do: Literal["withdraw"]
    group: str


class ChangeOffer(_Part):
    """An offer's record changes after it was approved in a play."""

    do: Literal["change_offer"]
    offer: str
    value: int


class Tamper(_Part):
    """Somebody with access to the store rewrites the copy of a campaign that was approved."""

    do: Literal["tamper"]
    playbook: str
    text: str


Step = Annotated[Plan | Answer | Decide | Work | Switch | Withdraw | ChangeOffer | Tamper, Field(discriminator="do")]


class Planted(_Part):
    """A spoiled (or harmless) variant of the first message of a proposal, for the guardian to judge."""

    playbook: str = "win_back"
    language: Literal["en", "fr"] = "en"
    slots: dict[Literal["subject", "preheader", "headline", "body", "button"], str] = Field(default_factory=dict)
    """Slot → text; ``body`` replaces every paragraph."""
    link: str = ""
    offer: dict[str, Any] = Field(default_factory=dict)
    """Values of the play's offer that are not those of its record."""
    holdout_share: float | None = None
    send_from_hour: int | None = None
    starts_in_days: int | None = None
    channel: Literal["email", "sms"] = "email"
    purpose: Literal["marketing", "transactional"] = "marketing"
    violates: tuple[str, ...] = ()
    """Rules of which at least one must object; empty for a harmless variant, to which none may."""

    def spoil(self, copy: Copy) -> Copy:
        """The copy with these slots."""
        values: dict[str, Any] = {name: text for name, text in self.slots.items() if name != "body"}
        if "body" in self.slots:
            values["body"] = (self.slots["body"],)
        return copy.model_copy(update=values)


class Judged(_Part):
    """Something that was once proposed, for the guardian to judge anew: a whole play, or a request."""

    play: Play | None = None
    audience: Audience | None = None
    at: AwareDatetime | None = None
    """When the play was proposed."""
    request: dict[Literal["message", "copy", "proposal"], dict[str, Any]] = Field(default_factory=dict)
    """One request, told as in the tests of a pack."""
    violates: tuple[str, ...] = Field(min_length=1)
    """Rules of which at least one must object; no other is listened to."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Judged:
        if (self.play is None) == (len(self.request) != 1) or (self.play is not None and self.at is None):
            raise ValueError("give a play with its moment, or one request")
        return self


class Numbers(_Part):
    """What a proposal must say in numbers; what is left out is not checked here."""

    selected: int | None = None
    reachable: int | None = None
    treated: int | None = None
    base_rate: float | None = None
    window_days: int | None = None
    """Within which the goal counts."""
    holdout_share: float | None = None
    provable: bool | None = None
    """Whether any lift at all can be proved."""
    value_kind: Literal["margin", "revenue"] | None = None
    forecast: Literal["higher", "lower"] | None = None
    """Than without its lessons."""
    people: int | None = None
    """How many must approve."""
    offer: str | None = None
    """Id of the offer it carries; "none" for none."""
    sequences: int | None = None


class Expect(_Part):
    """The end state wanted; what is left out is not checked."""

    proposed: tuple[str, ...] | None = None
    withheld: dict[str, str] = Field(default_factory=dict)
    """Playbook → words that the reason must contain."""
    questions: tuple[str, ...] | None = None
    status: dict[str, str] = Field(default_factory=dict)
    numbers: dict[str, Numbers] = Field(default_factory=dict)
    subtractions: dict[str, dict[str, int]] = Field(default_factory=dict)
    """Playbook → rule → contacts taken out by it."""
    held_by: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Playbook → rules that object to the proposal, and no others."""
    cleaning: str = ""
    """Words of the cleaning that would release a held play."""
    notes: dict[str, str] = Field(default_factory=dict)
    """Agent → words in the note of whoever did its part."""
    features: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Group → feature → value, of its first member."""
    states: dict[str, int] = Field(default_factory=dict)
    """State of messages → how many, exactly."""
    sent_to: dict[str, int] = Field(default_factory=dict)
    """Group → how many of it get at least one message, exactly."""
    refused: tuple[str, ...] | None = None
    """Codes of errors that steps ended in, in order."""
    subjects: dict[str, str] = Field(default_factory=dict)
    """Group → words in the subject of every mail to it."""


class Never(_Part):
    """What must never happen, beyond what never may in any case."""

    mail_to: tuple[str, ...] = ()
    """Groups."""
    words: tuple[str, ...] = ()
    """In any mail, or in any play that people are asked to approve."""


class Scenario(_Part):
    """One case of the suite."""

    name: str = ""
    title: str = Field(min_length=1)
    """One sentence about what the case shows."""
    clock: AwareDatetime = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
    world: World = World()
    desk: Desk = Desk()
    brief: dict[str, Any] = Field(default_factory=dict)
    """What differs from a brief that answers every question."""
    model: BAD_MODELS | None = None
    """A model that misbehaves, whichever provider is scored."""
    steps: tuple[Step, ...] = (Plan(),)
    planted: dict[str, Planted] = Field(default_factory=dict)
    judged: dict[str, Judged] = Field(default_factory=dict)
    expect: Expect = Expect()
    never: Never = Never()


def load_case(path: Path) -> Scenario:
    """Read one case. Raises InvalidInputError with the line and what is wrong."""
    marked = read_yaml(path.read_text(encoding="utf-8"), where=path.name)
    try:
        scenario = Scenario.model_validate({**marked.data, "name": path.stem})
    except ValidationError as error:
        first = complaints(error, marked)[0]
        raise InvalidInputError(
            first.what, where=f"{path.name}, line {first.line}", remedy="docs/evals.md describes a case."
        ) from error
    unknown = sorted(_groups_named(scenario) - set(scenario.world.groups))
    if unknown:
        raise InvalidInputError(f"There is no group {', '.join(unknown)} in this world.", where=path.name)
    return scenario


def load_cases(folder: Path = CASES, *, only: tuple[str, ...] = ()) -> list[Scenario]:
    """Every case of a folder by name, or those that are named. Raises NotFoundError for a name that is not there."""
    return chosen([load_case(path) for path in sorted(folder.glob("*.yaml"))], only)


def chosen(scenarios: Sequence[Scenario], only: Collection[str]) -> list[Scenario]:
    """The cases that are named; all where none is. Raises NotFoundError for a name that is not there."""
    names = [one.name for one in scenarios]
    if missing := sorted(set(only) - set(names)):
        raise NotFoundError(f"There is no case {', '.join(missing)}.", remedy=f"There are: {', '.join(names)}.")
    return [one for one in scenarios if not only or one.name in only]


def under(scenario: Scenario, pack: Pack) -> Scenario:
    """The case under a pack instead of the base pack; what the case sets itself still counts."""
    policy = {
        one.id: {"enabled": one.enabled, "severity": one.severity, "parameters": one.parameters.model_dump(mode="json")}
        for one in pack.rules
    }
    desk = scenario.desk.model_copy(update={"policy": {**policy, **scenario.desk.policy}})
    return scenario.model_copy(update={"desk": desk})


def _groups_named(scenario: Scenario) -> set[str]:
    steps = {step.group for step in scenario.steps if isinstance(step, Withdraw)}
    wanted = scenario.expect
    return {*steps, *scenario.never.mail_to, *wanted.features, *wanted.sent_to, *wanted.subjects}
