"""How many contacts were in an arm, and how many of them reached the goal."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator

from memory.errors import NoriaError


class MeasurementError(NoriaError):
    """A measurement was asked for that its numbers cannot support."""

    code: ClassVar[str] = "measurement"


class Frozen(BaseModel):
    """A value that never changes once it has been stated, and that has only finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Counts(Frozen):
    """Contacts assigned to an arm, and how many of them reached the goal at least once."""

    contacts: int
    conversions: int

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not 0 <= self.conversions <= self.contacts:
            raise MeasurementError(
                f"{self.conversions} conversions among {self.contacts} contacts is impossible.",
                remedy="Count each contact once, whatever it did.",
            )
        return self

    @property
    def rate(self) -> float:
        """Share of contacts that reached the goal; 0 for an empty arm."""
        return self.conversions / self.contacts if self.contacts else 0.0

    def plus(self, other: Counts) -> Counts:
        """Both arms taken together."""
        return Counts(contacts=self.contacts + other.contacts, conversions=self.conversions + other.conversions)
