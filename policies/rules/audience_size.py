"""As many contacts as were approved, and no more than the policy lets one campaign reach."""

from __future__ import annotations

from pydantic import Field, model_validator

from policies.facts import ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, hold, refuse


class AudienceSizeLimits(Parameters):
    """Contacts that one campaign may reach."""

    minimum_contacts: int = Field(default=20, ge=1)
    maximum_contacts: int = Field(default=250_000, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> AudienceSizeLimits:
        if self.minimum_contacts > self.maximum_contacts:
            raise ValueError("minimum_contacts is greater than maximum_contacts, so no audience could ever do")
        return self


def too_few(reachable: int, limits: AudienceSizeLimits) -> str:
    """That an audience is too small to be worth anybody's time, and how many it takes; empty when it is not."""
    if reachable >= limits.minimum_contacts:
        return ""
    return f"A campaign takes at least {limits.minimum_contacts} contacts who may be written to; fewer prove nothing."


def review(facts: ProposalFacts, limits: AudienceSizeLimits, context: Context) -> list[Ruling]:
    if facts.play.replaces is not None:
        # The size was judged as the campaign was launched; a new version lets nobody else in.
        return []
    reachable = need(facts.audience, "audience").reachable
    fact = f"{reachable} contacts"
    if few := too_few(reachable, limits):
        return [
            hold(
                few,
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
