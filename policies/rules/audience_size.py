"""As many contacts as were approved, and no more than the policy lets one campaign reach."""

from __future__ import annotations

from pydantic import Field, model_validator

from policies.facts import ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, hold, refuse


class AudienceSizeLimits(Parameters):
    """Contacts that one campaign may reach."""

    minimum_contacts: int = Field(default=1, ge=1)
    maximum_contacts: int = Field(default=250_000, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> AudienceSizeLimits:
        if self.minimum_contacts > self.maximum_contacts:
            raise ValueError("minimum_contacts is greater than maximum_contacts, so no audience could ever do")
        return self


def review(facts: ProposalFacts, limits: AudienceSizeLimits, context: Context) -> list[Ruling]:
    reachable = need(facts.audience, "audience").reachable
    fact = f"{reachable} contacts"
    if reachable < limits.minimum_contacts:
        return [
            hold(
                "Too few contacts can be reached.",
                fact=fact,
                limit=f"at least {limits.minimum_contacts}",
                part="audience",
            )
        ]
    if reachable > limits.maximum_contacts:
        return [
            refuse(
                "More contacts than one campaign may reach.",
                fact=fact,
                limit=f"at most {limits.maximum_contacts}",
                part="audience",
            )
        ]
    smallest, largest = facts.play.size_band
    if not smallest <= reachable <= largest:
        return [
            refuse(
                "The audience is no longer of the size that the play states.",
                fact=fact,
                limit=f"{smallest} to {largest}",
                part="audience",
            )
        ]
    return []


RULE = Rule(id="audience_size", parameters=AudienceSizeLimits, review=review)
