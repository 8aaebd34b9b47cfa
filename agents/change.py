"""A person's edit of a running campaign: a proposal of its own, reviewed and approved like any other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from agents.desk import Desk
from agents.edit import changed_play, read_changes
from agents.graph import proposal_id_of
from agents.handover import Draft, keep, newest
from agents.provider import Analysis, Recall
from agents.resume import PROPOSAL, Threads
from memory import autonomy, campaigns, proposals
from memory.canonical import digest
from memory.errors import ConflictError, InvalidInputError
from memory.play import Replacement
from memory.proposal import Audience, Proposal
from tools.replace import Flight, foresee_flight

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
    with desk.store.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        if campaign.status not in {"live", "paused"}:
            raise ConflictError(f"It is {campaign.status}.", where=f"campaign {campaign.campaign_id}")
        version = campaigns.get_version(connection, campaign.campaign_id, campaign.version)
        before = proposals.get(connection, version.proposal_id or campaign.proposal_id).proposal
    replaces = Replacement(campaign_id=campaign.campaign_id, version=campaign.version, in_flight=in_flight)
    # Under another policy the very same play has to be approved again.
    renews = not changes and before.play.policy_version != desk.pack.version
    play = (before.play if renews else changed_play(before.play, wanted, desk)).model_copy(
        update={"replaces": replaces, "policy_version": desk.pack.version}
    )
    thread_id = f"{PROPOSAL}-change-{digest([campaign.campaign_id, campaign.version, play.digest, actor])[:12]}"
    with desk.store.read() as connection:
        flight = foresee_flight(connection, play)
    proposal = before.model_copy(
        update={
            "proposal_id": proposal_id_of(thread_id),
            "version": 1,
            "thread_id": thread_id,
            "kind": "change_campaign",
            "title": f"Change of {campaign.name}",
            "summary": _summary(campaign.name, flight, play.replaces is not None and in_flight == "move"),
            "play": play,
            "audience": _audience(flight),
            "findings": (),
            "created_at": desk.clock.now(),
            "expires_at": desk.clock.now() + timedelta(days=desk.settings.expires_days),
        }
    )
    if not renews:
        with desk.store.write() as connection:
            autonomy.overrule(connection, before, "changed the campaign of", actor=actor, at=desk.clock.now())
    threads.start(thread_id, _first_state(desk, before, proposal, thread_id, actor))
    return proposal.proposal_id


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
