"""What SpamAssassin makes of the messages, where a workspace has it."""

from __future__ import annotations

from pydantic import Field

from policies.facts import NOT_MEASURED, ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, hold, note


class SpamScoreLimits(Parameters):
    """From which score on a message counts as spam."""

    spam_from_score: float = Field(default=5.0, gt=0, le=100)


def review(facts: ProposalFacts, limits: SpamScoreLimits, context: Context) -> list[Ruling]:
    score = need(facts.spam_score, "spam_score")
    limit = f"less than {limits.spam_from_score:g}"
    if score == NOT_MEASURED:
        return [note("The messages were not shown to SpamAssassin.", fact="not measured", limit=limit)]
    if score < limits.spam_from_score:
        return []
    return [hold("SpamAssassin takes a message for spam.", fact=f"score {score:g}", limit=limit, part="copy")]


RULE = Rule(id="spam_score", parameters=SpamScoreLimits, review=review)
