"""A new version of a running campaign: who is in flight stays on theirs or moves, and nothing is sent again."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from memory import campaigns
from memory.campaigns import Campaign, CampaignVersion
from memory.errors import ConflictError
from memory.journal import append
from memory.play import Play
from memory.proposal import Proposal
from memory.schema import enrolments as enrolment_rows
from memory.schema import messages
from memory.sequence_check import longest_wait
from tools.in_flight import Flight, in_flight, moves

_CHUNK = 500


def put_in_place(connection: Connection, proposal: Proposal, at: datetime, actor: str) -> Flight:
    """Make an approved play the newest version of its campaign, and move who is to move; all or nothing.

    A message keeps its key through every version, so what was sent is never sent again, and a planned one is sent once
    in its newest words. Raises ConflictError when the campaign is over, or was changed since the play was drawn.
    """
    play = proposal.play
    campaign = current(connection, play)
    number = campaign.version + 1
    approved_until, ends_at = play.ends_after(last_send(play, campaign.starts_at, at))
    campaigns.add_version(
        connection,
        CampaignVersion(
            campaign_id=campaign.campaign_id,
            version=number,
            digest=play.digest,
            body=play.model_dump(mode="json"),
            policy_version=play.policy_version,
            approved_until=approved_until,
            activated_at=at,
            proposal_id=proposal.proposal_id,
        ),
    )
    ends_at = max(campaign.ends_at, ends_at)
    campaigns.set_version(connection, campaign.campaign_id, number, ends_at=ends_at, priority=play.limits.priority)
    inside = in_flight(connection, campaign.campaign_id)
    moving = [one.enrolment_id for one in inside if moves(play, one)]
    _move(connection, moving, number)
    flight = Flight(len(moving), len(inside) - len(moving), sum(one.in_holdout for one in inside))
    append(
        connection,
        at=at,
        actor=actor,
        action="campaign.version",
        subject=campaign.campaign_id,
        payload={"version": number, "digest": play.digest, "moved": flight.moving, "stayed": flight.staying},
    )
    return flight


def current(connection: Connection, play: Play) -> Campaign:
    """The campaign that a play changes, if it still runs in the version that the play was drawn on."""
    assert play.replaces is not None
    campaign = campaigns.get(connection, play.replaces.campaign_id)
    if campaign.status not in {"live", "paused"}:
        raise ConflictError(f"The campaign is {campaign.status}.", where=f"campaign {campaign.campaign_id}")
    if campaign.version != play.replaces.version:
        raise ConflictError(
            f"It changes version {play.replaces.version}, and version {campaign.version} runs now.",
            where=f"campaign {campaign.campaign_id}",
            remedy="Edit the campaign as it stands now.",
        )
    return campaign


def last_send(play: Play, starts_at: datetime, at: datetime) -> datetime:
    """When the last message of a version put in place at ``at`` is due for the last contact to enter.

    Nobody enters a campaign that began once any more: a version to which nobody moves sends nothing.
    """
    assert play.replaces is not None
    nobody = not play.trigger.runs_days and play.replaces.in_flight == "stay"
    closes = starts_at if nobody else max(starts_at + timedelta(days=play.trigger.runs_days), at)
    return closes + max(max(longest_wait(one).values(), default=timedelta()) for one in play.sequences)


def _move(connection: Connection, enrolment_ids: list[int], version: int) -> None:
    for start in range(0, len(enrolment_ids), _CHUNK):
        chunk = enrolment_ids[start : start + _CHUNK]
        # A claimed message is in flight in its old words; its enrolment moves on with it once it has ended.
        flying = select(messages.c.enrolment_id).where(
            messages.c.enrolment_id.in_(chunk), messages.c.state == "claimed"
        )
        connection.execute(
            update(messages)
            .where(messages.c.enrolment_id.in_(chunk), messages.c.state == "planned")
            .where(messages.c.enrolment_id.not_in(flying))
            .values(version=version)
        )
        connection.execute(
            update(enrolment_rows).where(enrolment_rows.c.enrolment_id.in_(chunk)).values(version=version)
        )
