"""Which playbooks the record supports, best first, and why the others are not among them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from agents.provider import Opportunity


class Withheld(BaseModel):
    """A playbook that was not proposed, and what would change that."""

    model_config = ConfigDict(frozen=True)

    playbook: str
    sentence: str


class Ranking(BaseModel):
    """Every playbook the record supports, best first, and why the others are not among them."""

    model_config = ConfigDict(frozen=True)

    opportunities: tuple[Opportunity, ...] = ()
    withheld: tuple[Withheld, ...] = ()
