"""No offer gives away more than the policy allows."""

from __future__ import annotations

from pydantic import Field

from memory.play import Offer
from policies.facts import ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, refuse


class DiscountLimits(Parameters):
    """Highest discount, in basis points (3000 = 30 %) of the basket."""

    maximum_basis_points: int = Field(default=3_000, ge=0, le=10_000)


def review(facts: ProposalFacts, limits: DiscountLimits, context: Context) -> list[Ruling]:
    depth = discount_basis_points(facts)
    if depth <= limits.maximum_basis_points:
        return []
    return [
        refuse(
            "The discount is deeper than the policy allows.",
            fact=f"{depth / 100:g} %",
            limit=f"{limits.maximum_basis_points / 100:g} %",
            part="offer",
        )
    ]


def discount_basis_points(facts: ProposalFacts) -> int:
    """How deep the deepest offer cuts, in basis points; an amount is set against the smallest basket it applies to.

    Without a minimum basket it is set against the average order; raises MissingFactError when that is unknown.
    """
    return max((_depth(offer, facts) for offer in facts.play.offers), default=0)


def _depth(offer: Offer, facts: ProposalFacts) -> int:
    if offer.kind not in ("percent", "amount"):
        return 0
    if offer.kind == "percent":
        return offer.value
    basket_cents = offer.minimum_basket_cents or need(facts.reference_price_cents, "reference_price_cents")
    return -(-offer.value * 10_000 // basket_cents) if basket_cents > 0 else 10_000


RULE = Rule(id="discount", parameters=DiscountLimits, review=review)
