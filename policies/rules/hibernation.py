"""Contacts who show no sign of life are left alone, except for an approved and brief win-back."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from memory.sequence_check import most_sends
from policies.facts import NEVER, MessageFacts, ProposalFacts, is_marketing, need
from policies.rule import Context, Parameters, Rule, Ruling, note, refuse
from policies.table import NEVER64, MessageTable, Verdicts, days, refuse_where


class HibernationLimits(Parameters):
    """When a contact counts as hibernating, and what the exemption allows."""

    silent_days: int = Field(default=90, ge=1)
    messages_unanswered: int = Field(default=5, ge=1)
    exempt_messages_per_lapse: int = Field(default=2, ge=0, le=2)
    exempt_playbooks: tuple[str, ...] = ("win_back", "sunset")


def gate(facts: MessageFacts, limits: HibernationLimits, context: Context) -> Ruling | None:
    if not (facts.reaches_contact and is_marketing(facts)):
        return None
    if not need(facts.tracking_known, "tracking_known"):
        return note(
            "Signs of life are unknown, because nothing tracks them; unknown is not inactive.",
            fact="last human signal unknown",
            limit=_limit(limits),
        )
    signal_at = need(facts.last_human_signal_at, "last_human_signal_at")
    unanswered = need(facts.sent_since_signal, "sent_since_signal")
    if unanswered < limits.messages_unanswered:
        return None
    if signal_at != NEVER and facts.now - signal_at < timedelta(days=limits.silent_days):
        return None
    ago = "ever" if signal_at == NEVER else f"for {(facts.now - signal_at).days} days"
    fact = f"no human signal {ago}, {unanswered} messages since"
    if not facts.hibernation_exempt:
        return refuse("The contact hibernates.", fact=fact, limit=_limit(limits))
    exempt_sent = need(facts.exempt_sent_in_lapse, "exempt_sent_in_lapse")
    allowed = f"{limits.exempt_messages_per_lapse} messages per lapse under the exemption"
    if exempt_sent >= limits.exempt_messages_per_lapse:
        return refuse(
            "The contact hibernates, and this lapse has had its win-back messages.",
            fact=f"{fact}; {exempt_sent} under the exemption",
            limit=allowed,
        )
    return note("The contact hibernates; the approved exemption applies.", fact=fact, limit=allowed)


def sift(table: MessageTable, limits: HibernationLimits, context: Context) -> Verdicts:
    if not (table.common.reaches_contact and is_marketing(table.common)):
        return table.allow()
    signal_at = table.column("last_human_signal_at")
    silent = (signal_at == NEVER64) | (table.now - signal_at >= days(limits.silent_days))
    hibernates = (
        table.column("tracking_known") & silent & (table.column("sent_since_signal") >= limits.messages_unanswered)
    )
    if table.common.hibernation_exempt:
        hibernates &= table.column("exempt_sent_in_lapse") >= limits.exempt_messages_per_lapse
    return refuse_where(hibernates)


def review(facts: ProposalFacts, limits: HibernationLimits, context: Context) -> list[Ruling]:
    play = facts.play
    if not play.limits.hibernation_exempt:
        return []
    said = []
    if play.playbook not in limits.exempt_playbooks:
        said.append(
            refuse(
                "Only win-back and sunset plays may write to hibernating contacts.",
                fact=f"playbook {play.playbook}",
                limit=", ".join(limits.exempt_playbooks),
                part="audience",
            )
        )
    for sequence in play.sequences:
        sends = most_sends(sequence)
        if sends > limits.exempt_messages_per_lapse:
            said.append(
                refuse(
                    f"Sequence {sequence.key} writes too often to hibernating contacts.",
                    fact=f"{sends} messages",
                    limit=f"{limits.exempt_messages_per_lapse} messages per lapse",
                    part="schedule",
                )
            )
    return said


def _limit(limits: HibernationLimits) -> str:
    return f"a human signal in {limits.silent_days} days, or fewer than {limits.messages_unanswered} messages since"


RULE = Rule(id="hibernation", parameters=HibernationLimits, gate=gate, sift=sift, review=review, locked=True)
