"""A change of a running campaign: a proposal of its own, reviewed and approved like any other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from agents.desk import Desk
from agents.edit import changed_play, read_changes
from agents.graph import proposal_id_of
from agents.handover import Draft, keep, newest
from agents.provider import Analysis, Recall
from agents.review import judge_by_rules
from memory import autonomy, campaigns, proposals
from memory.campaigns import Campaign
from memory.canonical import digest
from memory.errors import ConflictError, InvalidInputError
from memory.finding import Verdict
from memory.play import Play, Replacement
from memory.proposal import Audience, Proposal
from tools.in_flight import Flight, StepFlight, foresee_flight, foresee_steps

if TYPE_CHECKING:
    from agents.resume import Threads

_FIXED = {
    "holdout_share": "The holdout is drawn once and for as long as the campaign runs.",
    "sequences": "Its sequences are compared for as long as it runs.",
    "languages": "Whom it writes to is fixed for as long as it runs.",
    "starts_at": "It has started.",
}


def propose_change(
    threads: Threads,
    campaign_id: str,
    changes: dict[str, Any],
    *,
    in_flight: Literal["stay", "move"],
    actor: str,
) -> str:
    """Put an edited version of a running campaign before people; returns the proposal's id. Nothing changes yet.

    Without changes it is the same campaign, to be approved again under a policy that was put in force meanwhile.
    Raises ConflictError for a campaign that is over, InvalidInputError for an edit that cannot be made.
    """
    runs, draft = draft_change(threads.desk, campaign_id, changes, in_flight=in_flight, occasion=actor)
    return put_change(threads, runs, draft, author=actor, overrules=bool(changes))


def draft_change(
    desk: Desk, campaign_id: str, changes: dict[str, Any], *, in_flight: Literal["stay", "move"], occasion: str
) -> tuple[Running, Proposal]:
    """What runs, and the change of it as it would be put before people. Raises as ``propose_change`` does."""
    runs = running(desk, campaign_id)
    wanted, play = read_changes(changes), runs.proposal.play
    for name, why in _FIXED.items():
        if getattr(wanted, name) is not None:
            raise InvalidInputError(f"This cannot be changed in a running campaign. {why}", where=name)
    # Under another policy the very same play has to be approved again.
    renews = not changes and play.policy_version != desk.pack.version
    play = play if renews else changed_play(play, wanted, desk, runs.proposal.audience.bands)
    return runs, drafted(desk, runs, play, in_flight=in_flight, occasion=occasion)


def put_change(threads: Threads, runs: Running, draft: Proposal, *, author: str, overrules: bool) -> str:
    """Put a person's change before people; ``overrules`` tells one that changes something from a renewal."""
    desk = threads.desk
    if overrules:
        with desk.store.write() as connection:
            autonomy.overrule(connection, runs.proposal, "changed the campaign of", actor=author, at=desk.clock.now())
    return put_forward(threads, runs, draft, author=author)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a change would do, before anybody proposes it."""

    runs: Running
    draft: Proposal
    """As the rules judge it now, with the approvals that it would need; it is stored nowhere."""
    steps: tuple[StepFlight, ...]
    """Where contacts in flight stand, and what becomes of them."""

    @property
    def refused(self) -> bool:
        """Whether a rule refuses it, so that nobody could say yes."""
        return self.draft.verdict is Verdict.REFUSE


def foresee_change(
    desk: Desk, campaign_id: str, changes: dict[str, Any], *, in_flight: Literal["stay", "move"]
) -> Foreseen:
    """Look at a change without proposing it: nothing is written, and no model is asked. Raises as proposing it does."""
    runs, draft = draft_change(desk, campaign_id, changes, in_flight=in_flight, occasion="look")
    analysis, _ = _grounds(desk, runs.proposal)
    with desk.store.read() as connection:
        steps = foresee_steps(connection, draft.play)
    return Foreseen(runs, judge_by_rules(desk, draft, analysis.opportunity.average_order_cents), tuple(steps))


@dataclass(frozen=True, slots=True)
class Running:
    """A campaign that is not over, and the proposal whose approval covers its newest version."""

    campaign: Campaign
    proposal: Proposal


def running(desk: Desk, campaign_id: str) -> Running:
    """What a change goes out from. Raises ConflictError for a campaign that is over."""
    with desk.store.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        if campaign.status not in {"live", "paused"}:
            raise ConflictError(
                f"It is {campaign.status}, so nothing of it can change.",
                where=f"campaign {campaign.campaign_id}",
                remedy="Plan and approve another campaign.",
            )
        version = campaigns.get_version(connection, campaign.campaign_id, campaign.version)
        return Running(campaign, proposals.get(connection, version.proposal_id or campaign.proposal_id).proposal)


def drafted(
    desk: Desk, runs: Running, play: Play, *, in_flight: Literal["stay", "move", "leave"], occasion: str
) -> Proposal:
    """A proposal that puts a play in the place of the newest version of a campaign, or with ``leave`` ends it.

    The same play on the same ``occasion`` is the same proposal.
    """
    campaign, now = runs.campaign, desk.clock.now()
    replaces = Replacement(campaign_id=campaign.campaign_id, version=campaign.version, in_flight=in_flight)
    play = play.model_copy(update={"replaces": replaces, "policy_version": desk.pack.version})
    thread_id = f"proposal-change-{digest([campaign.campaign_id, campaign.version, play.digest, occasion])[:12]}"
    with desk.store.read() as connection:
        flight = foresee_flight(connection, play)
    return runs.proposal.model_copy(
        update={
            "proposal_id": proposal_id_of(thread_id),
            "version": 1,
            "thread_id": thread_id,
            "kind": "change_campaign",
            "title": f"Change of {campaign.name}",
            "summary": _summary(campaign.name, flight, in_flight == "move"),
            "play": play,
            "audience": _audience(flight),
            "findings": (),
            "created_at": now,
            "expires_at": now + timedelta(days=desk.settings.expires_days),
        }
    )


def put_forward(threads: Threads, runs: Running, draft: Proposal, *, author: str) -> str:
    """Have a drafted change judged and put before people; returns the proposal's id. The same draft is put once."""
    threads.start(draft.thread_id, _first_state(threads.desk, runs.proposal, draft, draft.thread_id, author))
    return draft.proposal_id


def _first_state(desk: Desk, before: Proposal, proposal: Proposal, thread_id: str, actor: str) -> dict[str, Any]:
    """What the deliberation goes on from: the analysis of the campaign's own proposal, and the person's draft."""
    analysis, recall = _grounds(desk, before)
    return {
        "thread_id": thread_id,
        "proposal_id": proposal.proposal_id,
        "brief_id": before.brief_id,
        "playbook": before.play.playbook,
        "questions_id": "",
        "recall_id": keep(desk, thread_id, "recall", recall),
        "analysis_id": keep(desk, thread_id, "analysis", analysis),
        "draft_id": keep(desk, thread_id, "draft", Draft(proposal=proposal, author=actor)),
        "revisions": 0,
    }


def _grounds(desk: Desk, before: Proposal) -> tuple[Analysis, Recall]:
    """What a campaign was planned on. Raises ConflictError where it is no longer on record."""
    analysis = newest(desk, before.thread_id, "analysis", Analysis)
    recall = newest(desk, before.thread_id, "recall", Recall)
    if analysis is None or recall is None or before.brief_id is None:
        raise ConflictError(
            "What the campaign was planned on is no longer on record.",
            where=f"proposal {before.proposal_id}",
            remedy="Stop the campaign and plan it afresh.",
        )
    return analysis, recall


def _audience(flight: Flight) -> Audience:
    inside = flight.moving + flight.staying
    return Audience(selected=inside, reachable=inside, holdout=flight.held_out, treated=inside - flight.held_out)


def _summary(name: str, flight: Flight, moves: bool) -> str:
    new = f"Whoever enters “{name}” from now on gets the new version."
    if not moves:
        return f"{new} The {flight.staying} contacts in flight finish theirs."
    stays = f"; {flight.staying} finish theirs, because their step is gone" if flight.staying else ""
    return f"{new} Of those in flight {flight.moving} move to it{stays}. Nothing is sent twice."
