"""Nobody is written to of whom nothing was heard for years: their data should be gone, or asked for anew."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from policies.facts import NEVER, MessageFacts, is_marketing, need
from policies.rule import Context, Parameters, Rule, Ruling, refuse
from policies.table import NEVER64, MessageTable, Verdicts, days, refuse_where


class DataAgeLimits(Parameters):
    """For how long a contact may be written to after the last thing that came from them."""

    maximum_days: int = Field(default=1095, ge=30, le=3650)
    """A consent, an order and any sign of life count; an open does not."""


def gate(facts: MessageFacts, limits: DataAgeLimits, context: Context) -> Ruling | None:
    if facts.needs_no_leave or not is_marketing(facts):
        return None
    heard_at = need(facts.last_heard_at, "last_heard_at")
    if heard_at != NEVER and facts.now - heard_at <= timedelta(days=limits.maximum_days):
        return None
    return refuse(
        "Nothing was heard of the contact for too long.",
        fact="nothing was ever heard" if heard_at == NEVER else f"last heard of on {heard_at:%Y-%m-%d}",
        limit=f"a consent, order or sign of life in {limits.maximum_days} days",
    )


def sift(table: MessageTable, limits: DataAgeLimits, context: Context) -> Verdicts:
    if table.common.needs_no_leave or not is_marketing(table.common):
        return table.allow()
    heard_at = table.column("last_heard_at")
    return refuse_where((heard_at == NEVER64) | (table.now - heard_at > days(limits.maximum_days)))


RULE = Rule(id="data_age", parameters=DataAgeLimits, gate=gate, sift=sift)
