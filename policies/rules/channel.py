"""A play asks no channel for what it cannot do."""

from __future__ import annotations

from policies.facts import ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, refuse
from policies.rules.text_message import longest_text


class ChannelLimits(Parameters):
    """Nothing to set: what a channel can do is no matter of taste."""


def review(facts: ProposalFacts, limits: ChannelLimits, context: Context) -> list[Ruling]:
    there = need(facts.channels, "channels")
    said = []
    for sequence, step in facts.play.sends():
        where = f"{sequence.key}/{step.key}"
        if step.channel not in there:
            said.append(
                refuse(
                    f"{where} needs a channel that this workspace does not have.",
                    fact=step.channel,
                    limit=", ".join(sorted(there)) or "no channel at all",
                )
            )
            continue
        most = there[step.channel]
        for language, copy in sorted(step.copies.items()):
            size = len(longest_text(copy)) if step.channel == "sms" else 0
            if most is not None and size > most:
                said.append(
                    refuse(
                        f"The text of {where} ({language}) is longer than the channel takes.",
                        fact=f"{size} characters",
                        limit=f"{most} characters",
                        part="copy",
                    )
                )
    return said


RULE = Rule(id="channel", parameters=ChannelLimits, review=review, locked=True)
