"""Every play lets people out: when they bought, withdrew or were suppressed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from policies.facts import ProposalFacts
from policies.rule import Context, Parameters, Rule, Ruling, refuse


class ExitLimits(Parameters):
    """Exit conditions that every play must declare."""

    required: tuple[Literal["goal", "consent_withdrawn", "suppressed"], ...] = Field(
        default=("goal", "consent_withdrawn", "suppressed")
    )


def review(facts: ProposalFacts, limits: ExitLimits, context: Context) -> list[Ruling]:
    missing = sorted(set(limits.required) - set(facts.play.exits))
    if not missing:
        return []
    return [
        refuse(
            "The play does not let people out.",
            fact=f"no exit on {', '.join(missing)}",
            limit=", ".join(limits.required),
            part="schedule",
        )
    ]


RULE = Rule(id="exits", parameters=ExitLimits, review=review)
