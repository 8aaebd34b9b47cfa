"""A message that could not leave in time does not leave late."""

from __future__ import annotations

from pydantic import Field

from policies.facts import MessageFacts, ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, refuse


class DeadlineLimits(Parameters):
    """How long a play may let a message wait."""

    maximum_days: int = Field(default=14, ge=1, le=60)


def gate(facts: MessageFacts, limits: DeadlineLimits, context: Context) -> Ruling | None:
    deadline_at = need(facts.deadline_at, "deadline_at")
    if facts.now < deadline_at:
        return None
    return refuse(
        "It is too late for this message.",
        fact=f"{facts.now:%Y-%m-%d %H:%M} UTC",
        limit=f"before {deadline_at:%Y-%m-%d %H:%M} UTC",
    )


def review(facts: ProposalFacts, limits: DeadlineLimits, context: Context) -> list[Ruling]:
    days = facts.play.schedule.deadline_days
    if days <= limits.maximum_days:
        return []
    return [
        refuse(
            "Messages could wait longer than the policy allows.",
            fact=f"{days} days",
            limit=f"{limits.maximum_days} days",
            part="schedule",
        )
    ]


RULE = Rule(id="deadline", parameters=DeadlineLimits, gate=gate, review=review, locked=True)
