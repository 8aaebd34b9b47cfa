"""Who must say yes to a proposal, and whether the yeses given are enough."""

from __future__ import annotations

from collections.abc import Iterable

from memory.finding import Verdict
from memory.proposal import Approvals
from policies.facts import MissingFactError, ProposalFacts
from policies.guardian import Review, review_proposal
from policies.pack import Pack
from policies.rules.approval import ApprovalLimits
from policies.rules.discount import discount_basis_points

_SIGNED_IN = "console:"


def approvals_needed(facts: ProposalFacts, pack: Pack, review: Review | None = None) -> Approvals:
    """One person, or two where reach, spend, discount, novelty, a hold or past harm ask for it; unknown asks for it.

    Pass the review if it was just made; otherwise it is made here.
    """
    limits = pack.limits("approval", ApprovalLimits)
    review = review or review_proposal(facts, pack)
    reasons = [
        *_reach(facts, limits),
        *_spend(facts, limits),
        *_discount(facts, limits),
    ]
    if limits.two_people_when_harmed and facts.harmed_before is not False:
        reasons.append(
            "A campaign of this playbook did harm before." if facts.harmed_before else "Past harm is unknown."
        )
    held = sorted({finding.rule for finding in review.findings if finding.verdict is not Verdict.ALLOW})
    if limits.two_people_when_held and held:
        reasons.append(f"The policy holds it: {', '.join(held)}.")
    if not reasons:
        return Approvals(people=1, reasons=("It stays within what one person may approve.",))
    return Approvals(people=2, second_person=True, reasons=tuple(reasons))


def approval_missing(approvers: Iterable[str], needed: Approvals, last_editor: str | None) -> str:
    """Who must still say yes to one digest, in a sentence; empty when it is enough.

    Only people signed in to the console count each for themselves; all other identities (``cli:``, ``demo:``), which
    one person could take on at will, count as one. The last editor is never the only one where a second is asked for.
    """
    people = set(approvers)
    signed_in = {person for person in people if person.startswith(_SIGNED_IN)}
    outside = people - signed_in
    lacking = needed.people - len(signed_in) - bool(outside)
    if lacking > 0:
        who = f"{lacking} people have" if lacking > 1 else "Another person has" if people else "One person has"
        where = ", signed in to the console; names from outside it count as one person together" if outside else ""
        return f"{who} to approve{where}."
    if needed.second_person and not people - {last_editor}:
        return f"Another person has to approve: {last_editor} made the last edit and does not count alone."
    return ""


def _reach(facts: ProposalFacts, limits: ApprovalLimits) -> list[str]:
    if facts.audience is None:
        return ["How many it reaches is unknown."]
    reachable = facts.audience.reachable
    if reachable >= limits.two_people_from_contacts:
        return [
            f"It reaches {reachable} contacts; one person may approve fewer than {limits.two_people_from_contacts}."
        ]
    if not facts.times_run and reachable >= limits.two_people_when_new_from_contacts:
        new = "It is not known to have run before" if facts.times_run is None else "It never ran before"
        return [
            f"{new} and reaches {reachable} contacts; from {limits.two_people_when_new_from_contacts} on, two look."
        ]
    return []


def _spend(facts: ProposalFacts, limits: ApprovalLimits) -> list[str]:
    if facts.cost_cents is None:
        return ["What it costs is unknown."]
    if facts.cost_cents >= limits.two_people_from_spend_cents:
        most = f"{limits.two_people_from_spend_cents / 100:.2f}"
        return [f"It costs {facts.cost_cents / 100:.2f}; one person may approve less than {most}."]
    return []


def _discount(facts: ProposalFacts, limits: ApprovalLimits) -> list[str]:
    try:
        depth = discount_basis_points(facts)
    except MissingFactError:
        return ["How deep the discount cuts is unknown."]
    if depth >= limits.two_people_from_discount_basis_points:
        most = f"{limits.two_people_from_discount_basis_points / 100:g} %"
        return [f"The discount is {depth / 100:g} %; one person may approve less than {most}."]
    return []
