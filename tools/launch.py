"""The door: an approved proposal becomes a campaign, once, and only if it still is what was approved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from memory import autonomy, campaigns, enrolments, proposals, workspace
from memory.campaigns import Campaign, CampaignVersion
from memory.canonical import buckets
from memory.errors import ConflictError, InvalidInputError, NotFoundError
from memory.journal import append
from memory.offers import read_offer
from memory.play import Play
from memory.proposal import Audience, Proposal, ProposalStatus
from memory.proposals import StoredProposal
from memory.schema import enrolments as enrolled
from memory.snapshot import refresh
from memory.trigger import EventTrigger
from policies.facts import last_planned_send
from policies.table import moment
from tools.audience import Entrants, Selection, choose
from tools.campaign import end, retire
from tools.drift import changed_parts
from tools.enrol import enrol
from tools.holdout import holdout_objection
from tools.replace import put_in_place
from tools.workplace import Workplace

if TYPE_CHECKING:
    from memory.features.table import Features

_CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class Launch:
    """What became of a proposal at the door."""

    proposal_id: str
    status: ProposalStatus
    campaign_id: str
    sentence: str
    audience: Audience | None = None


def launch_approved(place: Workplace) -> list[Launch]:
    """Launch every approved proposal, and carry on with launches that were interrupted."""
    with place.store.read() as connection:
        waiting = proposals.list_proposals(connection, [ProposalStatus.APPROVED, ProposalStatus.LAUNCHING])
    done = []
    for stored in waiting:
        try:
            done.append(launch(place, stored.proposal.proposal_id))
        except InvalidInputError as error:
            # One proposal that cannot be read must not stop the others.
            with place.store.write() as connection:
                done.append(_turn_away(connection, place, stored, ProposalStatus.FAILED, str(error)))
    return done


def launch(place: Workplace, proposal_id: str, *, features: Features | None = None) -> Launch:
    """Check an approved proposal once more, make it a campaign, enrol its audience and plan its first messages.

    Whatever has changed since the approval voids it, and the answer says what. Doing it again, after a crash or in a
    second worker, ends in the same campaign. Raises ConflictError when it is not approved.
    """
    at = place.clock.now()
    with place.store.write() as connection:
        workspace.salt(connection)
        stored = proposals.get(connection, proposal_id)
        proposal = stored.proposal
        campaign_id = campaigns.campaign_id_of(proposal.proposal_id)
        if stored.status is ProposalStatus.LAUNCHED:
            return Launch(proposal.proposal_id, stored.status, campaign_id, "It is already launched.")
        if stored.status not in {ProposalStatus.APPROVED, ProposalStatus.LAUNCHING}:
            raise ConflictError(
                f"It is {stored.status}, not approved.",
                where=f"proposal {proposal.proposal_id}",
                remedy="Only an approved proposal can be launched.",
            )
        objection = _objection(connection, place, stored, at)
        if objection:
            return _turn_away(connection, place, stored, *objection)
        if proposal.play.replaces is not None:
            return _change(connection, place, stored, at)
    if features is None:
        # The lake is stale by design: who consented or arrived since must be seen now.
        refresh(place.store, place.lake)
    selection = choose(
        place.store,
        place.lake,
        place.pack,
        proposal.play,
        at=at,
        campaign_id=campaign_id,
        features=features,
        programme_share=place.programme_share,
        currency=place.currency,
    )
    with place.store.write() as connection:
        campaigns.lock_launches(connection)
        stored = proposals.get(connection, proposal_id)
        if stored.status not in {ProposalStatus.APPROVED, ProposalStatus.LAUNCHING}:
            return Launch(proposal.proposal_id, stored.status, campaign_id, "Somebody else was faster.")
        objection = _objection(connection, place, stored, at) or _misfit(proposal.play, selection.audience)
        if objection:
            return _turn_away(connection, place, stored, *objection, audience=selection.audience)
        began = proposals.swap_status(
            connection,
            proposal.proposal_id,
            ProposalStatus.APPROVED,
            ProposalStatus.LAUNCHING,
            at,
            actor=place.actor,
        )
        if not began and stored.status is not ProposalStatus.LAUNCHING:
            return Launch(proposal.proposal_id, stored.status, campaign_id, "Somebody else was faster.")
        # Paused until everybody is in: nothing leaves from a half-finished launch.
        campaigns.create(connection, *_campaign(proposal, campaign_id, at))
        campaign = campaigns.get(connection, campaign_id)
    # A trigger lets nobody in yet: who comes is enrolled as they come.
    if not proposal.play.trigger.runs_days:
        entrants, enters_at = _in_entry_order(place, campaign, proposal.play, selection.entrants)
        for start in range(0, len(entrants), _CHUNK):
            part = slice(start, start + _CHUNK)
            with place.store.write() as connection:
                enrol(connection, place, campaign, proposal.play, entrants.take(part), enters_at[part])
    return _open(place, proposal, campaign, selection)


def _change(connection: Connection, place: Workplace, stored: StoredProposal, at: datetime) -> Launch:
    """A new version of a campaign that runs, or its end: approved, and put in place at once."""
    proposal = stored.proposal
    assert proposal.play.replaces is not None
    campaign_id = proposal.play.replaces.campaign_id
    try:
        if proposal.play.ends_campaign:
            sentence = f"It has ended; {retire(connection, proposal, at, place.actor)} contacts left it."
        else:
            flight = put_in_place(connection, proposal, at, place.actor)
            sentence = f"{flight.moving} contacts in flight moved to the new version, {flight.staying} finish theirs."
    except ConflictError as error:
        return _turn_away(connection, place, stored, ProposalStatus.VOIDED, str(error))
    proposals.swap_status(
        connection, proposal.proposal_id, stored.status, ProposalStatus.LAUNCHED, at, actor=place.actor
    )
    return Launch(proposal.proposal_id, ProposalStatus.LAUNCHED, campaign_id, sentence)


def _objection(
    connection: Connection, place: Workplace, stored: StoredProposal, at: datetime
) -> tuple[ProposalStatus, str] | None:
    """What has changed since the approval, apart from the audience."""
    proposal, play = stored.proposal, stored.proposal.play
    if stored.status is ProposalStatus.APPROVED and proposal.expires_at <= at:
        when = f"{proposal.expires_at:%d %B %Y at %H:%M} UTC"
        return ProposalStatus.EXPIRED, f"The approval was good until {when}."
    approvals = proposals.approvals_for(connection, proposal.proposal_id, play.digest)
    if not approvals or not proposals.approval_is_complete(stored, approvals):
        return ProposalStatus.VOIDED, f"Nobody approved what would happen now. {_since_approval(connection, proposal)}"
    if why := autonomy.objection(connection, proposal, {one.actor for one in approvals}):
        return ProposalStatus.VOIDED, why
    if play.ends_campaign:
        # Whatever else has changed is no reason to go on sending.
        return None
    if play.policy_version != place.pack.version:
        return (
            ProposalStatus.VOIDED,
            f"The policy changed since the approval: {play.policy_version} is now {place.pack.version}.",
        )
    absent = sorted({step.channel for _, step in play.sends()} - set(place.channels))
    if absent:
        return (
            ProposalStatus.VOIDED,
            f"It would go by {', '.join(absent)}, and this workspace has no such channel. Set it in noria.toml.",
        )
    left = play.brand.left_from(place.example_brand) if place.example_brand is not None else ()
    if left:
        return (
            ProposalStatus.VOIDED,
            f"It would be sent in the example's name: {', '.join(left)}. Fill in brand.yaml and propose it again.",
        )
    if why := holdout_objection(connection, play, campaigns.campaign_id_of(proposal.proposal_id)):
        return ProposalStatus.VOIDED, why
    for offer in play.offers:
        try:
            recorded = read_offer(connection, offer.offer_id)
        except NotFoundError:
            return ProposalStatus.VOIDED, f"The offer {offer.offer_id} is no longer among the approved ones."
        changed = changed_parts(offer.model_dump(mode="json"), recorded.model_dump(mode="json"))
        if changed:
            return ProposalStatus.VOIDED, f"The offer changed since the approval: {'; '.join(changed)}."
        if recorded.ends_at <= at:
            return ProposalStatus.VOIDED, f"The offer ended on {recorded.ends_at:%d %B %Y}."
    return None


def _misfit(play: Play, audience: Audience) -> tuple[ProposalStatus, str] | None:
    fewest, most = play.size_band
    if play.trigger.runs_days or fewest <= audience.reachable <= most:
        return None
    return (
        ProposalStatus.VOIDED,
        f"The approval covers {fewest} to {most} contacts, and now {audience.reachable} would enter.",
    )


def _turn_away(
    connection: Connection,
    place: Workplace,
    stored: StoredProposal,
    status: ProposalStatus,
    sentence: str,
    *,
    audience: Audience | None = None,
) -> Launch:
    at = place.clock.now()
    proposal_id = stored.proposal.proposal_id
    campaign_id = campaigns.campaign_id_of(proposal_id)
    swapped = proposals.swap_status(
        connection, proposal_id, stored.status, status, at, actor=place.actor, reason=sentence
    )
    if swapped and campaigns.of_proposal(connection, proposal_id) is not None:
        end(connection, campaign_id, "cancelled", at, place.actor, sentence)
    return Launch(proposal_id, status, campaign_id, sentence, audience)


def _campaign(proposal: Proposal, campaign_id: str, at: datetime) -> tuple[Campaign, CampaignVersion]:
    play = proposal.play
    starts_at = max(play.schedule.starts_at, at)
    last_send = last_planned_send(play) + (starts_at - play.schedule.starts_at)
    approved_until, ends_at = play.ends_after(last_send)
    campaign = Campaign(
        campaign_id=campaign_id,
        proposal_id=proposal.proposal_id,
        playbook=play.playbook,
        name=proposal.title,
        status="paused",
        version=1,
        holdout_share=play.holdout_share,
        holdout_key=play.holdout_key,
        owner=play.owner,
        trigger_kind=play.trigger.kind,
        trigger_event=play.trigger.event if isinstance(play.trigger, EventTrigger) else "",
        priority=play.limits.priority,
        value_per_message_cents=proposal.rank_score,
        starts_at=starts_at,
        ends_at=ends_at,
        review_at=starts_at + timedelta(days=play.review_days),
        created_at=at,
    )
    version = CampaignVersion(
        campaign_id=campaign_id,
        version=1,
        digest=play.digest,
        body=play.model_dump(mode="json"),
        policy_version=play.policy_version,
        approved_until=approved_until,
        activated_at=at,
    )
    return campaign, version


def _in_entry_order(
    place: Workplace, campaign: Campaign, play: Play, entrants: Entrants
) -> tuple[Entrants, NDArray[np.datetime64]]:
    """Who enters when: all at once, or so many a day in an order that nobody chose."""
    per_day = play.limits.contacts_per_day
    starts_at = moment(campaign.starts_at)
    if not per_day:
        return entrants, np.full(len(entrants), starts_at)
    with place.store.read() as connection:
        salt = workspace.get_value(connection, "salt") or ""
    turns = buckets(salt, ("entry", campaign.campaign_id), entrants.contact_ids.tolist())
    days = np.arange(len(entrants)) // per_day
    return entrants.take(np.argsort(turns, kind="stable")), starts_at + days.astype("timedelta64[D]")


def _open(place: Workplace, proposal: Proposal, campaign: Campaign, selection: Selection) -> Launch:
    """Let the campaign go live if it holds as many contacts as were approved."""
    play, campaign_id = proposal.play, campaign.campaign_id
    with place.store.write() as connection:
        at = place.clock.now()
        entered = enrolments.count(connection, campaign_id)
        held_out = enrolments.count(connection, campaign_id, enrolled.c.in_holdout)
        fewest, most = play.size_band
        stored = proposals.get(connection, proposal.proposal_id)
        if stored.status is not ProposalStatus.LAUNCHING:
            sentence = "Another worker brought it to its end."
            return Launch(proposal.proposal_id, stored.status, campaign_id, sentence, selection.audience)
        if not play.trigger.runs_days and not fewest <= entered <= most:
            # An interrupted launch was carried on when the audience had changed.
            sentence = f"The approval covers {fewest} to {most} contacts, and {entered} entered."
            return _turn_away(connection, place, stored, ProposalStatus.VOIDED, sentence, audience=selection.audience)
        proposals.swap_status(
            connection,
            proposal.proposal_id,
            ProposalStatus.LAUNCHING,
            ProposalStatus.LAUNCHED,
            at,
            actor=place.actor,
        )
        campaigns.swap_status(connection, campaign_id, ["paused"], "live", at=at, actor=place.actor)
        audience = selection.audience
        append(
            connection,
            at=at,
            actor=place.actor,
            action="campaign.enrolled",
            subject=campaign_id,
            payload={
                "proposal": proposal.proposal_id,
                "digest": play.digest,
                "entered": entered,
                "holdout": held_out,
                "selected": audience.selected,
                "subtractions": {one.rule: one.contacts for one in audience.subtractions},
            },
        )
    sentence = f"{entered - held_out} contacts entered, {held_out} more are held out."
    if play.trigger.runs_days:
        sentence = (
            f"It lets contacts in for {play.trigger.runs_days} days, at most {play.limits.contacts_per_day} a day."
        )
    return Launch(proposal.proposal_id, ProposalStatus.LAUNCHED, campaign_id, sentence, audience)


def _since_approval(connection: Connection, proposal: Proposal) -> str:
    """What is different from the version that was approved last."""
    approved = [one for one in proposals.decisions_on(connection, proposal.proposal_id) if one.verdict == "approve"]
    if not approved:
        return "There is no approval on record."
    seen = proposals.get_version(connection, proposal.proposal_id, approved[-1].version)
    changed = changed_parts(seen.play.model_dump(mode="json"), proposal.play.model_dump(mode="json"))
    return f"Changed since: {'; '.join(changed)}." if changed else "The approval is not complete."
