"""A play starts within the time that its facts can speak for."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from policies.facts import ProposalFacts
from policies.rule import Context, Parameters, Rule, Ruling, refuse


class StartDateLimits(Parameters):
    """How far ahead a play may be planned."""

    maximum_days: int = Field(default=180, ge=1, le=730)


def review(facts: ProposalFacts, limits: StartDateLimits, context: Context) -> list[Ruling]:
    starts_at = facts.play.schedule.starts_at
    if starts_at <= facts.now + timedelta(days=limits.maximum_days):
        return []
    return [
        refuse(
            "The play starts too far in the future.",
            fact=f"{starts_at:%Y-%m-%d}",
            limit=f"within {limits.maximum_days} days",
            part="schedule",
        )
    ]


RULE = Rule(id="start_date", parameters=StartDateLimits, review=review)
