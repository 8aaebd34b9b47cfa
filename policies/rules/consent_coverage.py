"""A selection that hardly anybody consented to is a sign of a poor record, not of an audience."""

from __future__ import annotations

from pydantic import Field

from policies.facts import ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, hold


class ConsentCoverageLimits(Parameters):
    """Share (0 to 1) of the selected contacts whose consent and its proof are on record."""

    minimum_share: float = Field(default=0.1, ge=0, le=1)


def review(facts: ProposalFacts, limits: ConsentCoverageLimits, context: Context) -> list[Ruling]:
    coverage = need(facts.consent_coverage, "consent_coverage")
    if coverage >= limits.minimum_share:
        return []
    return [
        hold(
            "Too few of the selected contacts have consent with proof; import consents, or select others.",
            fact=f"{coverage:.1%}",
            limit=f"at least {limits.minimum_share:.0%}",
            part="audience",
        )
    ]


RULE = Rule(id="consent_coverage", parameters=ConsentCoverageLimits, review=review)
