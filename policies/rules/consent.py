"""Nobody is written to without consent for that channel and purpose, and the proof of it."""

from __future__ import annotations

from policies.facts import MessageFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, refuse
from policies.table import MessageTable, Verdicts, refuse_where


class ConsentLimits(Parameters):
    """What counts as consent."""

    proof_required: bool = True


def gate(facts: MessageFacts, limits: ConsentLimits, context: Context) -> Ruling | None:
    if facts.takes_off:
        return None
    what = f"{need(facts.purpose, 'purpose')} by {need(facts.channel, 'channel')}"
    state = need(facts.consent_state, "consent_state")
    if state == "granted" and (facts.consent_has_proof or not limits.proof_required):
        return None
    if state == "granted":
        return refuse(
            f"Consent to {what} is recorded without proof.", fact="consent without proof", limit="consent with proof"
        )
    if state == "withdrawn":
        return refuse(f"Consent to {what} was withdrawn.", fact="withdrawn", limit="consent in force")
    return refuse(f"No consent to {what} was ever recorded.", fact="no consent", limit="consent in force")


def sift(table: MessageTable, limits: ConsentLimits, context: Context) -> Verdicts:
    if table.common.takes_off:
        return table.allow()
    need(table.common.purpose, "purpose")
    need(table.common.channel, "channel")
    granted = table.which("consent_state", lambda state: state == "granted")
    return refuse_where(~(granted & (table.column("consent_has_proof") | (not limits.proof_required))))


RULE = Rule(id="consent", parameters=ConsentLimits, gate=gate, sift=sift, locked=True)
