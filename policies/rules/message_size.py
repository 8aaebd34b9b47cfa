"""A message is small enough for mailbox providers to show whole, with its way out at the end."""

from __future__ import annotations

from pydantic import Field

from policies.facts import ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, refuse


class MessageSizeLimits(Parameters):
    """How large a message may be."""

    maximum_html_bytes: int = Field(default=100_000, ge=1_000, le=1_000_000)
    """Of the HTML as it leaves; Gmail hides what comes after some 102,000."""


def review(facts: ProposalFacts, limits: MessageSizeLimits, context: Context) -> list[Ruling]:
    size = need(facts.html_bytes, "html_bytes")
    if size <= limits.maximum_html_bytes:
        return []
    return [
        refuse(
            "A message is so large that its end, with the way out, would be cut off.",
            fact=f"{size:,} bytes",
            limit=f"{limits.maximum_html_bytes:,} bytes",
            part="copy",
        )
    ]


RULE = Rule(id="message_size", parameters=MessageSizeLimits, review=review)
