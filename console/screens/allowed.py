"""What a person may do with a proposal now, and why not: one pure function, from facts to what a page offers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from memory.finding import Verdict
from memory.proposal import Decision, ProposalStatus
from memory.proposals import WAITING, StoredProposal
from memory.users import User
from policies.roles import reaches

_PENDING: Final = {
    ("edit", False): "It was edited: the worker makes the new version, which needs an approval of its own.",
    ("edit", True): "A part of it was approved: the worker makes the version that holds only that, with this yes.",
    ("reject", False): "It was rejected; the worker closes it.",
}


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which buttons a page shows; where it shows none, the sentence that says why."""

    approve: bool = False
    needs_reason: bool = False
    """A hold yields to a reason, and to nothing else."""
    edit: bool = False
    ask: bool = False
    reject: bool = False
    why_not: str = ""
    """Why nothing, or no yes, can be said now."""


def allowed(
    stored: StoredProposal, user: User, said: list[Decision], *, now: datetime, suggests_only: bool = False
) -> Allowed:
    """What may be said; ``said`` holds the decisions on this version that nobody acted on yet, or that still count."""
    proposal = stored.proposal
    if stored.status is ProposalStatus.QUEUED:
        return Allowed(why_not="It waits until its owner has room.")
    if stored.status not in WAITING:
        return Allowed(why_not="It is settled: there is nothing to decide.")
    if proposal.expires_at <= now:
        return Allowed(why_not="It has expired.")
    if not reaches(user.role, "operator"):
        return Allowed(why_not="You look; others decide.")
    waiting = [one for one in said if one.verdict in {"edit", "reject"}]
    if waiting:
        pending = next((one for one in waiting if one.verdict == "reject"), waiting[0])
        why_not = _PENDING[pending.verdict, bool(pending.then_approves)]
        # A no is acted on before any edit.
        return Allowed(why_not=why_not, reject=pending.verdict == "edit")
    words = Allowed(edit=True, ask=True, reject=True)
    if not reaches(user.role, "approver"):
        return replace(words, why_not="To say yes takes the role approver.")
    if proposal.verdict is Verdict.REFUSE:
        return replace(words, why_not="A rule refuses it: nobody can say yes.")
    if suggests_only:
        return replace(words, why_not="Campaigns of this kind are only suggested; nothing of it is launched.")
    if any(one.verdict == "approve" and one.actor == user.actor for one in said):
        return replace(words, why_not="You said yes to this version.")
    return replace(words, approve=True, needs_reason=proposal.verdict is Verdict.HOLD)
