"""Who unsubscribed, complained, bounced or was erased gets nothing."""

from __future__ import annotations

from policies.facts import NO_ADDRESS, MessageFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, refuse
from policies.table import MessageTable, Verdicts, refuse_where


class SuppressionLimits(Parameters):
    """Nothing to set: a suppression always holds."""


def gate(facts: MessageFacts, limits: SuppressionLimits, context: Context) -> Ruling | None:
    if need(facts.contact_erased, "contact_erased"):
        return refuse("The contact was erased.", fact="erased", limit="a contact on record")
    reason = need(facts.suppressed_reason, "suppressed_reason")
    if reason == NO_ADDRESS:
        return refuse("The contact has no address on this channel.", fact=reason, limit="an address that can be used")
    if reason and not facts.needs_no_leave:
        return refuse("The address is suppressed on this channel.", fact=reason, limit="not suppressed")
    return None


def sift(table: MessageTable, limits: SuppressionLimits, context: Context) -> Verdicts:
    needs_no_leave = table.common.needs_no_leave
    barred = table.which("suppressed_reason", lambda why: why == NO_ADDRESS or (why != "" and not needs_no_leave))
    return refuse_where(table.column("contact_erased") | barred)


RULE = Rule(id="suppression", parameters=SuppressionLimits, gate=gate, sift=sift, locked=True)
