"""One kind of mail comes from one address, so that readers and mailbox providers know it again."""

from __future__ import annotations

from policies.facts import ProposalFacts, need, purposes_mailed
from policies.rule import Context, Parameters, Rule, Ruling, hold


class OneSenderLimits(Parameters):
    """Nothing to set: what runs already decides."""


def review(facts: ProposalFacts, limits: OneSenderLimits, context: Context) -> list[Ruling]:
    kinds = purposes_mailed(facts.play)
    if not kinds:
        return []
    mine = facts.play.brand.sender_address.casefold()
    running = need(facts.senders, "senders")
    said = []
    for kind in sorted(kinds):
        others = sorted({address for address in running.get(kind, ()) if address.casefold() != mine})
        if others:
            said.append(
                hold(
                    f"Running campaigns send {kind} mail from another address.",
                    fact=facts.play.brand.sender_address,
                    limit=", ".join(others),
                )
            )
    return said


RULE = Rule(id="one_sender", parameters=OneSenderLimits, review=review)
