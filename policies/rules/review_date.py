"""Every play has an owner and a day on which its proof of value is looked at."""

from __future__ import annotations

from pydantic import Field

from policies.facts import ProposalFacts
from policies.rule import Context, Parameters, Rule, Ruling, refuse


class ReviewDateLimits(Parameters):
    """How long a play may run before somebody looks at it."""

    maximum_days: int = Field(default=90, ge=1, le=366)


def review(facts: ProposalFacts, limits: ReviewDateLimits, context: Context) -> list[Ruling]:
    said = []
    if not facts.play.owner.strip():
        said.append(refuse("Nobody answers for the play.", fact="no owner", limit="a named owner", part="experiment"))
    if facts.play.review_days > limits.maximum_days:
        said.append(
            refuse(
                "The play is looked at too late.",
                fact=f"after {facts.play.review_days} days",
                limit=f"within {limits.maximum_days} days",
                part="experiment",
            )
        )
    return said


RULE = Rule(id="review_date", parameters=ReviewDateLimits, review=review)
