"""The same words do not go out again so soon: who read them gets nothing new."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from policies.facts import ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, hold


class ReuseLimits(Parameters):
    """How long words rest before another campaign says them again."""

    minimum_days: int = Field(default=14, ge=1, le=365)


def review(facts: ProposalFacts, limits: ReuseLimits, context: Context) -> list[Ruling]:
    # What an event or a date sets off says the same to each contact in turn.
    if facts.play.trigger.kind != "once":
        return []
    return [
        hold(
            f"Another campaign said the words of {where} a short while ago.",
            fact=f"last sent on {last:%Y-%m-%d}",
            limit=f"at least {limits.minimum_days} days between",
            part="copy",
        )
        for where, last in sorted(need(facts.words_last_sent, "words_last_sent").items())
        if facts.now - last < timedelta(days=limits.minimum_days)
    ]


RULE = Rule(id="reuse", parameters=ReuseLimits, review=review)
