"""What each agent hands over, and the interface behind which rules and models do the same work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ConfigDict, Field

from agents.learning.forecast import Recalibration
from memory.bands import Shares
from memory.finding import Finding
from memory.lessons import Lesson
from memory.play import Offer, Schedule
from memory.proposal import Audience, Authorship, Brief, DetectionLimit, Evidence, Forecast, LessonUse, Proposal
from memory.steps import Sequence

if TYPE_CHECKING:
    from agents.desk import Desk
    from agents.extractor import ReplyFacts
    from agents.playbook import Playbook
    from tools.lookups import Lookups


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Resembling(_Frozen):
    """A lesson of another playbook, and how near its words are: 1 means the same, 0 unrelated."""

    lesson: Lesson
    similarity: float = Field(ge=0, le=1)


class Recall(_Frozen):
    """What memory holds that bears on a playbook."""

    lessons: tuple[Lesson, ...] = ()
    resembling: tuple[Resembling, ...] = ()
    """Lessons of other playbooks with the same goal by the same channel, nearest first."""
    similar: tuple[str, ...] = ()
    """Ids of lessons and campaigns that resemble the brief, nearest first."""
    recalibration: Recalibration | None = None
    """What errors of finished forecasts say of the next one; None while there are too few."""


class Opportunity(_Frozen):
    """A playbook that the record supports now, in numbers."""

    playbook: str
    audience: Audience
    base_rate: float
    base_contacts: int
    """How many contacts the base rate was measured on."""
    holdout_share: float
    holdout_key: str = ""
    """The campaign whose holdout a follow-up letter keeps."""
    holdout_why: str = ""
    forecast: Forecast
    detection: DetectionLimit
    lessons: tuple[LessonUse, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    messages: int
    """Messages it would take: the attention it asks for."""
    cost_cents: int = 0
    average_order_cents: int | None = None
    """What they pay for an order, before any discount of this play."""
    value_per_order_cents: float = 0.0
    """What an order is worth: margin where enough costs are known, else revenue."""
    rank_score: float
    """Expected additional value in minor units per message."""


class Analysis(_Frozen):
    """The analyst's part: an opportunity, why it should work, and why now."""

    opportunity: Opportunity
    title: str
    hypothesis: str
    why_now: str
    evidence: tuple[Evidence, ...]
    author: Authorship


class Writing(_Frozen):
    """The copywriter's part: sequences with their slots filled, and the offer they speak of."""

    sequences: tuple[Sequence, ...]
    offer: Offer | None = None
    author: Authorship


class Scheduling(_Frozen):
    """The scheduler's part: when, to how many a day, with which arms and how large a holdout."""

    schedule: Schedule
    holdout_share: float = Field(ge=0, lt=1)
    size_band: tuple[int, int]
    contacts_per_day: int | None = None
    shares: dict[str, float]
    """Share of entering contacts per sequence that is kept."""
    band_shares: Shares = ()
    """The same in each band, where they are to begin by shares of their own."""
    shares_why: str = ""
    """By what they were set, where they are not the playbook's."""
    review_days: int
    author: Authorship
    reasons: tuple[str, ...] = ()


class Task:
    """One proposal in the making, as every agent sees it."""

    def __init__(
        self,
        *,
        desk: Desk,
        lookups: Lookups,
        brief: Brief,
        playbook: Playbook,
        recall: Recall,
        objections: tuple[Finding, ...] = (),
    ) -> None:
        self.desk = desk
        self.lookups = lookups
        self.brief = brief
        self.playbook = playbook
        self.recall = recall
        self.objections = objections
        """What the guardian held against the last draft."""


class Provider(Protocol):
    """Does the work of the four agents; rules and models are interchangeable behind it."""

    @property
    def name(self) -> str: ...

    def analyse(self, task: Task) -> Analysis: ...

    def write(self, task: Task, analysis: Analysis) -> Writing: ...

    def schedule(self, task: Task, analysis: Analysis, writing: Writing) -> Scheduling: ...

    def criticise(self, task: Task, proposal: Proposal) -> tuple[Finding, ...]:
        """Objections to a finished draft; they can only be added to what the rules found."""
        ...

    def reply(self, task: Task, proposal: Proposal, question: str) -> str:
        """An answer to a person's question, from the evidence of the proposal."""
        ...

    def read_reply(self, words: str) -> tuple[ReplyFacts, int] | None:
        """What an answer wants that no rule understood, and the tokens it cost; None where rules are all there is."""
        ...
