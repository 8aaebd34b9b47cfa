"""All campaigns together write to a contact only so often in any rolling window."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from memory.sequence_check import densest
from policies.facts import MessageFacts, ProposalFacts, is_marketing, need
from policies.rule import Context, Parameters, Rule, Ruling, hold, refuse
from policies.table import MessageTable, Verdicts, hold_where


class FrequencyLimits(Parameters):
    """The cap."""

    messages: int = Field(default=3, ge=1, le=100)
    window_days: int = Field(default=7, ge=1, le=365)


def _limit(limits: FrequencyLimits) -> str:
    return f"{limits.messages} messages in {limits.window_days} days"


def gate(facts: MessageFacts, limits: FrequencyLimits, context: Context) -> Ruling | None:
    if not (facts.reaches_contact and is_marketing(facts)):
        return None
    sent = need(facts.sent_in_window, "sent_in_window")
    if sent < limits.messages:
        return None
    return hold(
        "The contact has had as many messages as the cap allows.",
        fact=f"{sent} messages in the last {limits.window_days} days",
        limit=_limit(limits),
        retry_at=facts.cap_frees_at,
    )


def sift(table: MessageTable, limits: FrequencyLimits, context: Context) -> Verdicts:
    if not (table.common.reaches_contact and is_marketing(table.common)):
        return table.allow()
    return hold_where(table.column("sent_in_window") >= limits.messages)


def review(facts: ProposalFacts, limits: FrequencyLimits, context: Context) -> list[Ruling]:
    said = []
    for sequence in facts.play.sequences:
        most = densest(sequence, timedelta(days=limits.window_days))
        if most > limits.messages:
            said.append(
                refuse(
                    f"Sequence {sequence.key} alone would break the frequency cap.",
                    fact=f"{most} messages in {limits.window_days} days",
                    limit=_limit(limits),
                    part="schedule",
                )
            )
    return said


RULE = Rule(id="frequency", parameters=FrequencyLimits, gate=gate, sift=sift, review=review, locked=True)
