"""The copywriter: the playbook's own words in every language, in the brand's voice, with an approved offer or none."""

from __future__ import annotations

from datetime import timedelta

from agents.desk import Desk
from agents.handover import fetch, keep
from agents.provider import Analysis, Task, Writing
from agents.sizing import discount_per_order_cents
from agents.state import ProposalState
from agents.tasks import task_of
from memory.offers import approved_facts, open_offers
from memory.play import Offer
from memory.proposal import Authorship
from memory.steps import SendStep, Sequence
from policies.facts import latest_send
from policies.guardian import read_copy
from policies.rule import Wording
from policies.rules.discount import DiscountLimits

# Room between the last planned send and the end of an offer, so that a short hold does not outlive it.
_SPARE_DAYS = 3


def write(state: ProposalState, desk: Desk) -> ProposalState:
    """Have the messages written, and store the result."""
    task = task_of(state, desk)
    analysis = fetch(desk, state["thread_id"], state["analysis_id"], Analysis)
    writing = desk.provider.write(task, analysis)
    return {"writing_id": keep(desk, state["thread_id"], "writing", writing)}


def write_by_rules(task: Task, analysis: Analysis, *, note: str = "") -> Writing:
    """The playbook's copies, with the cheapest approved offer where the play uses one."""
    offer = choose_offer(task, analysis)
    sequences = task.playbook.tellings(offer, task.desk.settings.channels)
    return Writing(
        sequences=tuple(_in_languages(sequence, task.desk.settings.languages) for sequence in sequences),
        offer=offer if any(task.playbook.needs_offer(one) for one in sequences) else None,
        author=Authorship(agent="copywriter", provider="rules", note=note),
    )


def choose_offer(task: Task, analysis: Analysis) -> Offer | None:
    """The approved, open offer of an allowed kind that costs least per order; None where none may or need serve."""
    playbook = task.playbook
    if playbook.offer.use == "none":
        return None
    average = float(analysis.opportunity.average_order_cents or 0)
    usable = [offer for offer in offers_for(task) if _fits(offer, task, average)]
    usable.sort(key=lambda offer: (discount_per_order_cents(offer, average), offer.offer_id))
    if not usable:
        return None
    refused = {finding.part for finding in task.objections}
    if playbook.offer.use == "optional" and "offer" in refused:
        return None
    return usable[0]


def offers_for(task: Task) -> list[Offer]:
    """Approved offers that hold until the last message of the play, with words in every language."""
    playbook, desk = task.playbook, task.desk
    longest = max(latest_send(one) for one in playbook.sequences)
    last = desk.clock.now() + longest + timedelta(days=playbook.trigger.runs_days + _SPARE_DAYS)
    with desk.store.read() as connection:
        found = open_offers(connection, desk.clock.now())
    languages = set(desk.settings.languages)
    return [
        offer
        for offer in found
        if playbook.offer.allows(offer) and offer.ends_at > last and languages <= set(offer.labels)
    ]


def copy_faults(task: Task, sequence: Sequence, step: SendStep, offer: Offer | None) -> list[str]:
    """What the policy would hold against a message's copy, in sentences; the same rules as the guardian's."""
    desk = task.desk
    with desk.store.read() as connection:
        facts = approved_facts(connection, desk.clock.now())
    faults = []
    for language, copy in sorted(step.copies.items()):
        wording = Wording(
            copy=copy,
            language=language,
            brand=desk.brand,
            offer=offer,
            facts=tuple(fact for fact in facts if fact.language == language),
            channel=step.channel,
            purpose=step.purpose,
            choices=step.labels(language),
            where=f"{sequence.key}/{step.key} ({language})",
        )
        review = read_copy(wording, desk.pack)
        faults += [
            f"{finding.sentence} Found: {finding.fact}. Allowed: {finding.limit}."
            for finding in review.findings
            if finding.verdict != "allow"
        ]
    return faults


def _fits(offer: Offer, task: Task, average_order_cents: float) -> bool:
    limit = task.desk.pack.limits("discount", DiscountLimits).maximum_basis_points
    if offer.category and offer.category != task.playbook.goal.category:
        return False
    basket = offer.minimum_basket_cents or average_order_cents
    cut = discount_per_order_cents(offer, basket)
    return basket <= 0 or cut * 10_000 <= limit * basket


def _in_languages(sequence: Sequence, languages: tuple[str, ...]) -> Sequence:
    steps = []
    for step in sequence.steps:
        if isinstance(step, SendStep):
            spoken = {language: copy for language, copy in step.copies.items() if language in languages}
            step = step.model_copy(update={"copies": spoken or step.copies})
        steps.append(step)
    return sequence.model_copy(update={"steps": tuple(steps)})
