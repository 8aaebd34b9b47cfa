"""A hand on one campaign: a person pauses it, lets it go on or stops it; what people approved retires it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from memory import autonomy, campaigns, enrolments, ledger, proposals
from memory.campaigns import Campaign, Status
from memory.errors import ConflictError
from memory.proposal import Proposal, ProposalStatus
from memory.schema import messages
from tools.drift import approval_facts, has_drifted
from tools.replace import current

LEFT = frozenset({"claimed", "sent", "unknown"})
"""States of a message that has left, or may have."""


def pause(connection: Connection, campaign_id: str, *, at: datetime, actor: str, reason: str) -> Campaign:
    """Hold back everything of a live campaign; deadlines keep running. Raises ConflictError if it is not live."""
    campaign = campaigns.get(connection, campaign_id)
    if not campaigns.swap_status(
        connection, campaign.campaign_id, ["live"], "paused", at=at, actor=actor, reason=reason
    ):
        raise _conflict(campaign, "Only a live campaign can be paused.")
    return campaigns.get(connection, campaign.campaign_id)


def resume(connection: Connection, campaign_id: str, *, at: datetime, actor: str, reason: str) -> Campaign:
    """Let a paused campaign go on.

    Raises ConflictError if it is not paused, its approval no longer covers it, or its review date is past.
    """
    campaign = campaigns.get(connection, campaign_id)
    stored = proposals.get(connection, campaign.proposal_id)
    if campaign.status != "paused" or stored.status is ProposalStatus.LAUNCHING:
        raise _conflict(campaign, "Only a paused campaign, launched to its end, can go on.")
    version = campaigns.get_version(connection, campaign.campaign_id, campaign.version)
    if has_drifted(approval_facts(connection, campaign, version)):
        raise ConflictError(
            "What would be sent is not what was approved.",
            where=f"campaign {campaign.campaign_id}",
            remedy=f"Stop it (`noria campaigns stop {campaign.campaign_id}`), then plan and approve afresh.",
        )
    if campaign.review_at <= at:
        raise ConflictError(
            f"Its proof of value has lapsed on {campaign.review_at:%Y-%m-%d}.",
            where=f"campaign {campaign.campaign_id}",
            remedy=f"Read `noria readout {campaign.campaign_id}`, then `noria campaigns renew {campaign.campaign_id} "
            "--until DATE --reason …`, or stop it.",
        )
    campaigns.swap_status(connection, campaign.campaign_id, ["paused"], "live", at=at, actor=actor, reason=reason)
    return campaigns.get(connection, campaign.campaign_id)


def stop(connection: Connection, campaign_id: str, *, at: datetime, actor: str, reason: str) -> Campaign:
    """End a campaign for good: cancel what is planned, let everybody out.

    If anything of it may have left it is ``finished``, and still measured at its planned looks; else ``cancelled``.
    If it could have been launched without a person, the ladder of autonomy counts that against its kind.
    Raises ConflictError if it is over already.
    """
    campaign = campaigns.get(connection, campaign_id)
    if campaign.status not in {"live", "paused"}:
        raise _conflict(campaign, "There is nothing left to stop.")
    proposal = proposals.get(connection, campaign.proposal_id).proposal
    autonomy.overrule(connection, proposal, "stopped the campaign of", actor=actor, at=at)
    end(connection, campaign.campaign_id, _final(connection, campaign), at, actor, reason)
    return campaigns.get(connection, campaign.campaign_id)


def retire(connection: Connection, proposal: Proposal, at: datetime, actor: str) -> int:
    """End the campaign that an approved proposal retires; returns how many contacts left it.

    What has left is still measured. Raises ConflictError when it is over, or was changed since.
    """
    campaign = current(connection, proposal.play)
    inside = sum(one.state == "active" for one in enrolments.of_campaign(connection, campaign.campaign_id))
    reason = f"Retired by proposal {proposal.proposal_id}."
    end(connection, campaign.campaign_id, _final(connection, campaign), at, actor, reason)
    return inside


def end(connection: Connection, campaign_id: str, status: Status, at: datetime, actor: str, reason: str = "") -> None:
    """Cancel what is planned, let everybody out, and set the final status, which is also the reason in the ledger."""
    ledger.cancel(connection, messages.c.campaign_id == campaign_id, status)
    inside = enrolments.of_campaign(connection, campaign_id)
    enrolments.leave(connection, {one.enrolment_id: status for one in inside}, at)
    campaigns.swap_status(connection, campaign_id, ["live", "paused"], status, at=at, actor=actor, reason=reason)


def _final(connection: Connection, campaign: Campaign) -> Status:
    """What a campaign that ends before its time becomes: what may have left is still measured."""
    states = ledger.reconcile(connection, campaign.campaign_id).states
    return "finished" if LEFT & states.keys() else "cancelled"


def _conflict(campaign: Campaign, sentence: str) -> ConflictError:
    return ConflictError(
        f"It is {campaign.status}. {sentence}",
        where=f"campaign {campaign.campaign_id}",
        remedy="`noria campaigns` shows where each campaign stands.",
    )
