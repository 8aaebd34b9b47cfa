"""Every message says who sends it, from where, and how to get out."""

from __future__ import annotations

from memory.bindings import names_used
from policies.facts import MessageFacts, ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, hold, refuse


class IdentityLimits(Parameters):
    """Mail services that give addresses to anybody: not a sender for a brand."""

    free_mail_domains: tuple[str, ...] = ("gmail.com", "googlemail.com", "yahoo.com", "outlook.com", "hotmail.com")


def gate(facts: MessageFacts, limits: IdentityLimits, context: Context) -> Ruling | None:
    sender = need(facts.sender_address, "sender_address")
    postal = need(facts.postal_address, "postal_address")
    way_out = need(facts.unsubscribe_url, "unsubscribe_url")
    borrowed = need(facts.example_parts, "example_parts")
    if sender and postal and way_out:
        return _judge_name(borrowed)
    missing = [
        name
        for name, value in (("sender address", sender), ("postal address", postal), ("unsubscribe link", way_out))
        if not value
    ]
    return refuse(
        "The message does not say who sends it or how to get out.",
        fact=f"no {', no '.join(missing)}",
        limit="sender, postal address and unsubscribe link",
    )


def _judge_name(borrowed: tuple[str, ...]) -> Ruling | None:
    if not borrowed:
        return None
    return hold(
        "It would reach people in the name of the example.",
        fact=f"as in the example: {', '.join(borrowed)}",
        limit="a campaign in the brand's own name",
    )


def review(facts: ProposalFacts, limits: IdentityLimits, context: Context) -> list[Ruling]:
    play = facts.play
    said = []
    domain = str(play.brand.sender_address).rpartition("@")[2].lower()
    if domain in limits.free_mail_domains:
        said.append(
            refuse(
                "The sender's address belongs to a free mail service.",
                fact=domain,
                limit="a domain of the brand",
                part="copy",
            )
        )
    for name in play.layouts():
        placed = names_used([play.templates[name]])
        for binding, words in (("links.unsubscribe", "unsubscribe link"), ("brand.postal_address", "postal address")):
            if binding not in placed:
                said.append(
                    refuse(
                        f"Template {name} shows no {words}.",
                        fact=f"no {{{{ {binding} }}}}",
                        limit="in every message",
                        part="copy",
                    )
                )
    return said


RULE = Rule(id="identity", parameters=IdentityLimits, gate=gate, review=review, locked=True)
