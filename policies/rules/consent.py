"""Nobody is written to without consent for that channel and purpose, and the proof of it."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from pydantic import Field

from policies.facts import NEVER, MessageFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, note, refuse
from policies.table import NEVER64, Mask, MessageTable, Verdicts, days, refuse_where


class ConsentLimits(Parameters):
    """What counts as consent, and whether customers need none for similar products."""

    proof_required: bool = True
    double_opt_in_required: bool = False
    """Marketing needs a consent that was confirmed from the address itself."""
    existing_customer_days: int = Field(default=0, ge=0, le=1095)
    """So long after an order, marketing on similar products may reach customers who were told so, with proof, and did
    not refuse; 0 for never. Whoever withdrew stays out."""


def gate(facts: MessageFacts, limits: ConsentLimits, context: Context) -> Ruling | None:
    if facts.needs_no_leave:
        return None
    purpose = need(facts.purpose, "purpose")
    what = f"{purpose} by {need(facts.channel, 'channel')}"
    state = need(facts.consent_state, "consent_state")
    if state == "granted":
        return _judge_quality(facts, limits, what)
    if state == "withdrawn":
        return refuse(f"Consent to {what} was withdrawn.", fact="withdrawn", limit="consent in force")
    if limits.existing_customer_days and purpose == "marketing" and need(facts.customer_told, "customer_told"):
        bought_at = need(facts.similar_bought_at, "similar_bought_at")
        limit = f"a similar order in {limits.existing_customer_days} days"
        if bought_at != NEVER and facts.now - bought_at <= timedelta(days=limits.existing_customer_days):
            return note(
                "No consent, but an existing customer, told of messages on similar products.",
                fact=f"bought something similar on {bought_at:%Y-%m-%d}",
                limit=limit,
            )
        return refuse(
            "An existing customer may only hear of products like those they bought lately.",
            fact="no similar order" if bought_at == NEVER else f"last similar order on {bought_at:%Y-%m-%d}",
            limit=limit,
        )
    return refuse(f"No consent to {what} was ever recorded.", fact="no consent", limit="consent in force")


def _judge_quality(facts: MessageFacts, limits: ConsentLimits, what: str) -> Ruling | None:
    if limits.proof_required and not need(facts.consent_has_proof, "consent_has_proof"):
        return refuse(
            f"Consent to {what} is recorded without proof.", fact="consent without proof", limit="consent with proof"
        )
    if (
        limits.double_opt_in_required
        and facts.purpose == "marketing"
        and not need(facts.consent_confirmed, "consent_confirmed")
    ):
        return refuse(
            f"Consent to {what} was never confirmed from the address.",
            fact="consent without confirmation",
            limit="double opt-in",
        )
    return None


def sift(table: MessageTable, limits: ConsentLimits, context: Context) -> Verdicts:
    if table.common.needs_no_leave:
        return table.allow()
    marketing = need(table.common.purpose, "purpose") == "marketing"
    need(table.common.channel, "channel")
    allowed = table.which("consent_state", lambda state: state == "granted")
    if limits.proof_required:
        allowed = allowed & table.column("consent_has_proof")
    if limits.double_opt_in_required and marketing:
        allowed = allowed & table.column("consent_confirmed")
    if limits.existing_customer_days and marketing:
        allowed = allowed | _customers(table, limits)
    return refuse_where(~allowed)


def _customers(table: MessageTable, limits: ConsentLimits) -> Mask:
    """Who needs no consent, as a customer who was told and bought something similar lately."""
    bought_at = table.column("similar_bought_at")
    lately = (bought_at != NEVER64) & (table.now - bought_at <= days(limits.existing_customer_days))
    asked = table.which("consent_state", lambda state: state == "")
    return np.asarray(asked & table.column("customer_told") & lately, bool)


RULE = Rule(id="consent", parameters=ConsentLimits, gate=gate, sift=sift, locked=True)
