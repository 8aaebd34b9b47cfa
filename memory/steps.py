"""The steps of a sequence, as data: send, wait, branch, update, alert, exit."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from memory.crm_fields import made_up
from memory.errors import InvalidInputError
from memory.features.registry import REGISTRY
from memory.segments.grammar import parse

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
EventName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,63}$")]
Channel = Literal["email", "sms", "audience", "crm"]
REACHING: Final = ("email", "sms")
"""Channels on which the contact gets something."""
ConsentChannel = Literal["email", "sms", "audience"]
OFF: Final = "/off"
"""What follows the key of a step in the ledger where it is taken back."""
Purpose = Literal["marketing", "transactional"]
Plain = str | int | bool
LONGEST = timedelta(days=365)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Copy(_Frozen):
    """The text slots of one message in one language; personal values are `{{ bindings }}` filled from records.

    An e-mail has subject and headline; a text message is its body and nothing else.
    """

    subject: str = Field(default="", max_length=150)
    preheader: str = Field(default="", max_length=200)
    headline: str = Field(default="", max_length=150)
    body: tuple[str, ...] = Field(min_length=1)
    """Paragraphs."""
    button: str = Field(default="", max_length=60)


class PropertyFilter(_Frozen):
    """A condition on one property of an event: one of some values, a number of at least so much, or there at all."""

    property: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    one_of: tuple[Plain, ...] = ()
    at_least: int | None = None
    present: Literal[True] | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> PropertyFilter:
        if [bool(self.one_of), self.at_least is not None, self.present is not None].count(True) != 1:
            raise ValueError("give one of one_of, at_least and present")
        return self

    def accepts(self, properties: dict[str, Any]) -> bool:
        """Whether an event with these properties passes; one without the property does not."""
        value = properties.get(self.property)
        if self.at_least is not None:
            return isinstance(value, int | float) and not isinstance(value, bool) and value >= self.at_least
        if self.present:
            return value not in (None, "")
        return value in self.one_of


class EventPattern(_Frozen):
    """An event of one kind whose properties pass every filter."""

    event: EventName
    where: tuple[PropertyFilter, ...] = ()

    def accepts(self, kind: str, properties: dict[str, Any]) -> bool:
        """Whether an event is one of these."""
        return kind == self.event and all(one.accepts(properties) for one in self.where)


class InSegment(_Frozen):
    """True of a contact who is in a segment at that moment."""

    type: Literal["segment"] = "segment"
    expression: dict[str, Any]

    @field_validator("expression")
    @classmethod
    def _is_an_expression(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            parse(value)
        except InvalidInputError as error:
            raise ValueError(error.what.rstrip(".")) from error
        return value


class HasDone(EventPattern):
    """True of a contact who did this since entering; a click is the event ``click`` with its ``link``.

    Nobody in the holdout can click, so for them it is false unless something else told of it.
    """

    type: Literal["event"] = "event"


class HasAttribute(_Frozen):
    """True of a contact whose record says so: an attribute, or an answer that they gave about themselves."""

    type: Literal["attribute"] = "attribute"
    attribute: Key
    one_of: tuple[Plain, ...] = ()
    present: Literal[True] | None = None
    """Whatever it says, as long as it says something."""

    @model_validator(mode="after")
    def _asks_something(self) -> HasAttribute:
        if bool(self.one_of) == (self.present is not None):
            raise ValueError("give either one_of or present")
        return self

    def accepts(self, value: object) -> bool:
        """Whether the record says so; ``value`` is None where it says nothing."""
        return value not in (None, "") if self.present else value in self.one_of


class ShowsLife(_Frozen):
    """True of a contact who clicked, replied, came by or ordered, whatever it was."""

    type: Literal["signal"] = "signal"
    since: Literal["entry", "message"] = "entry"
    """Since entering, or since the campaign's last message left; before the first one since entering."""


class HasAgreed(_Frozen):
    """True of a contact who agreed to marketing on a channel and has an address for it."""

    type: Literal["consent"] = "consent"
    channel: ConsentChannel


Condition = Annotated[InSegment | HasDone | HasAttribute | ShowsLife | HasAgreed, Field(discriminator="type")]


class _Step(_Frozen):
    key: Key


class _Onward(_Step):
    next: Key | None = None
    """The step that follows; without it the one written below."""


class _Lasting(_Onward):
    days: int = Field(default=0, ge=0)
    hours: int = Field(default=0, ge=0)
    minutes: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _lasts(self) -> _Lasting:
        if not timedelta() < self.duration <= LONGEST:
            raise ValueError("a wait lasts from one minute to 365 days: give days, hours or minutes")
        return self

    @property
    def duration(self) -> timedelta:
        """Days, hours and minutes together."""
        return timedelta(days=self.days, hours=self.hours, minutes=self.minutes)


class Listing(_Frozen):
    """A named advertising audience, and whether the contact is put on it or taken off."""

    audience: Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,100}$")]
    """As the advertising platform, or whoever speaks to it, calls it."""
    action: Literal["add", "remove"] = "add"


class CrmField(_Frozen):
    """A field of the contact in the team's CRM, and what is written into it."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][\w.]{0,99}$")]
    """As the CRM, or whoever speaks to it, calls it."""
    value: Plain

    @model_validator(mode="after")
    def _makes_up_no_consent(self) -> CrmField:
        if why := made_up(self.name, self.value):
            raise ValueError(why)
        return self


class Choice(_Frozen):
    """One of several buttons of a message; whoever clicks it has said which one they want."""

    key: Key
    """The ``link`` of the click event that tells of it."""
    labels: dict[Language, Annotated[str, Field(min_length=1, max_length=60)]] = Field(min_length=1)
    link: str = "{{ links.shop }}"
    """Where it leads: a link binding."""


class SendStep(_Onward):
    """Send one message on a channel: a letter, a text message, or a line to an advertising audience or to the CRM."""

    kind: Literal["send"] = "send"
    channel: Channel = "email"
    purpose: Purpose = "marketing"
    template: Key | Literal[""] = ""
    """Name of an e-mail's layout in the play's templates."""
    copies: dict[Language, Copy] = Field(default_factory=dict)
    """None for an audience, which gets a hashed address and no word, and none for a CRM."""
    link: str = "{{ links.shop }}"
    """Where an e-mail's button leads: a link binding, never an address written by a model."""
    listing: Listing | None = None
    """For the channel "audience": which one."""
    crm_field: CrmField | None = None
    """For the channel "crm": which field of the contact, and what is written into it."""
    choices: tuple[Choice, ...] = Field(default=(), max_length=5)
    """Buttons of an e-mail to choose between, beside that one."""
    records: dict[Literal["product", "category"], str] = Field(default_factory=dict)
    """Feature that names the record of this message, read as the contact comes to it, in place of the play's."""

    unbought_days: int = Field(default=0, ge=0, le=365)
    """A record that the contact bought within so many days, or anything of its category, counts as missing."""

    @field_validator("records")
    @classmethod
    def _features_name_records(cls, value: dict[str, str]) -> dict[str, str]:
        for feature in value.values():
            if feature not in REGISTRY or REGISTRY[feature].kind != "text":
                raise ValueError(f"{feature} is no feature that names a record")
        return value

    @model_validator(mode="after")
    def _fits_its_channel(self) -> SendStep:
        if (self.channel == "audience") != (self.listing is not None):
            raise ValueError("a step on the channel audience, and no other, names its listing")
        if (self.channel == "crm") != (self.crm_field is not None):
            raise ValueError("a step on the channel crm, and no other, names its crm_field")
        if bool(self.copies) != self.reaches_contact:
            raise ValueError("an e-mail and a text message have copies, an audience and a CRM have none")
        if bool(self.template) != (self.channel == "email"):
            raise ValueError("an e-mail, and nothing else, has a template")
        for language, copy in self.copies.items():
            if self.channel == "email" and not (copy.subject and copy.headline):
                raise ValueError(f"the e-mail in “{language}” needs a subject and a headline")
            if self.channel == "sms" and (copy.subject or copy.preheader or copy.headline or copy.button):
                raise ValueError(f"the text message in “{language}” is its body; leave out every other slot")
        return self

    def with_copies(self, copies: dict[Language, Copy]) -> SendStep:
        """The same step with other words. Raises ValidationError for slots that its channel does not have."""
        return SendStep.model_validate({**self.model_dump(), "copies": copies})

    @property
    def reaches_contact(self) -> bool:
        """Whether the contact gets a message; an audience and a CRM are told of them behind their back."""
        return self.channel in REACHING

    def taken_back(self) -> SendStep:
        """The step by which somebody who was put on its audience is taken off it again."""
        assert self.listing is not None
        listing = self.listing.model_copy(update={"action": "remove"})
        return self.model_copy(update={"key": self.key + OFF, "purpose": "transactional", "listing": listing})

    @property
    def takes_off(self) -> bool:
        """Whether it only takes the contact off an audience."""
        return self.listing is not None and self.listing.action == "remove"

    @property
    def needs_no_leave(self) -> bool:
        """Whether nobody need have agreed: it takes the contact off an audience, or writes to the team's own CRM."""
        return self.takes_off or self.channel == "crm"

    @model_validator(mode="after")
    def _choices_differ_and_are_written(self) -> SendStep:
        if self.choices and self.channel != "email":
            raise ValueError("an e-mail, and nothing else, offers choices")
        keys = [choice.key for choice in self.choices]
        if len(keys) != len(set(keys)):
            raise ValueError("two choices have the same key, so nobody could tell which was clicked")
        for choice in self.choices:
            if lacking := sorted(set(self.copies) - set(choice.labels)):
                raise ValueError(f"the choice {choice.key} has no label in {', '.join(lacking)}")
        return self

    def labels(self, language: str) -> tuple[str, ...]:
        """What the choices say in one language."""
        return tuple(choice.labels[language] for choice in self.choices)

    @property
    def links(self) -> tuple[str, ...]:
        """Where the button and the choices lead."""
        return (self.link, *(choice.link for choice in self.choices))


class WaitStep(_Lasting):
    """Wait so long before the next step."""

    kind: Literal["wait"] = "wait"


class WaitWindowStep(_Onward):
    """Wait until a time of day, on some days of the week, in the contact's own time zone."""

    kind: Literal["wait_window"] = "wait_window"
    from_hour: int = Field(ge=0, le=23)
    until_hour: int = Field(ge=1, le=24)
    weekdays: tuple[Annotated[int, Field(ge=0, le=6)], ...] = (0, 1, 2, 3, 4, 5, 6)
    """0 is Monday."""
    at: Literal["favourite_hour"] | None = None
    """The feature that names the contact's own hour: within the window the hour nearest to it, any if it is unknown."""
    explored: float = Field(default=0.0, ge=0, le=0.5)
    """Share of those with an own hour who get another one of the window, drawn evenly, so that it is learnt from."""
    day: Literal["favourite_weekday"] | None = None
    """The feature that names the contact's own weekday: of ``weekdays`` that one or the next, any if it is unknown."""
    explored_days: float = Field(default=0.0, ge=0, le=0.5)
    """Share of those with an own weekday who get another one of ``weekdays``, drawn evenly."""

    @model_validator(mode="after")
    def _opens(self) -> WaitWindowStep:
        if self.from_hour >= self.until_hour:
            raise ValueError("the window closes before it opens")
        if not self.weekdays:
            raise ValueError("name at least one day of the week")
        if self.explored and self.at is None:
            raise ValueError("only beside the contact's own hour (at) can other hours be explored")
        if self.day and len(set(self.weekdays)) < 2:
            raise ValueError("the contact's own weekday (day) takes several weekdays to choose from")
        if self.explored_days and self.day is None:
            raise ValueError("only beside the contact's own weekday (day) can other weekdays be explored")
        return self


class WaitEventStep(_Lasting, EventPattern):
    """Wait until the contact does something, but no longer than the days, hours and minutes."""

    kind: Literal["wait_event"] = "wait_event"


class BranchStep(_Step):
    """Go one way or the other."""

    kind: Literal["branch"] = "branch"
    condition: Condition
    then: Key
    otherwise: Key


class UpdateStep(_Onward):
    """Write a fixed value into an attribute of the contact."""

    kind: Literal["update"] = "update"
    attribute: Key
    value: Plain


class AlertStep(_Onward):
    """Give a person something to do about this contact."""

    kind: Literal["alert"] = "alert"
    task: dict[Language, Annotated[str, Field(min_length=1, max_length=500)]] = Field(min_length=1)


class ExitStep(_Step):
    """Leave the campaign."""

    kind: Literal["exit"] = "exit"
    reason: Key = "completed"


Step = Annotated[
    SendStep | WaitStep | WaitWindowStep | WaitEventStep | BranchStep | UpdateStep | AlertStep | ExitStep,
    Field(discriminator="kind"),
]


class Sequence(_Frozen):
    """One variant: an ordered set of steps, and the share of entering contacts that may draw it."""

    key: Key
    title: str
    steps: tuple[Step, ...] = Field(min_length=1)
    share: float = Field(gt=0, le=1)
    share_range: tuple[float, float] = (0.0, 1.0)
    """Within this range the share may move without a new approval."""

    def step(self, key: str) -> Step | None:
        """The step of that name, if there is one."""
        return next((one for one in self.steps if one.key == key), None)

    def followers(self, key: str) -> tuple[str | None, ...]:
        """The steps that can come after one; None stands for the end of the list."""
        step = self.step(key)
        if step is None or isinstance(step, ExitStep):
            return ()
        if isinstance(step, BranchStep):
            return (step.then, step.otherwise)
        if step.next is not None:
            return (step.next,)
        place = self.steps.index(step) + 1
        return (self.steps[place].key if place < len(self.steps) else None,)
