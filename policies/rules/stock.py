"""No message is about a product that is sold out, as far as the record knows."""

from __future__ import annotations

from pydantic import Field

from policies.facts import STOCK_UNKNOWN, MessageFacts, is_marketing, need
from policies.rule import Context, Parameters, Rule, Ruling, hold
from policies.table import MessageTable, Verdicts, hold_where


class StockLimits(Parameters):
    """How many of a product there must be."""

    minimum_units: int = Field(default=1, ge=1)
    known_required: bool = False
    """Whether a product of whose stock nothing is known is left out too."""


def gate(facts: MessageFacts, limits: StockLimits, context: Context) -> Ruling | None:
    if facts.needs_no_leave or not is_marketing(facts):
        return None
    units = need(facts.product_stock_units, "product_stock_units")
    if units >= limits.minimum_units or (units == STOCK_UNKNOWN and not limits.known_required):
        return None
    return hold(
        "There is too little of the product that the message is about.",
        fact="stock unknown" if units == STOCK_UNKNOWN else f"{units} in stock",
        limit=f"at least {limits.minimum_units}",
    )


def sift(table: MessageTable, limits: StockLimits, context: Context) -> Verdicts:
    if table.common.needs_no_leave or not is_marketing(table.common):
        return table.allow()
    units = table.column("product_stock_units")
    unknown = units == STOCK_UNKNOWN
    return hold_where((units < limits.minimum_units) & (~unknown | limits.known_required))


RULE = Rule(id="stock", parameters=StockLimits, gate=gate, sift=sift)
