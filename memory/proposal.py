"""A proposal: a play with the evidence, forecast and findings by which people judge it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from memory.finding import Finding, Verdict, strongest
from memory.play import Play


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Brief(_Frozen):
    """What a person wants: passes the clarity gate only when every question has an answer."""

    brief_id: str
    metric: str = ""
    """The number to move, for example "repeat orders" or "margin"."""
    intention: str = ""
    horizon_days: int | None = None
    audience_hint: str = ""
    constraints: str = ""
    budget_cents: int | None = None
    owner: str = ""
    stop_rule: str = ""
    """What would make you stop it."""
    decision: str = ""
    """The decision that the numbers will steer."""
    author: str = ""


class Evidence(_Frozen):
    """One fact behind a proposal, with the look-up it came from."""

    lookup_id: str
    sentence: str
    value: float | int | str | None = None


class Subtraction(_Frozen):
    """Contacts taken out of the selection for one reason."""

    rule: str
    sentence: str
    contacts: int


class Audience(_Frozen):
    """The audience as a subtraction: selected, minus each reason, leaves who would get mail and who is held out."""

    selected: int
    subtractions: tuple[Subtraction, ...] = ()
    reachable: int
    holdout: int
    treated: int
    bands: tuple[int, ...] = ()
    """Of those reachable, how many are in each band, where the play tells some apart."""
    sample: tuple[int, ...] = ()
    """Ids of a few contacts who would get it."""


SMALLEST_RATE: Final = 0.0005
"""Taken where nobody reached the goal yet, which is not the same as nobody ever will."""


def is_known(base_rate: float) -> bool:
    """Whether anybody reached the goal without a campaign; else nobody can say what a message adds or proves."""
    return base_rate > SMALLEST_RATE


class Forecast(_Frozen):
    """What is expected before anything is sent; stored and never changed, scored afterwards."""

    metric: str = "orders"
    window_days: int
    base_rate: float
    """Share of contacts expected to reach the goal without the campaign."""
    effect_mean: float
    """On log-odds against the holdout."""
    effect_sd: float
    widened: float = 1.0
    """By what factor errors of earlier forecasts stretched effect_sd."""
    lowered: float = 0.0
    """By how much they lowered effect_mean."""
    incremental_mean: float
    """Additional contacts who reach the goal, among those treated."""
    incremental_quantiles: dict[str, float]
    """Keys "0.05", "0.25", "0.5", "0.75", "0.95"."""
    value_cents_mean: float
    """Additional contribution margin (revenue where no costs are known), net of discount, in minor units."""
    value_cents_quantiles: dict[str, float] = Field(default_factory=dict)
    value_kind: Literal["margin", "revenue"] = "revenue"
    currency: str = ""
    sentence: str = ""

    @property
    def has_rate(self) -> bool:
        """Whether anybody like these reached the goal before; without it nobody can say what a message adds."""
        return is_known(self.base_rate)


class DetectionLimit(_Frozen):
    """What this list can prove: the smallest lift the holdout would show."""

    relative_lift: float | None
    """None when no lift up to certainty could be seen, or nobody knows the rate that it would be added to."""
    absolute_lift: float | None
    holdout: int
    treated: int
    base_rate: float
    sentence: str


class LessonUse(_Frozen):
    """A lesson that was recalled, and how it moved the forecast."""

    lesson_id: str
    sentence: str
    effect_before: float
    effect_after: float
    weight: float


LADDER = "noria:autonomy"
"""Who says yes where a kind of action is at ``auto`` and nobody has to be asked; never one of two people."""


ROUND = "noria:round"
"""Who writes the changes of running campaigns that a weekly round proposes."""


class Pick(_Frozen):
    """Which sequence Noria would have taken when it proposed, written down before anything was sent."""

    chances: dict[str, float]
    """Chance of each sequence to be the best one, by what earlier campaigns taught; they add up to 1."""
    lesson_ids: tuple[str, ...]

    @property
    def ranked(self) -> tuple[str, ...]:
        """The pick, the runner-up, and the others."""
        return tuple(sorted(self.chances, key=lambda key: (-self.chances[key], key)))


class LeftOut(_Frozen):
    """A sequence or play that was considered and is no part of a proposal."""

    kind: Literal["sequence", "play"]
    key: str
    name: str
    why: str
    """One sentence."""


class Approvals(_Frozen):
    """Who must say yes, and why."""

    people: int = Field(ge=1)
    second_person: bool = False
    """True when the last editor may not be the only approver."""
    reasons: tuple[str, ...] = ()
    asks_because: tuple[str, ...] = ("Nobody said how far it may go alone.",)
    """Why a person has to say yes even where the kind of action is at ``auto``; empty when nobody has to."""

    @property
    def may_go_alone(self) -> bool:
        """Whether it lies inside the limits inside which a kind at ``auto`` asks nobody."""
        return self.people == 1 and not self.second_person and not self.asks_because


class Authorship(_Frozen):
    """Which provider did an agent's part, and why it was not the one asked for."""

    agent: Literal["analyst", "copywriter", "scheduler", "guardian"]
    provider: Literal["rules", "model"]
    note: str = ""


class ProposalStatus(StrEnum):
    """Where a proposal stands."""

    QUEUED = "queued"
    """Ranked, and waits until its operator has room."""
    OPEN = "open"
    ASKED = "asked"
    """Somebody asked a question; it waits for the answer."""
    APPROVED = "approved"
    LAUNCHING = "launching"
    LAUNCHED = "launched"
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOIDED = "voided"
    """What was approved is no longer what would happen."""
    FAILED = "failed"


class Proposal(_Frozen):
    """One version of a typed action that agents propose and people decide."""

    proposal_id: str
    version: int = 1
    thread_id: str
    brief_id: str | None = None
    kind: Literal["launch_campaign", "change_campaign", "retire_campaign"] = "launch_campaign"
    title: str
    summary: str
    """One sentence: what will happen, to how many, when, at what cost, and by when a decision is needed."""
    hypothesis: str
    why_now: str
    evidence: tuple[Evidence, ...]
    play: Play
    audience: Audience
    forecast: Forecast
    detection: DetectionLimit
    holdout_why: str = ""
    """Why so many are held out, and of a follow-up letter who they are."""
    shares_why: str = ""
    """By what the shares of the sequences were set, where they are not the playbook's."""
    findings: tuple[Finding, ...] = ()
    approvals: Approvals = Approvals(people=1)
    lessons: tuple[LessonUse, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    """Sequences of its playbook and other plays that were considered when it was first written."""
    authors: tuple[Authorship, ...] = ()
    pick: Pick | None = None
    """None where nothing is remembered that tells the sequences apart."""
    cost_cents: int = 0
    currency: str = ""
    rank_score: float = 0.0
    created_at: AwareDatetime
    expires_at: AwareDatetime

    @property
    def digest(self) -> str:
        """The digest of the play: what an approval is bound to."""
        return self.play.digest

    @property
    def verdict(self) -> Verdict:
        return strongest(self.findings)

    @property
    def counts_those_inside(self) -> bool:
        """Whether its audience is who is in a running campaign, without those who come in later."""
        return self.kind == "change_campaign" and self.play.trigger.runs_days > 0

    @property
    def says_what_it_adds(self) -> bool:
        """Whether its forecast can: where there is a rate to add to, or nothing more is sent."""
        return self.forecast.has_rate or self.kind == "retire_campaign"


DecisionVerdict = Literal["approve", "edit", "reject", "ask"]


class Decision(_Frozen):
    """What an operator said, bound to the digest they saw."""

    decision_id: str
    proposal_id: str
    version: int
    digest: str
    verdict: DecisionVerdict
    actor: str
    reason: str = ""
    changes: dict[str, Any] = Field(default_factory=dict)
    """For an edit: {"copies": {step_key: {language: {slot: text}}}, "offer_id": …, "holdout_share": …,
    "contacts_per_day": …, "starts_at": …, "sequences": [keys to keep]}. For an ask: {"question": …, "answer": …}."""
    then_approves: str = ""
    """For an edit: the digest to which whoever made it says yes, should it come of it."""
    decided_at: AwareDatetime
