"""A campaign costs no more than the policy allows, whoever says yes."""

from __future__ import annotations

from pydantic import Field

from policies.facts import ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, refuse


class SpendLimits(Parameters):
    """What the messages of one campaign may cost."""

    maximum_cents: int = Field(default=1_000_000, ge=0)


def review(facts: ProposalFacts, limits: SpendLimits, context: Context) -> list[Ruling]:
    cost_cents = need(facts.cost_cents, "cost_cents")
    if cost_cents <= limits.maximum_cents:
        return []
    return [
        refuse(
            "The campaign costs more than any may.",
            fact=f"{cost_cents / 100:.2f}",
            limit=f"at most {limits.maximum_cents / 100:.2f}",
            part="audience",
        )
    ]


RULE = Rule(id="spend", parameters=SpendLimits, review=review)
