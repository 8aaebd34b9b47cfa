"""The forms that a model fills in: the words and choices of each agent, with their limits."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from agents.playbook_model import MOST_SEQUENCES


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EvidenceWords(_Form):
    """One fact and where it comes from."""

    lookup_id: str = Field(max_length=40)
    sentence: str = Field(min_length=1, max_length=300)


class AnalysisWords(_Form):
    """The analyst's words."""

    hypothesis: str = Field(min_length=1, max_length=400)
    why_now: str = Field(min_length=1, max_length=400)
    evidence: list[EvidenceWords] = Field(min_length=1, max_length=8)


class SlotWords(_Form):
    """The slots of one message in one language."""

    step: str = Field(max_length=130)
    language: str = Field(max_length=2)
    subject: str = Field(max_length=150)
    preheader: str = Field(max_length=200)
    headline: str = Field(max_length=150)
    body: list[str] = Field(min_length=1, max_length=8)
    button: str = Field(max_length=60)


class CopyWords(_Form):
    """The slots of every message."""

    messages: list[SlotWords] = Field(min_length=1, max_length=64)


class ScheduleChoice(_Form):
    """A choice among options."""

    start_in_days: int
    holdout_share: float
    sequences: list[str] = Field(min_length=1, max_length=MOST_SEQUENCES)
    reason: str = Field(max_length=300)


class Objection(_Form):
    """One objection."""

    part: str = Field(max_length=20)
    sentence: str = Field(min_length=1, max_length=300)


class Objections(_Form):
    """What speaks against a proposal."""

    objections: list[Objection] = Field(max_length=3)


class ReplyWords(_Form):
    """An answer to a question."""

    answer: str = Field(min_length=1, max_length=800)
