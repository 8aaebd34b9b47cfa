"""Who is held out gets nothing, or there would be nothing to compare with."""

from __future__ import annotations

from pydantic import Field, model_validator

from policies.facts import MessageFacts, ProposalFacts, is_marketing, need
from policies.rule import Context, Parameters, Rule, Ruling, refuse
from policies.table import MessageTable, Verdicts, refuse_where


class HoldoutLimits(Parameters):
    """Share (0 to 1) of entering contacts that a campaign holds out."""

    minimum_share: float = Field(default=0.05, ge=0, lt=1)
    maximum_share: float = Field(default=0.5, gt=0, lt=1)

    @model_validator(mode="after")
    def _in_order(self) -> HoldoutLimits:
        if self.minimum_share > self.maximum_share:
            raise ValueError("minimum_share is greater than maximum_share, so no holdout could ever do")
        return self


def gate(facts: MessageFacts, limits: HoldoutLimits, context: Context) -> Ruling | None:
    in_campaign = need(facts.in_holdout, "in_holdout")
    if is_marketing(facts) and need(facts.in_programme_holdout, "in_programme_holdout"):
        return refuse("The contact is in the programme holdout.", fact="programme holdout", limit="not held out")
    if in_campaign:
        return refuse("The contact is in the campaign's holdout.", fact="campaign holdout", limit="not held out")
    return None


def sift(table: MessageTable, limits: HoldoutLimits, context: Context) -> Verdicts:
    held_out = table.column("in_holdout")
    if is_marketing(table.common):
        held_out = held_out | table.column("in_programme_holdout")
    return refuse_where(held_out)


def review(facts: ProposalFacts, limits: HoldoutLimits, context: Context) -> list[Ruling]:
    share = facts.play.holdout_share
    if share == 0 and all(step.purpose == "transactional" for _, step in facts.play.sends()):
        return []
    if limits.minimum_share <= share <= limits.maximum_share:
        return []
    return [
        refuse(
            "The holdout is outside what the policy allows.",
            fact=f"{share:.1%}",
            limit=f"{limits.minimum_share:.0%} to {limits.maximum_share:.0%}",
            part="experiment",
        )
    ]


RULE = Rule(id="holdout", parameters=HoldoutLimits, gate=gate, sift=sift, review=review, locked=True)
