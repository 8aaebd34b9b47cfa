"""Nobody is asked to buy what they have just bought."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from pydantic import Field

from policies.facts import NEVER, MessageFacts, is_marketing, need
from policies.rule import Context, Parameters, Rule, Ruling, refuse
from policies.table import NEVER64, Mask, MessageTable, Verdicts, refuse_where
from policies.table import days as so_many


class RecentPurchaseLimits(Parameters):
    """A floor under what each play asks for itself, and how long similar products are not advertised."""

    minimum_days: int = Field(default=0, ge=0, le=365)
    similar_days: int = Field(default=0, ge=0, le=365)
    """So long after an order, nothing of the category that was bought is advertised to the buyer; 0 for never."""
    similar_exempt_playbooks: tuple[str, ...] = ("replenishment",)
    """Plays that are about buying the same again."""


def gate(facts: MessageFacts, limits: RecentPurchaseLimits, context: Context) -> Ruling | None:
    if facts.needs_no_leave or not is_marketing(facts):
        return None
    days = max(need(facts.recent_purchase_days, "recent_purchase_days"), limits.minimum_days)
    bought_at = need(facts.last_purchase_at, "last_purchase_at")
    if _within(bought_at, facts.now, days):
        return refuse(
            "The contact bought it too recently.",
            fact=f"bought {(facts.now - bought_at).days} days ago",
            limit=f"at least {days} days after a purchase",
        )
    if not limits.similar_days or need(facts.playbook, "playbook") in limits.similar_exempt_playbooks:
        return None
    similar_at = need(facts.similar_bought_at, "similar_bought_at")
    if not _within(similar_at, facts.now, limits.similar_days):
        return None
    return refuse(
        "The contact bought something similar too recently.",
        fact=f"bought something similar {(facts.now - similar_at).days} days ago",
        limit=f"at least {limits.similar_days} days after a similar purchase",
    )


def _within(bought_at: datetime, now: datetime, days: int) -> bool:
    return bought_at != NEVER and now - bought_at < timedelta(days=days)


def sift(table: MessageTable, limits: RecentPurchaseLimits, context: Context) -> Verdicts:
    if table.common.needs_no_leave or not is_marketing(table.common):
        return table.allow()
    days = max(need(table.common.recent_purchase_days, "recent_purchase_days"), limits.minimum_days)
    barred = _all_within(table, "last_purchase_at", days)
    if limits.similar_days and need(table.common.playbook, "playbook") not in limits.similar_exempt_playbooks:
        barred = barred | _all_within(table, "similar_bought_at", limits.similar_days)
    return refuse_where(barred)


def _all_within(table: MessageTable, name: str, days: int) -> Mask:
    bought_at = table.column(name)
    return np.asarray((bought_at != NEVER64) & (table.now - bought_at < so_many(days)), bool)


RULE = Rule(id="recent_purchase", parameters=RecentPurchaseLimits, gate=gate, sift=sift)
