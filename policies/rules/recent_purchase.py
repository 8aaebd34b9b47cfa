"""Nobody is asked to buy what they have just bought."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from policies.facts import NEVER, MessageFacts, is_marketing, need
from policies.rule import Context, Parameters, Rule, Ruling, refuse
from policies.table import NEVER64, MessageTable, Verdicts, refuse_where
from policies.table import days as so_many


class RecentPurchaseLimits(Parameters):
    """A floor under what each play asks for itself."""

    minimum_days: int = Field(default=0, ge=0, le=365)


def gate(facts: MessageFacts, limits: RecentPurchaseLimits, context: Context) -> Ruling | None:
    if facts.takes_off or not is_marketing(facts):
        return None
    days = max(need(facts.recent_purchase_days, "recent_purchase_days"), limits.minimum_days)
    bought_at = need(facts.last_purchase_at, "last_purchase_at")
    if days == 0 or bought_at == NEVER or facts.now - bought_at >= timedelta(days=days):
        return None
    return refuse(
        "The contact bought it too recently.",
        fact=f"bought {(facts.now - bought_at).days} days ago",
        limit=f"at least {days} days after a purchase",
    )


def sift(table: MessageTable, limits: RecentPurchaseLimits, context: Context) -> Verdicts:
    if table.common.takes_off or not is_marketing(table.common):
        return table.allow()
    days = max(need(table.common.recent_purchase_days, "recent_purchase_days"), limits.minimum_days)
    bought_at = table.column("last_purchase_at")
    return refuse_where((bought_at != NEVER64) & (table.now - bought_at < so_many(days)) & (days > 0))


RULE = Rule(id="recent_purchase", parameters=RecentPurchaseLimits, gate=gate, sift=sift)
