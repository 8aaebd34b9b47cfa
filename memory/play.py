"""A play: exactly what would happen. Its digest is what people approve and what every send is held against."""

from __future__ import annotations

from collections.abc import Sequence as Many
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from memory.bands import Bands, Shares, together
from memory.brand import Brand
from memory.canonical import digest
from memory.events import ORDER
from memory.sequence_check import defects
from memory.steps import OFF, EventName, Key, Language, PropertyFilter, SendStep, Sequence
from memory.trigger import EventTrigger, OnceTrigger, Reentry, Trigger

RecordKind = Literal["product", "category"]
_TAKEN: Final = frozenset({"holdout", "nobody"})


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Offer(_Frozen):
    """An approved offer as it stood when the play was made; checked against its record at each send."""

    offer_id: str
    kind: Literal["percent", "amount", "free_shipping", "gift", "points"]
    value: int = Field(ge=0)
    """Basis points for percent (1000 = 10 %), minor units for amount."""
    currency: str = ""
    code: str = ""
    """The one code for everybody; empty for an offer without a code, and for single-use codes."""
    single_use: bool = False
    """Each contact gets a code of their own, from the offer's pool."""
    labels: dict[Language, str]
    category: str = ""
    minimum_basket_cents: int = 0
    starts_at: AwareDatetime
    ends_at: AwareDatetime


class Fact(_Frozen):
    """A claim that copy may make in one language, approved by a named person."""

    fact_id: str
    language: Language
    text: str
    approved_by: str = ""
    valid_until: AwareDatetime | None = None


class Goal(_Frozen):
    """The event that counts as success, within days of entering."""

    event: EventName = ORDER
    category: str = ""
    """Only orders with a line of this category; empty for any."""
    where: tuple[PropertyFilter, ...] = ()
    """For an event other than an order: what its properties must say."""
    window_days: int = Field(ge=1, le=365)

    @property
    def noun(self) -> str:
        """What is counted, in the plural."""
        return "orders" if self.event == ORDER else f"{self.event} events"

    def within(self, window_days: int) -> Goal:
        """The same goal, to be reached in so many days."""
        return self.model_copy(update={"window_days": window_days})


class Schedule(_Frozen):
    """When messages may leave, in each contact's own time zone."""

    starts_at: AwareDatetime
    send_from_hour: int = Field(ge=0, le=23)
    send_until_hour: int = Field(ge=1, le=24)
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """0 is Monday."""
    fallback_zone: str
    """Used for contacts whose zone is unknown."""
    deadline_days: int = Field(default=7, ge=1, le=60)
    """A message that could not leave this long after it was due is suppressed, with the reason."""

    @model_validator(mode="after")
    def _window_is_open(self) -> Schedule:
        if self.send_from_hour >= self.send_until_hour:
            raise ValueError("the send window closes before it opens")
        return self


class Limits(_Frozen):
    """Limits that the play sets for itself, never looser than the policy pack."""

    recent_purchase_days: int = Field(default=0, ge=0)
    """Nobody who bought this recently (in the goal's category, if it names one)."""
    hibernation_exempt: bool = False
    """Win-back and sunset plays may write to contacts who show no sign of life, twice per lapse."""
    contacts_per_day: int | None = Field(default=None, ge=1)
    priority: int = Field(default=0, ge=0, le=9)
    """Before all campaigns of a lower one where messages compete for a contact's room."""
    nobody_share_max: float = Field(default=0.5, ge=0, le=1)
    """Up to this share of entering contacts may get nothing where messages are learnt to cost more than they bring."""


class Replacement(_Frozen):
    """Which version of a running campaign a play takes the place of, and what becomes of contacts in flight."""

    campaign_id: str
    version: int = Field(ge=1)
    in_flight: Literal["stay", "move", "leave"] = "stay"
    """They finish the version that they entered, go on in the new one where it has their step, or leave: it ends."""


class Play(_Frozen):
    """Everything an approval covers. Change any of it and the digest, so the approval, falls."""

    schema_version: Literal[1] = 1
    playbook: Key
    replaces: Replacement | None = None
    """For a change of a running campaign, or its end."""
    name: dict[Language, str]
    trigger: Trigger = Field(default_factory=OnceTrigger)
    reentry: Reentry = Field(default_factory=Reentry)
    audience: dict[str, Any]
    """The segment expression, as JSON of the closed grammar."""
    audience_sentence: str
    records: dict[RecordKind, str] = Field(default_factory=dict)
    """Feature that names, for each contact, the record its personal values are read from; fixed as it enters."""
    size_band: tuple[int, int]
    """How many contacts may enter; for a trigger, at most so many while it runs. Anything else voids the approval."""
    sequences: tuple[Sequence, ...] = Field(min_length=1)
    bands: Bands | None = Field(default=None, exclude_if=lambda bands: bands is None)
    """Which contacts may draw by shares of their own; none where all draw alike."""
    band_shares: Shares = Field(default=(), exclude_if=lambda shares: not shares)
    """By band, the shares that it starts with; empty where those are the same for all."""
    templates: dict[Key, str]
    """MJML source of each layout."""
    offer: Offer | None = None
    tiers: tuple[Offer, ...] = ()
    """Further offers for larger baskets: each contact gets that of the largest minimum which the open cart meets."""
    goal: Goal
    exits: tuple[Literal["goal", "consent_withdrawn", "suppressed"], ...] = (
        "goal",
        "consent_withdrawn",
        "suppressed",
    )
    schedule: Schedule
    holdout_share: float = Field(ge=0, lt=1)
    holdout_key: str = Field(default="", exclude_if=lambda key: not key)
    """Of a follow-up letter: the campaign that began its series, whose holdout it keeps; empty draws one of its own."""
    days_between: int | None = Field(default=None, ge=1, le=365, exclude_if=lambda days: days is None)
    """Of a letter after which another rhythm was approved: days to the next one, and between all that follow."""
    limits: Limits = Field(default_factory=Limits)
    brand: Brand
    topic: Annotated[str, StringConstraints(pattern=r"^([a-z0-9][a-z0-9_-]{0,62})?$")] = ""
    """What its messages are about, by the brand's list of topics; empty for a general one."""
    owner: str
    """Who answers for it."""
    review_days: int = Field(default=28, ge=1)
    policy_version: str

    @field_validator("trigger", mode="before")
    @classmethod
    def _trigger_by_name(cls, value: Any) -> Any:
        # Plays made before there were triggers say "once".
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _parts_fit(self) -> Play:
        if abs(sum(sequence.share for sequence in self.sequences) - 1) > 1e-9:
            raise ValueError("the shares of the sequences must add up to 1")
        if self.band_shares and len(self.band_shares) != (len(self.bands) if self.bands else 0):
            raise ValueError("shares by band need as many bands")
        for shares in self.band_shares:
            if shares.keys() != {one.key for one in self.sequences} or min(shares.values()) < 0:
                raise ValueError("the shares of a band must name every sequence, and none be below 0")
            if abs(sum(shares.values()) - 1) > 1e-9:
                raise ValueError("the shares of a band must add up to 1")
        for sequence in self.sequences:
            if sequence.key in _TAKEN:
                raise ValueError(f"no sequence may be called {sequence.key}: so are contacts called who get nothing")
            for step in sequence.steps:
                if isinstance(step, SendStep) and step.template and step.template not in self.templates:
                    raise ValueError(
                        f"step {step.key} uses the template {step.template}, which the play does not carry"
                    )
            for defect in defects(sequence):
                raise ValueError(f"sequence {sequence.key}, step {defect.step}: {defect.what}")
        if self.tiers and len({one.minimum_basket_cents for one in self.offers}) <= len(self.tiers):
            raise ValueError("tiers need an offer beside them, and each of all these a minimum basket of its own")
        if self.size_band[0] > self.size_band[1]:
            raise ValueError("the size band is upside down")
        if self.trigger.runs_days and self.limits.contacts_per_day is None:
            raise ValueError("a campaign with a trigger needs a limit of contacts per day")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of everything above."""
        return digest(self.model_dump(mode="json"))

    def drawing(self, shares: Shares, contacts: Many[int]) -> Play:
        """The same play where bands, of so many contacts each, draw by these shares."""
        of_all = together(shares, contacts)
        sequences = tuple(one.model_copy(update={"share": of_all[one.key]}) for one in self.sequences)
        return self.model_copy(update={"band_shares": shares, "sequences": sequences})

    @property
    def shares(self) -> Shares:
        """By band, the share of entering contacts who draw each sequence at the start."""
        alike = {one.key: one.share for one in self.sequences}
        return self.band_shares or (alike,) * (len(self.bands) if self.bands else 1)

    def ends_after(self, last_send_at: datetime) -> tuple[datetime, datetime]:
        """Until when the approval lasts, and when all is over, if the last message is due at that moment."""
        approved_until = last_send_at + timedelta(days=self.schedule.deadline_days)
        return approved_until, max(last_send_at + timedelta(days=self.goal.window_days), approved_until)

    @property
    def ends_campaign(self) -> bool:
        """Whether nothing is sent by it: it only brings a running campaign to its end."""
        return self.replaces is not None and self.replaces.in_flight == "leave"

    @property
    def reads_records(self) -> bool:
        """Whether personal values come from a product or a category, named by a feature or by the trigger's event."""
        named = isinstance(self.trigger, EventTrigger) and bool(self.trigger.records)
        return bool(self.records) or named or any(step.records for _, step in self.sends())

    @property
    def offers(self) -> tuple[Offer, ...]:
        """Every offer that some contact may get."""
        return self.tiers if self.offer is None else (self.offer, *self.tiers)

    def with_offer_for(self, basket_cents: int | None) -> Play:
        """The play as a contact with this open cart gets it: with the best tier whose minimum is met, or no offer.

        Without tiers everybody gets the one offer, and its minimum is for the shop to hold.
        """
        if not self.tiers:
            return self
        met = [one for one in self.offers if basket_cents is not None and one.minimum_basket_cents <= basket_cents]
        best = max(met, key=lambda one: one.minimum_basket_cents, default=None)
        return self.model_copy(update={"offer": best, "tiers": ()})

    def layouts(self) -> list[str]:
        """Names of the layouts that its messages use, sorted."""
        return sorted({step.template for _, step in self.sends() if step.template})

    def layout(self, step: SendStep) -> str:
        """The MJML source of a step's layout; empty where it has none."""
        return self.templates[step.template] if step.template else ""

    def send(self, sequence_key: str, step_key: str) -> SendStep | None:
        """The step that a row of the ledger carries out, or takes back; None where there is no such step."""
        wanted = (sequence_key, step_key.removesuffix(OFF))
        step = next((step for sequence, step in self.sends() if (sequence.key, step.key) == wanted), None)
        return step.taken_back() if step is not None and step_key.endswith(OFF) else step

    def sends(self) -> list[tuple[Sequence, SendStep]]:
        """Every send step with the sequence it belongs to."""
        return [(seq, step) for seq in self.sequences for step in seq.steps if isinstance(step, SendStep)]
