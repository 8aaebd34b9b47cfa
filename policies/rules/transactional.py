"""Messages of a service may skip the limits of marketing, so only named plays may send them, and none may sell."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from memory.bindings import names_used
from memory.play import Play
from memory.steps import Copy
from policies.facts import ProposalFacts
from policies.rule import Context, Parameters, Rule, Ruling, refuse

_SELLS: Final = ("product.", "category.", "offer.", "links.product", "links.category", "links.reorder")


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
    shown = [name for name in _shown(play) if name.startswith(_SELLS)]
    if shown:
        said.append(
            refuse(
                "A message of a service shows nothing to buy.",
                fact=", ".join(shown),
                limit="no product, category or offer",
                part="copy",
            )
        )
    return said


def _texts(copy: Copy) -> tuple[str, ...]:
    return (copy.subject, copy.preheader, copy.headline, *copy.body, copy.button)


def _shown(play: Play) -> list[str]:
    """The values that messages of a service name, in words and layouts."""
    texts = []
    for _, step in play.sends():
        if step.purpose == "transactional":
            texts += [text for copy in step.copies.values() for text in (*_texts(copy), *step.links)]
            texts.append(play.layout(step))
    return names_used(texts)


RULE = Rule(id="transactional", parameters=TransactionalLimits, review=review, locked=True)
