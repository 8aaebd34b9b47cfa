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
from memory import autonomy, campaigns, proposals
from memory.campaigns import Campaign
from memory.canonical import digest
from memory.errors import ConflictError, InvalidInputError
from memory.play import Play, Replacement
from memory.proposal import Audience, Proposal
from tools.in_flight import Flight, foresee_flight

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
    desk, wanted = threads.desk, read_changes(changes)
    for name, why in _FIXED.items():
        if getattr(wanted, name) is not None:
            raise InvalidInputError(f"This cannot be changed in a running campaign. {why}", where=name)
    runs = running(desk, campaign_id)
    before = runs.proposal
    # Under another policy the very same play has to be approved again.
    renews = not changes and before.play.policy_version != desk.pack.version
    play = before.play if renews else changed_play(before.play, wanted, desk)
    draft = drafted(desk, runs, play, in_flight=in_flight, occasion=actor)
    if not renews:
        with desk.store.write() as connection:
            autonomy.overrule(connection, before, "changed the campaign of", actor=actor, at=desk.clock.now())
    return put_forward(threads, runs, draft, author=actor)


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
    analysis = newest(desk, before.thread_id, "analysis", Analysis)
    recall = newest(desk, before.thread_id, "recall", Recall)
    if analysis is None or recall is None or before.brief_id is None:
        raise ConflictError(
            "What the campaign was planned on is no longer on record.",
            where=f"proposal {before.proposal_id}",
            remedy="Stop the campaign and plan it afresh.",
        )
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


def _audience(flight: Flight) -> Audience:
    inside = flight.moving + flight.staying
    return Audience(selected=inside, reachable=inside, holdout=flight.held_out, treated=inside - flight.held_out)


def _summary(name: str, flight: Flight, moves: bool) -> str:
    new = f"Whoever enters “{name}” from now on gets the new version."
    if not moves:
        return f"{new} The {flight.staying} contacts in flight finish theirs."
    stays = f"; {flight.staying} finish theirs, because their step is gone" if flight.staying else ""
    return f"{new} Of those in flight {flight.moving} move to it{stays}. Nothing is sent twice."
