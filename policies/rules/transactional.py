"""Messages of a service may skip the limits of marketing, so only named plays may send them, and none may sell."""

from __future__ import annotations

from pydantic import Field

from policies.facts import ProposalFacts
from policies.rule import Context, Parameters, Rule, Ruling, refuse


class TransactionalLimits(Parameters):
    """Which plays may send messages of the purpose “transactional”."""

    playbooks: tuple[str, ...] = Field(default=("double_opt_in",))


def review(facts: ProposalFacts, limits: TransactionalLimits, context: Context) -> list[Ruling]:
    play = facts.play
    services = [step.key for _, step in play.sends() if step.purpose == "transactional"]
    if not services:
        return []
    said = []
    if play.playbook not in limits.playbooks:
        said.append(
            refuse(
                "This play may not send its messages as a service.",
                fact=f"{', '.join(services)} of {play.playbook}",
                limit=", ".join(limits.playbooks) or "no play",
                part="copy",
            )
        )
    if play.offer is not None:
        said.append(
            refuse(
                "A message of a service carries no offer.",
                fact=f"offer {play.offer.offer_id}",
                limit="no offer",
                part="offer",
            )
        )
    return said


RULE = Rule(id="transactional", parameters=TransactionalLimits, review=review, locked=True)
