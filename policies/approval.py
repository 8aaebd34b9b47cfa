"""Who must say yes to a proposal, and whether the yeses given are enough."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from memory.finding import Verdict
from memory.proposal import LADDER, Approvals
from policies.facts import MissingFactError, ProposalFacts
from policies.guardian import Review, review_proposal
from policies.pack import Pack
from policies.rules.approval import ApprovalLimits
from policies.rules.discount import discount_basis_points

_SIGNED_IN = "console:"


@dataclass(frozen=True, slots=True)
class _Room:
    """What somebody may let pass: less than each of these."""

    who: str
    contacts: int
    spend_cents: int
    discount_basis_points: int


def approvals_needed(facts: ProposalFacts, pack: Pack, review: Review | None = None) -> Approvals:
    """One person, or two where reach, spend, discount, novelty, a hold or past harm ask for it; unknown asks for it.

    It also says what would ask for a person where the kind of action is at ``auto``. Pass the review if it was just
    made; otherwise it is made here.
    """
    limits = pack.limits("approval", ApprovalLimits)
    review = review or review_proposal(facts, pack)
    held = sorted({finding.rule for finding in review.findings if finding.verdict is not Verdict.ALLOW})
    holds = [f"The policy holds it: {', '.join(held)}."] if held else []
    harms = []
    if facts.harmed_before is not False:
        harms = ["A campaign of this playbook did harm before." if facts.harmed_before else "Past harm is unknown."]
    alone = _Room(
        "nobody has to approve",
        limits.one_person_from_contacts,
        limits.one_person_from_spend_cents,
        limits.one_person_from_discount_basis_points,
    )
    asks = (*_beyond(facts, alone), *_entries(facts, alone), *_first_run(facts, limits), *holds, *harms)
    one = _Room(
        "one person may approve",
        limits.two_people_from_contacts,
        limits.two_people_from_spend_cents,
        limits.two_people_from_discount_basis_points,
    )
    reasons = [
        *_beyond(facts, one),
        *_new_to_many(facts, limits),
        *(harms if limits.two_people_when_harmed else []),
        *(holds if limits.two_people_when_held else []),
    ]
    if not reasons:
        return Approvals(people=1, reasons=("It stays within what one person may approve.",), asks_because=asks)
    return Approvals(people=2, second_person=True, reasons=tuple(reasons), asks_because=(*asks, *reasons))


def approval_missing(approvers: Iterable[str], needed: Approvals, last_editor: str | None) -> str:
    """Who must still say yes to one digest, in a sentence; empty when it is enough.

    Only people signed in to the console count each for themselves; all other identities (``cli:``, ``demo:``), which
    one person could take on at will, count as one, and for nobody where that name has signed in too. The last editor is
    never the only one where a second is asked for. The ladder's own yes is enough where nobody has to be asked, and is
    nobody's elsewhere.
    """
    given = set(approvers)
    if LADDER in given and needed.may_go_alone and last_editor is None:
        return ""
    people = given - {LADDER}
    signed_in = {person for person in people if person.startswith(_SIGNED_IN)}
    known = {person.removeprefix(_SIGNED_IN) for person in signed_in}
    outside = {one for one in people - signed_in if one.partition(":")[2] not in known}
    lacking = needed.people - len(signed_in) - bool(outside)
    if lacking > 0:
        who = f"{lacking} people have" if lacking > 1 else "Another person has" if people else "One person has"
        where = ", signed in to the console; names from outside it count as one person together" if outside else ""
        return f"{who} to approve{where}."
    if needed.second_person and not people - {last_editor}:
        return f"Another person has to approve: {last_editor} made the last edit and does not count alone."
    return ""


def _beyond(facts: ProposalFacts, room: _Room) -> list[str]:
    """What is too large, or unknown, for somebody's room."""
    return [*_reach(facts, room), *_spend(facts, room), *_discount(facts, room)]


def _reach(facts: ProposalFacts, room: _Room) -> list[str]:
    if facts.audience is None:
        return ["How many it reaches is unknown."]
    reached = facts.audience.reachable
    if reached >= room.contacts:
        return [f"It reaches {reached} contacts; {room.who} fewer than {room.contacts}."]
    return []


def _entries(facts: ProposalFacts, room: _Room) -> list[str]:
    """A trigger reaches whoever comes while it runs, not only those who are there today."""
    most = facts.play.size_band[1]
    if not facts.play.trigger.runs_days or most < room.contacts:
        return []
    return [f"Up to {most} contacts may enter while it runs; {room.who} fewer than {room.contacts}."]


def _first_run(facts: ProposalFacts, limits: ApprovalLimits) -> list[str]:
    if not limits.one_person_when_new or facts.times_run:
        return []
    return ["It is not known to have run before." if facts.times_run is None else "It never ran before."]


def _new_to_many(facts: ProposalFacts, limits: ApprovalLimits) -> list[str]:
    reached, most = 0 if facts.audience is None else facts.audience.reachable, limits.two_people_when_new_from_contacts
    if facts.times_run or not most <= reached < limits.two_people_from_contacts:
        return []
    new = "It is not known to have run before" if facts.times_run is None else "It never ran before"
    return [f"{new} and reaches {reached} contacts; from {most} on, two look."]


def _spend(facts: ProposalFacts, room: _Room) -> list[str]:
    if facts.cost_cents is None:
        return ["What it costs is unknown."]
    if facts.cost_cents >= room.spend_cents:
        return [f"It costs {facts.cost_cents / 100:.2f}; {room.who} less than {room.spend_cents / 100:.2f}."]
    return []


def _discount(facts: ProposalFacts, room: _Room) -> list[str]:
    try:
        depth = discount_basis_points(facts)
    except MissingFactError:
        return ["How deep the discount cuts is unknown."]
    if depth >= room.discount_basis_points:
        most = f"{room.discount_basis_points / 100:g} %"
        return [f"The discount is {depth / 100:g} %; {room.who} less than {most}."]
    return []
