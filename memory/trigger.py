"""What lets contacts into a campaign: once, an event, a segment, a date, or a call from another system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from memory.features.registry import REGISTRY
from memory.steps import EventPattern, Key


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OnceTrigger(_Frozen):
    """Everybody in the audience at the start, and nobody later."""

    kind: Literal["once"] = "once"

    @property
    def runs_days(self) -> int:
        """Nobody is let in after the start."""
        return 0


class _Running(_Frozen):
    runs_days: int = Field(default=90, ge=1, le=365)
    """For how long contacts are let in; then the campaign runs out and may be proposed anew."""


class EventTrigger(EventPattern, _Running):
    """A contact of the audience does something."""

    kind: Literal["event"] = "event"
    records: dict[Literal["product", "category"], Key] = Field(default_factory=dict)
    """Property of the event that names the record from which personal values are read."""
    restarts: bool = False
    """The same again, before the first message has left, starts the wait anew; messages then name its records."""

    def records_of(self, properties: Mapping[str, Any]) -> dict[Literal["product", "category"], str]:
        """The records that an event with these properties names."""
        return {kind: str(properties[name]) for kind, name in self.records.items() if properties.get(name)}


class SegmentTrigger(_Running):
    """A contact comes to be in the audience."""

    kind: Literal["segment"] = "segment"


class DateTrigger(_Running):
    """A date that the record knows of a contact of the audience: so many days before or after it, local time.

    Either a feature that counts the days until it (a number) or names it (a moment), or an attribute of the contact
    in the form 2026-11-26 (a birthday, a renewal).
    """

    kind: Literal["date"] = "date"
    feature: str = ""
    attribute: Key | None = None
    yearly: bool = False
    """The day and month of an attribute count, every year anew."""
    offset_days: int = Field(default=0, ge=-365, le=365)
    """Negative for before."""

    @model_validator(mode="after")
    def _names_one_date(self) -> DateTrigger:
        if bool(self.feature) == (self.attribute is not None):
            raise ValueError("give either a feature or an attribute that holds the date")
        if self.feature and (self.feature not in REGISTRY or REGISTRY[self.feature].kind not in ("number", "moment")):
            raise ValueError(f"{self.feature} is no feature that tells a date or the days until one")
        if self.yearly and self.feature:
            raise ValueError("only an attribute can come round every year")
        return self


class ApiTrigger(_Running):
    """Another system names a contact: by ``noria campaigns enrol``."""

    kind: Literal["api"] = "api"


Trigger = Annotated[OnceTrigger | EventTrigger | SegmentTrigger | DateTrigger | ApiTrigger, Field(discriminator="kind")]


class Reentry(_Frozen):
    """Whether somebody who was in may come in again; nobody is ever in twice at the same time."""

    allowed: Literal["never", "after_exit", "after_days"] = "never"
    days: int = Field(default=0, ge=0, le=3650)
    """At least so long after the last entry, for ``after_days``."""

    @model_validator(mode="after")
    def _days_fit(self) -> Reentry:
        if (self.allowed == "after_days") != (self.days > 0):
            raise ValueError("give days with after_days, and only with it")
        return self
